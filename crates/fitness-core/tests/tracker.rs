//! Tests the tracker with examples.

use fitness_core::{
    Change, ChannelId, ChannelOpened, Event, HashSeed, NodeId, OpenChannel, OutPoint, Presence, Snapshot,
    Timestamp, Tracker, TrackerConfig, UnsavedChanges,
};

const PEER: NodeId = NodeId([2; 33]);
const OTHER: NodeId = NodeId([3; 33]);
const CHANNEL: ChannelId = ChannelId([7; 32]);
const SECOND_CHANNEL: ChannelId = ChannelId([8; 32]);
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

fn outpoint(vout: u32) -> OutPoint {
    OutPoint { txid: [vout.to_le_bytes()[0]; 32], vout }
}

fn tracker() -> Tracker {
    Tracker::new(TrackerConfig::default(), HashSeed([1; 16]))
}

fn opened(channel_id: ChannelId, online: Option<bool>) -> Event {
    Event::ChannelOpened(ChannelOpened { channel_id, node_id: PEER, funding: Some(outpoint(0)), online })
}

fn secs(secs: u64) -> u64 {
    secs * 1_000_000_000
}

#[test]
fn strangers_are_not_stored_but_their_connections_are_known() {
    let mut tracker = tracker();
    tracker.apply(START, &Event::PeerOnline { node_id: PEER });
    assert_eq!((tracker.peer_count(), tracker.dirty_count()), (0, 0));
    assert_eq!(tracker.is_connected(&PEER), Some(true));
    tracker.apply(START.after_secs(5), &opened(CHANNEL, None));
    let report = tracker.peer(START.after_secs(9), &PEER).expect("the peer is tracked");
    assert_eq!(report.presence, Presence::Online);
    assert_eq!((report.uptime_ns, report.observed_ns), (secs(4), secs(4)));
    assert_eq!(report.flap_count, 0, "the first presence is not a flap");
}

#[test]
fn peer_is_unobserved_until_its_first_report() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, None));
    let report = tracker.channel(START.after_secs(60), &CHANNEL).expect("the channel is open");
    assert_eq!((report.lifetime_ns, report.observed_ns, report.availability), (secs(60), 0, None));
    tracker.apply(START.after_secs(60), &Event::PeerOffline { node_id: PEER });
    let report = tracker.channel(START.after_secs(70), &CHANNEL).expect("the channel is open");
    assert_eq!((report.observed_ns, report.uptime_ns, report.availability), (secs(10), 0, Some(0.0)));
    assert_eq!(tracker.flap_count(&PEER), Some((0, None)));
}

#[test]
fn splice_changes_only_the_funding_outpoint() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let mut changes = Vec::new();
    let spliced = Event::FundingChanged { channel_id: CHANNEL, funding: outpoint(1) };
    for _ in 0..2 {
        tracker.apply_with(START.after_secs(10), &spliced, |change| changes.push(change));
    }
    let expected =
        Change::FundingChanged { channel_id: CHANNEL, previous: Some(outpoint(0)), funding: outpoint(1) };
    assert_eq!(changes, vec![expected]);
    let at = START.after_secs(20);
    assert_eq!(tracker.channel_by_funding(at, &outpoint(0)), None);
    let report = tracker.channel_by_funding(at, &outpoint(1)).expect("the channel has this funding outpoint");
    assert_eq!(Some(report), tracker.channel(at, &CHANNEL));
    assert_eq!((report.lifetime_ns, report.uptime_ns), (secs(20), secs(20)));
    // LDK reports the channel again, with its new funding outpoint, when the splice is locked.
    let locked =
        ChannelOpened { channel_id: CHANNEL, node_id: PEER, funding: Some(outpoint(2)), online: None };
    tracker.apply(at, &Event::ChannelOpened(locked));
    assert!(tracker.channel_by_funding(at, &outpoint(2)).is_some());
}

#[test]
fn channels_of_one_peer_have_separate_lifetimes() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    tracker.apply(START.after_secs(10), &opened(SECOND_CHANNEL, None));
    tracker.apply(START.after_secs(30), &Event::PeerOffline { node_id: PEER });
    let at = START.after_secs(40);
    let report = tracker.peer(at, &PEER).expect("the peer has channels");
    let channels = report.channels.iter();
    let durations: Vec<_> =
        channels.map(|channel| (channel.channel_id, channel.lifetime_ns, channel.uptime_ns)).collect();
    assert_eq!(durations, [(CHANNEL, secs(40), secs(30)), (SECOND_CHANNEL, secs(30), secs(20))]);
    assert_eq!((report.flap_count, report.disconnects), (1, 1));

    tracker.apply(at, &Event::ChannelClosed { channel_id: CHANNEL });
    assert_eq!(tracker.channel(at, &CHANNEL), None);
    assert!(tracker.peer_channel(at, &PEER, &SECOND_CHANNEL).is_ok());
    assert!(tracker.peer_channel(at, &OTHER, &SECOND_CHANNEL).is_err());
}

#[test]
fn changes_while_untracked_are_not_counted() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    tracker.apply(START.after_secs(10), &Event::ChannelClosed { channel_id: CHANNEL });
    tracker.apply(START.after_secs(10), &Event::PeerOffline { node_id: PEER });
    let report = tracker.peer(START.after_secs(99), &PEER).expect("the history of an untracked peer is kept");
    assert_eq!((report.presence, report.disconnects, report.flap_count), (Presence::Unobserved, 0, 0));
    assert_eq!((report.uptime_ns, report.observed_ns), (secs(10), secs(10)));
    assert_eq!(tracker.peers(START.after_secs(99)).count(), 0);

    tracker.apply(START.after_secs(100), &opened(SECOND_CHANNEL, None));
    let report = tracker.peer(START.after_secs(101), &PEER).expect("the peer has a channel again");
    assert_eq!(report.presence, Presence::Offline, "the last reported connection state");
    assert_eq!(report.uptime_ns, secs(10), "the history continues");
}

#[test]
fn stale_snapshot_does_not_override_later_events() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let taken_at = START.after_secs(10);
    tracker.apply(START.after_secs(11), &Event::PeerOffline { node_id: PEER });
    tracker.apply(START.after_secs(11), &opened(SECOND_CHANNEL, None));
    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: None, usable: None };
    let snapshot = |taken_at| Snapshot { channels: vec![listed], connected: vec![PEER], taken_at };
    tracker.apply(START.after_secs(12), &Event::Snapshot(snapshot(Some(taken_at))));
    let report = tracker.peer(START.after_secs(12), &PEER).expect("the peer has channels");
    assert_eq!((report.presence, report.channels.len()), (Presence::Offline, 2));

    tracker.apply(START.after_secs(14), &Event::Snapshot(snapshot(Some(START.after_secs(13)))));
    let report = tracker.peer(START.after_secs(14), &PEER).expect("the peer has a channel");
    assert_eq!((report.presence, report.channels.len()), (Presence::Online, 1));
}

#[test]
fn peer_has_a_reconnect_grace_period_after_a_pause() {
    let paused_and_resumed = || {
        let mut tracker = tracker();
        tracker.apply(START, &opened(CHANNEL, Some(true)));
        tracker.apply(START.after_secs(10), &Event::ObservationPaused);
        tracker.apply(START.after_secs(20), &Event::PeerOffline { node_id: PEER });
        tracker.apply(START.after_secs(30), &Event::ObservationResumed);
        tracker
    };
    let mut tracker = paused_and_resumed();
    assert_eq!(tracker.reconnect_grace_deadline(), Some(START.after_secs(150)));
    let report =
        |tracker: &Tracker, at| tracker.peer(START.after_secs(at), &PEER).expect("the peer has a channel");
    let in_grace = report(&tracker, 100);
    assert_eq!((in_grace.presence, in_grace.observed_ns), (Presence::Unobserved, secs(10)));

    let mut reconnected = paused_and_resumed();
    reconnected.apply(START.after_secs(100), &Event::PeerOnline { node_id: PEER });
    let reconnected = report(&reconnected, 160);
    assert_eq!(
        (reconnected.uptime_ns, reconnected.observed_ns, reconnected.flap_count),
        (secs(70), secs(70), 0)
    );

    tracker.advance(START.after_secs(150));
    let offline = report(&tracker, 160);
    assert_eq!((offline.presence, offline.presence_since), (Presence::Offline, START.after_secs(30)));
    assert_eq!((offline.uptime_ns, offline.observed_ns), (secs(10), secs(140)), "since the end of the pause");
    assert_eq!((offline.flap_count, offline.disconnects), (0, 0), "the disconnect was not observed");
    assert_eq!(tracker.reconnect_grace_deadline(), None);
}

/// Returns the tracker of the next process. The previous process stores everything and stops at `until`.
fn restart(previous: &mut Tracker, config: TrackerConfig, until: Timestamp) -> Tracker {
    let mut changes = UnsavedChanges::default();
    while previous.drain_changes(10, &mut changes) {}
    previous.mark_stored(&changes);
    let mut tracker = Tracker::new(config, HashSeed([1; 16]));
    tracker.resume_observer(&previous.observer_record(until), &changes.gaps);
    changes.peers.iter().for_each(|record| tracker.resume_peer(record));
    tracker
}

#[test]
fn peer_has_a_reconnect_grace_period_after_a_restart() {
    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: Some(outpoint(0)), usable: None };
    let snapshot = Event::Snapshot(Snapshot { channels: vec![listed], connected: vec![], taken_at: None });
    let restarted = |config| {
        let mut previous = tracker();
        previous.apply(START, &opened(CHANNEL, Some(true)));
        let mut tracker = restart(&mut previous, config, START.after_secs(50));
        tracker.apply(START.after_secs(60), &snapshot);
        tracker
    };

    let mut reconnected = restarted(TrackerConfig::default());
    let report = reconnected.channel(START.after_secs(90), &CHANNEL).expect("the channel is open");
    assert_eq!((report.lifetime_ns, report.observed_ns, report.uptime_ns), (secs(90), secs(50), secs(50)));
    reconnected.apply(START.after_secs(170), &Event::PeerOnline { node_id: PEER });
    let report = reconnected.peer(START.after_secs(180), &PEER).expect("the peer has a channel");
    assert_eq!((report.observed_ns, report.uptime_ns, report.flap_count), (secs(60), secs(60), 0));

    let mut expired = restarted(TrackerConfig::default());
    expired.advance(START.after_secs(500));
    let report = expired.channel(START.after_secs(500), &CHANNEL).expect("the channel is open");
    assert_eq!((report.observed_ns, report.uptime_ns), (secs(490), secs(50)), "offline since the start");

    let without_grace = restarted(TrackerConfig::default().with_reconnect_grace_ns(0));
    let report = without_grace.channel(START.after_secs(90), &CHANNEL).expect("the channel is open");
    assert_eq!((report.observed_ns, report.uptime_ns), (secs(80), secs(50)));
}

#[test]
fn reconnect_grace_period_of_a_pause_continues_after_restarts() {
    let mut first = tracker();
    first.apply(START, &opened(CHANNEL, Some(true)));
    first.apply(START.after_secs(50), &Event::ObservationPaused);
    // The second process stops before the peer reconnects.
    let mut second = restart(&mut first, TrackerConfig::default(), START.after_secs(60));
    second.apply(START.after_secs(70), &Event::Watch { node_id: PEER });
    let mut third = restart(&mut second, TrackerConfig::default(), START.after_secs(80));

    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: None, usable: None };
    let snapshot = Event::Snapshot(Snapshot { channels: vec![listed], connected: vec![], taken_at: None });
    for tracker in [&mut second, &mut third] {
        tracker.apply(START.after_secs(90), &snapshot);
        tracker.apply(START.after_secs(100), &Event::PeerOnline { node_id: PEER });
        let report = tracker.peer(START.after_secs(110), &PEER).expect("the peer has a channel");
        assert_eq!((report.observed_ns, report.uptime_ns, report.flap_count), (secs(60), secs(60), 0));
    }
}

#[test]
fn watched_peer_is_tracked_without_a_channel() {
    let mut tracker = tracker();
    tracker.apply(START, &Event::Watch { node_id: PEER });
    tracker.apply(START, &Event::PeerOnline { node_id: PEER });
    tracker.apply(START.after_secs(5), &Event::PeerOffline { node_id: PEER });
    assert_eq!(tracker.peers(START.after_secs(6)).count(), 1);
    assert!(!tracker.forget(&PEER), "a watched peer cannot be forgotten");
    tracker.apply(START.after_secs(7), &Event::Unwatch { node_id: PEER });
    assert_eq!(tracker.peers(START.after_secs(8)).count(), 0);
    assert_eq!(tracker.flap_count(&PEER).map(|flaps| flaps.0), Some(1));
    assert!(tracker.forget(&PEER));
    assert_eq!(
        (tracker.flap_count(&PEER), tracker.dirty_count()),
        (None, 1),
        "the deletion is not stored yet"
    );
}

#[test]
fn commit_is_due_after_the_commit_delay() {
    let config = TrackerConfig::default().with_commit_delay_ns(secs(5));
    let mut tracker = Tracker::new(config, HashSeed([1; 16]));
    assert_eq!(tracker.next_deadline(), None);
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    tracker.apply(START.after_secs(3), &Event::PeerOffline { node_id: PEER });
    assert_eq!(tracker.next_deadline(), Some(START.after_secs(5)));
    assert!(!tracker.drain_changes(10, &mut UnsavedChanges::default()));
    assert_eq!(tracker.next_deadline(), None);
}

#[test]
fn windows_state_their_error_after_changes_within_the_rate_limit() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let at = |ms: u64| START.after_nanos(ms * 1_000_000);
    tracker.apply(at(10_000), &Event::PeerOffline { node_id: PEER });
    tracker.apply(at(10_400), &Event::PeerOnline { node_id: PEER });
    tracker.apply(at(10_900), &Event::PeerOffline { node_id: PEER });
    let window = |from, to| tracker.peer_window(at(20_000), &PEER, from, to).expect("the peer has a channel");
    let exact = window(START, at(20_000));
    assert_eq!((exact.uptime_ns, exact.uptime_error_ns), (10_500_000_000, 0));
    let inexact = window(START, at(10_500));
    assert!(inexact.uptime_error_ns > 0);
    assert!(inexact.uptime_ns.abs_diff(10_100_000_000) <= inexact.uptime_error_ns, "{inexact:?}");
}
