//! Properties of `replay` for random input: its JSON equals the reports of a tracker, and it never panics.

mod common;

use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, OpenChannel, OutPoint, Snapshot, Timestamp, Tracker,
    TrackerConfig,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn node_id() -> impl Strategy<Value = NodeId> {
    (0_u8..5).prop_map(|number| NodeId([number + 2; 33]))
}

fn channel_id() -> impl Strategy<Value = ChannelId> {
    (0_u8..6).prop_map(|number| ChannelId([number; 32]))
}

fn funding() -> impl Strategy<Value = OutPoint> {
    (0_u8..9, 0_u32..3).prop_map(|(number, vout)| OutPoint { txid: [number; 32], vout })
}

fn open_channel() -> impl Strategy<Value = OpenChannel> {
    let usable = proptest::option::of(any::<bool>());
    (channel_id(), node_id(), proptest::option::of(funding()), usable).prop_map(
        |(channel_id, node_id, funding, usable)| OpenChannel { channel_id, node_id, funding, usable },
    )
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let taken_at = proptest::option::of(any::<u64>().prop_map(Timestamp::from_nanos));
    let lists = (proptest::collection::vec(open_channel(), 0..6), proptest::collection::vec(node_id(), 0..5));
    (lists, taken_at).prop_map(|((channels, connected), taken_at)| Snapshot { channels, connected, taken_at })
}

fn event() -> impl Strategy<Value = Event> {
    let opened = (open_channel(), any::<Option<bool>>()).prop_map(|(channel, online)| {
        let OpenChannel { channel_id, node_id, funding, usable: _ } = channel;
        Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding, online })
    });
    prop_oneof![
        4 => node_id().prop_map(|node_id| Event::PeerOnline { node_id }),
        4 => node_id().prop_map(|node_id| Event::PeerOffline { node_id }),
        4 => opened,
        1 => channel_id().prop_map(|channel_id| Event::ChannelClosed { channel_id }),
        1 => (channel_id(), funding())
            .prop_map(|(channel_id, funding)| Event::FundingChanged { channel_id, funding }),
        3 => (channel_id(), any::<bool>())
            .prop_map(|(channel_id, usable)| Event::ChannelUsable { channel_id, usable }),
        1 => node_id().prop_map(|node_id| Event::Watch { node_id }),
        1 => node_id().prop_map(|node_id| Event::Unwatch { node_id }),
        1 => snapshot().prop_map(Event::Snapshot),
        1 => Just(Event::ObservationPaused),
        1 => Just(Event::ObservationResumed),
        1 => offset().prop_map(|since| Event::Unobserved { since }),
        1 => offset().prop_map(|to| Event::ClockSet { to }),
    ]
}

/// A duration before or after the event. [`trace`] turns it into a time.
fn offset() -> impl Strategy<Value = Timestamp> {
    (0..100 * common::HOUR).prop_map(Timestamp::from_nanos)
}

/// Events with random intervals between them, some of them 0.
fn trace() -> impl Strategy<Value = Vec<(Timestamp, Event)>> {
    let step = prop_oneof![Just(0), 1..2_000_000_000_u64, 0..100 * common::HOUR];
    proptest::collection::vec((step, event()), 0..60).prop_map(|steps| {
        let mut at = Timestamp::from_nanos(common::T0);
        steps
            .into_iter()
            .map(|(step, mut event)| {
                at = at.after_nanos(step);
                let event_time = at;
                match &mut event {
                    Event::Unobserved { since } => *since = at.before_nanos(since.as_nanos()),
                    Event::ClockSet { to } => {
                        at = at.after_nanos(to.as_nanos());
                        *to = at;
                    }
                    _ => {}
                }
                (event_time, event)
            })
            .collect()
    })
}

fn to_json_lines(trace: &[(Timestamp, Event)]) -> String {
    let line = |(at, event): &(Timestamp, Event)| {
        let mut line = json!({ "at_ns": at });
        let Value::Object(event) = serde_json::to_value(event).expect("serialize the event") else {
            unreachable!("an event is serialized as an object")
        };
        line.as_object_mut().expect("an object").extend(event);
        line.to_string() + "\n"
    };
    trace.iter().map(line).collect()
}

/// Builds the expected document from a tracker.
fn expected_document(config: TrackerConfig, trace: &[(Timestamp, Event)], window_ns: Option<u64>) -> Value {
    let mut tracker = Tracker::new(config, HashSeed([1; 16]));
    for (at, event) in trace {
        tracker.apply(*at, event);
    }
    let at = match trace.last() {
        None => return json!({"at_ns": null, "peers": [], "channels": []}),
        Some((_, Event::ClockSet { to })) => *to,
        Some((at, _)) => *at,
    };
    let mut reports: Vec<_> = tracker.peers(at).collect();
    reports.sort_by_key(|report| report.node_id);
    let (mut peers, mut channels) = (Vec::new(), Vec::new());
    let from = at.before_nanos(window_ns.unwrap_or(u64::MAX));
    for report in reports {
        for channel in &report.channels {
            let mut value = serde_json::to_value(channel).expect("serialize the report");
            if window_ns.is_some() {
                let history =
                    tracker.channel_history(at, &channel.channel_id, &[]).expect("the channel is open");
                value["window"] =
                    serde_json::to_value(history.stats(from, at)).expect("serialize the report");
            }
            channels.push(value);
        }
        let mut value = serde_json::to_value(&report).expect("serialize the report");
        value.as_object_mut().expect("an object").remove("channels");
        if window_ns.is_some() {
            let history = tracker.history(at, &report.node_id, &[]).expect("the peer is tracked");
            value["window"] = serde_json::to_value(history.stats(from, at)).expect("serialize the report");
        }
        peers.push(value);
    }
    let mut document = json!({ "at_ns": at, "peers": peers, "channels": channels });
    if config == TrackerConfig::default() {
        let mut coverage = serde_json::to_value(tracker.coverage(at)).expect("serialize the coverage");
        let gaps = tracker.gaps(at, &[], Timestamp::EPOCH, Timestamp::MAX);
        let gaps: Vec<_> = gaps.into_iter().filter(|gap| gap.to >= from).collect();
        coverage["gaps"] = serde_json::to_value(gaps).expect("serialize the gaps");
        document["coverage"] = json!([coverage]);
    }
    // Parsing floats can change the last bit, so the expected document is parsed from text as well.
    serde_json::from_str(&document.to_string()).expect("parse the document")
}

/// Removes the field that only the program adds.
fn without_lnd_uptime(mut document: Value) -> Value {
    for channel in document["channels"].as_array_mut().expect("an array") {
        channel.as_object_mut().expect("an object").remove("lnd_uptime_ns");
    }
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn replay_equals_the_tracker(trace in trace()) {
        let lines = to_json_lines(&trace);
        let document = common::replay_json(lines.clone(), &["--sort", "peer"]);
        prop_assert_eq!(document, expected_document(TrackerConfig::default(), &trace, None));
        let document = common::replay_json(lines.clone(), &["--sort", "peer", "--window", "36h"]);
        prop_assert_eq!(document, expected_document(TrackerConfig::default(), &trace, Some(36 * common::HOUR)));
        let document = common::replay_json(lines, &["--sort", "peer", "--preset", "lnd-master"]);
        prop_assert_eq!(without_lnd_uptime(document), expected_document(TrackerConfig::lnd_master(), &trace, None));
    }

    #[test]
    fn random_bytes_never_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), gzip: bool) {
        let bytes = if gzip { [&[0x1f, 0x8b, 8, 0][..], &bytes].concat() } else { bytes };
        let output = common::replay(bytes, &[]);
        prop_assert!(matches!(output.status.code(), Some(0 | 2)), "{}", common::stderr(&output));
    }

    #[test]
    fn random_times_never_cause_a_panic(times in proptest::collection::vec(any::<u64>(), 1..20), preset: bool) {
        let opened = ChannelOpened {
            channel_id: ChannelId([1; 32]), node_id: NodeId([2; 33]), funding: None, online: Some(true),
        };
        let event = |(index, at): (usize, &u64)| (Timestamp::from_nanos(*at), match index % 3 {
            0 => Event::ChannelOpened(opened),
            1 => Event::PeerOffline { node_id: NodeId([2; 33]) },
            _ => Event::PeerOnline { node_id: NodeId([2; 33]) },
        });
        let trace: Vec<_> = times.iter().enumerate().map(event).collect();
        let more: &[&str] = if preset { &["--preset", "lnd-0.19"] } else { &["--window", "1d"] };
        let output = common::replay(to_json_lines(&trace), more);
        prop_assert_eq!(output.status.code(), Some(0), "{}", common::stderr(&output));
    }
}
