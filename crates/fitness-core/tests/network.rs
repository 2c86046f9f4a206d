//! The edges of what is taken for an outage of our own network, and of a lapse of our own.

use fitness_core::{
    Change, ChannelId, ChannelOpened, Event, GapCause, HashSeed, NetworkOutageRule, NodeId, PeerReport,
    Presence, Snapshot, Timestamp, Tracker, TrackerConfig,
};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const SECOND: u64 = 1_000_000_000;

fn node(peer: u8) -> NodeId {
    NodeId([peer; 33])
}

fn online(peer: u8) -> Event {
    Event::PeerOnline { node_id: node(peer) }
}

fn offline(peer: u8) -> Event {
    Event::PeerOffline { node_id: node(peer) }
}

/// So many peers, each with a channel and online since the start.
fn tracker(peers: u8, rule: Option<NetworkOutageRule>) -> Tracker {
    let mut tracker =
        Tracker::new(TrackerConfig::default().with_network_outage_rule(rule), HashSeed([1; 16]));
    for peer in 1..=peers {
        let (channel_id, node_id) = (ChannelId([peer; 32]), node(peer));
        let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
        tracker.apply(START, &Event::ChannelOpened(opened));
    }
    tracker
}

fn lose(tracker: &mut Tracker, peers: impl IntoIterator<Item = u8>, from_secs: u64, apart_secs: u64) {
    for (place, peer) in (0..).zip(peers) {
        tracker.apply(START.after_secs(from_secs + place * apart_secs), &offline(peer));
    }
}

fn peer(tracker: &Tracker, at_secs: u64, peer: u8) -> PeerReport {
    tracker.peer(START.after_secs(at_secs), &node(peer)).expect("it has a channel")
}

fn is_out(tracker: &Tracker) -> bool {
    let gap = tracker.coverage(START.after_secs(10_000)).and_then(|coverage| coverage.ongoing_gap);
    gap.is_some_and(|gap| gap.cause == GapCause::NetworkDown)
}

fn with_default(peers: u8) -> Tracker {
    tracker(peers, Some(NetworkOutageRule::default()))
}

#[test]
fn nearly_everybody_within_half_a_minute_is_an_outage() {
    // Peers, how many of them are lost, seconds apart, and whether that is our network.
    let cases = [
        (3, 3, 1, true),
        (2, 2, 0, false),
        (1, 1, 0, false),
        (5, 4, 1, true),
        (4, 3, 1, false),
        (10, 8, 1, true),
        (10, 7, 1, false),
        (3, 3, 15, true),
        (3, 3, 16, false),
    ];
    for (peers, lost, apart, expected) in cases {
        let mut tracker = with_default(peers);
        lose(&mut tracker, 1..=lost, 100, apart);
        assert_eq!(is_out(&tracker), expected, "{lost} of {peers}, {apart} s apart");
        let counted = (1..=lost).map(|lost| peer(&tracker, 200, lost).disconnects).sum::<u32>();
        assert_eq!(counted, if expected { 0 } else { u32::from(lost) });
    }
}

#[test]
fn an_outage_is_unobserved_until_the_first_one_returns_and_takes_its_flaps_back() {
    let mut tracker = with_default(5);
    // Peer 5 is offline by itself, and peer 1 has a history of flaps.
    tracker.apply(START.after_secs(10), &offline(5));
    for flap in 0..10 {
        tracker.apply(START.after_secs(20 + flap), &if flap % 2 == 0 { offline(1) } else { online(1) });
    }
    let before = peer(&tracker, 99, 1);
    assert_eq!((before.flap_count, before.disconnects), (10, 5));

    // A day later, so that the loss cools its count down.
    let day = 86_400;
    let mut changes = Vec::new();
    for (seconds, peer) in [(0, 1), (4, 2), (8, 3), (12, 4)] {
        tracker.apply_with(START.after_secs(day + seconds), &offline(peer), |change| changes.push(change));
    }
    assert!(matches!(changes.last(), Some(Change::Presence { presence: Presence::Unobserved, .. })));
    let began = Change::GapBegan { cause: GapCause::NetworkDown, at: START.after_secs(day) };
    assert!(changes.contains(&began), "{changes:?}");
    let during = peer(&tracker, day + 100, 1);
    assert_eq!((during.flap_count, during.disconnects, during.last_flap), (10, 5, before.last_flap));
    assert_eq!((during.presence, during.presence_since), (Presence::Unobserved, START.after_secs(day)));
    let alone = peer(&tracker, day + 100, 5);
    assert_eq!((alone.presence, alone.presence_since), (Presence::Unobserved, START.after_secs(day)));

    tracker.apply(START.after_secs(day + 600), &online(2));
    assert!(!is_out(&tracker));
    assert_eq!(peer(&tracker, day + 600, 5).presence, Presence::Offline, "we can see again that it is");
    assert_eq!(peer(&tracker, day + 600, 3).presence, Presence::Unobserved, "it has time to come back");
    tracker.apply(START.after_secs(day + 660), &online(3));
    tracker.advance(START.after_secs(day + 720));
    let gone = peer(&tracker, day + 800, 4);
    assert_eq!((gone.presence, gone.presence_since), (Presence::Offline, START.after_secs(day + 600)));
    assert_eq!((gone.flap_count, gone.disconnects), (0, 0));
    assert_eq!(gone.observed_ns - gone.uptime_ns, 200 * SECOND);
    let back = peer(&tracker, day + 800, 3);
    assert_eq!(back.uptime_ns, back.observed_ns);
    assert_eq!(back.uptime_ns, (day + 8 + 140) * SECOND);

    let gaps = tracker.gaps(START.after_secs(day + 800), &[], START, Timestamp::MAX);
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(
        (gap.cause, gap.from, gap.length_ns()),
        (GapCause::NetworkDown, START.after_secs(day), 600 * SECOND)
    );
}

#[test]
fn a_connection_that_comes_up_in_between_shows_that_our_network_is_there() {
    let mut tracker = with_default(4);
    lose(&mut tracker, [1, 2], 100, 1);
    tracker.apply(START.after_secs(103), &online(1));
    lose(&mut tracker, [3, 4], 104, 1);
    assert!(!is_out(&tracker), "two of three");
    lose(&mut tracker, [1], 107, 0);
    assert!(is_out(&tracker), "three of three since then");
    assert_eq!(peer(&tracker, 110, 2).disconnects, 1, "that was before");
}

#[test]
fn strangers_are_witnesses_too() {
    let mut tracker = with_default(2);
    (10..13).for_each(|stranger| tracker.apply(START.after_secs(1), &online(stranger)));
    lose(&mut tracker, [1, 2], 100, 1);
    assert!(!is_out(&tracker), "three strangers are still there");
    lose(&mut tracker, [10, 11], 103, 1);
    assert!(is_out(&tracker));
    assert_eq!(peer(&tracker, 110, 1).disconnects, 0);
    tracker.apply(START.after_secs(120), &online(77));
    assert!(!is_out(&tracker), "whoever it is");
}

#[test]
fn a_poll_that_finds_nobody_is_an_outage() {
    let mut tracker = with_default(3);
    let channels = |usable| {
        let open = |peer| fitness_core::OpenChannel {
            channel_id: ChannelId([peer; 32]),
            node_id: node(peer),
            funding: None,
            usable,
        };
        (1..=3).map(open).collect::<Vec<_>>()
    };
    let all =
        Snapshot { channels: channels(Some(true)), connected: (1..=3).map(node).collect(), taken_at: None };
    let none = Snapshot { channels: channels(Some(false)), connected: vec![], taken_at: None };
    tracker.apply(START.after_secs(10), &Event::Snapshot(all.clone()));
    tracker.apply(START.after_secs(100), &Event::Snapshot(none));
    assert!(is_out(&tracker));
    tracker.apply(START.after_secs(200), &Event::Snapshot(all));
    for peer in (1..=3).map(|number| peer(&tracker, 300, number)) {
        assert_eq!((peer.disconnects, peer.flap_count), (0, 0));
        assert_eq!((peer.uptime_ns, peer.observed_ns), (200 * SECOND, 200 * SECOND));
        let channel = &peer.channels[0];
        assert_eq!((channel.usable_ns, channel.usable_observed_ns), (190 * SECOND, 190 * SECOND));
    }
}

#[test]
fn who_stays_connected_stays_online_and_may_go_within_the_outage() {
    let mut tracker = with_default(10);
    lose(&mut tracker, 1..=8, 100, 1);
    assert!(is_out(&tracker));
    assert_eq!(peer(&tracker, 150, 9).presence, Presence::Online);
    tracker.apply(START.after_secs(150), &offline(9));
    let lost = peer(&tracker, 160, 9);
    assert_eq!((lost.presence, lost.disconnects), (Presence::Unobserved, 0));
    assert_eq!(lost.uptime_ns, 150 * SECOND);
}

#[test]
fn nobody_comes_back_after_a_start_without_a_network() {
    let mut before = with_default(3);
    let mut changes = fitness_core::UnsavedChanges::default();
    while before.drain_changes(10, &mut changes) {}
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    tracker.resume_observer(&before.observer_record(START.after_secs(100)), &[]);
    changes.peers.iter().for_each(|record| tracker.resume_peer(record));
    (1..=3).for_each(|peer| tracker.apply(START.after_secs(200), &offline(peer)));
    tracker.advance(START.after_secs(320));
    assert!(is_out(&tracker));
    assert_eq!(peer(&tracker, 400, 1).observed_ns, 100 * SECOND);
    tracker.apply(START.after_secs(500), &online(1));
    tracker.advance(START.after_secs(620));
    let coverage = tracker.coverage(START.after_secs(700)).expect("it has started");
    assert_eq!(
        (coverage.not_running.length_ns, coverage.network_down.length_ns),
        (100 * SECOND, 300 * SECOND)
    );
    let gone = peer(&tracker, 700, 2);
    assert_eq!((gone.presence, gone.observed_ns, gone.disconnects), (Presence::Offline, 300 * SECOND, 0));
}

#[test]
fn the_rule_can_be_changed_and_switched_off() {
    let mut off = tracker(5, None);
    lose(&mut off, 1..=5, 100, 0);
    assert!(!is_out(&off));
    assert_eq!(peer(&off, 200, 1).disconnects, 1);

    let all = NetworkOutageRule { min_percent: 100, ..NetworkOutageRule::default() };
    let mut strict = tracker(5, Some(all));
    lose(&mut strict, 1..=4, 100, 0);
    assert!(!is_out(&strict));
    lose(&mut strict, [5], 101, 0);
    assert!(is_out(&strict));

    let mut lone = tracker(1, Some(NetworkOutageRule { min_peers: 0, ..NetworkOutageRule::default() }));
    lose(&mut lone, [1], 100, 0);
    assert!(is_out(&lone), "asked for");

    let mut lnds = Tracker::new(TrackerConfig::lnd_0_19(), HashSeed([1; 16]));
    (1..=5).for_each(|peer| lnds.apply(START, &online(peer)));
    lose(&mut lnds, 1..=5, 100, 0);
    assert!(!is_out(&lnds));
}

/// A crash between two batches of one flush leaves gaps behind that the observer's record does not
/// know: they are a part of the gap that the crash makes.
#[test]
fn gaps_that_were_stored_ahead_of_a_crash_are_told_once() {
    let mut before = with_default(1);
    let record = before.observer_record(START.after_secs(50));
    before.apply(START.after_secs(60), &Event::ObservationPaused);
    before.apply(START.after_secs(70), &Event::ObservationResumed);
    let mut changes = fitness_core::UnsavedChanges::default();
    while before.drain_changes(10, &mut changes) {}
    assert_eq!(changes.gaps.len(), 1);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    tracker.resume_observer(&record, &changes.gaps);
    tracker.advance(START.after_secs(100));
    let gaps = tracker.gaps(START.after_secs(100), &[], START, Timestamp::MAX);
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.cause, gap.length_ns()), (GapCause::NotRunning, 50 * SECOND));
}

/// After a lapse one loss of each connection of before it is ours, for as long as the grace lasts.
#[test]
fn a_lapse_excuses_one_loss_of_who_was_there() {
    let mut tracker = with_default(2);
    tracker.apply(START.after_secs(200), &Event::Unobserved { since: START.after_secs(100) });
    assert_eq!(peer(&tracker, 200, 1).presence, Presence::Online, "as far as the node knows");
    tracker.apply(START.after_secs(220), &offline(1));
    let found_dead = peer(&tracker, 230, 1);
    assert_eq!((found_dead.presence, found_dead.flap_count), (Presence::Unobserved, 0));
    tracker.apply(START.after_secs(240), &online(1));
    tracker.apply(START.after_secs(250), &offline(1));
    assert_eq!(peer(&tracker, 260, 1).disconnects, 1, "a connection of after the lapse");
    tracker.advance(START.after_secs(320));
    tracker.apply(START.after_secs(321), &offline(2));
    assert_eq!(peer(&tracker, 330, 2).disconnects, 1, "the grace is over");
}

/// Nothing that was due in a lapse happens in it: its end is another chance to come back.
#[test]
fn a_grace_does_not_run_out_while_nobody_looks() {
    let mut tracker = with_default(1);
    tracker.apply(START.after_secs(100), &Event::ObservationPaused);
    tracker.apply(START.after_secs(200), &Event::ObservationResumed);
    tracker.apply(START.after_secs(210), &offline(1));
    tracker.apply(START.after_secs(1_000), &Event::Unobserved { since: START.after_secs(220) });
    tracker.apply(START.after_secs(1_060), &online(1));
    let back = peer(&tracker, 1_100, 1);
    assert_eq!((back.observed_ns, back.uptime_ns), (140 * SECOND, 140 * SECOND));
}

/// A lapse that is said to begin before something we were told cannot have: we were well then.
#[test]
fn a_lapse_begins_after_the_last_event_at_the_earliest() {
    let mut tracker = with_default(1);
    tracker.apply(START.after_secs(100), &offline(1));
    tracker.apply(START.after_secs(150), &Event::Unobserved { since: START.after_secs(50) });
    let report = peer(&tracker, 150, 1);
    assert_eq!((report.disconnects, report.observed_ns), (1, 100 * SECOND));
}

/// As a monitor tells it that asks the node now and then.
#[test]
fn lists_alone_find_an_outage_out() {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    let list = |channels: &[u8], connected: &[u8], taken_at| {
        let open = |&peer: &u8| fitness_core::OpenChannel {
            channel_id: ChannelId([peer; 32]),
            node_id: node(peer),
            funding: None,
            usable: None,
        };
        Event::Snapshot(Snapshot {
            channels: channels.iter().map(open).collect(),
            connected: connected.iter().map(|&peer| node(peer)).collect(),
            taken_at: Some(taken_at),
        })
    };
    let at = |ms: u64| START.after_nanos(ms * 1_000_000);
    let steps: [(u64, &[u8], &[u8]); 10] = [
        (0, &[], &[1, 2, 3, 4]),
        (500, &[1], &[1, 2, 3, 4]),
        (900, &[1, 2, 3, 4], &[1, 2, 3, 4]),
        (2_000, &[1, 2, 3, 4], &[1, 2, 3]),
        (3_000, &[1, 2, 3, 4], &[1, 2, 3, 4]),
        (10_000, &[1, 2, 3, 4], &[1, 2, 3]),
        (11_000, &[1, 2, 3, 4], &[2, 3]),
        (12_000, &[1, 2, 3, 4], &[1, 2, 3]),
        (14_000, &[1, 2, 3, 4], &[1]),
        (14_024, &[1, 2, 3, 4], &[]),
    ];
    for (ms, channels, connected) in steps {
        tracker.apply(at(ms), &list(channels, connected, at(ms.saturating_sub(1))));
    }
    assert!(is_out(&tracker));
}

/// The list was asked for when the lapse was not known yet, and is what finds it out: it is newer than
/// what the lapse dates anew.
#[test]
fn who_is_missing_in_the_list_that_finds_out_a_lapse_is_not_online() {
    let mut tracker = with_default(1);
    let (node_id, channel_id) = (node(1), ChannelId([1; 32]));
    let at = |secs| START.after_secs(secs);
    let list = Snapshot {
        channels: vec![fitness_core::OpenChannel { channel_id, node_id, funding: None, usable: None }],
        connected: vec![],
        taken_at: Some(at(100)),
    };
    tracker.apply(at(100).after_nanos(1_000_000), &Event::Unobserved { since: at(10) });
    tracker.apply(at(100).after_nanos(1_000_000), &Event::Snapshot(list));
    assert_eq!(peer(&tracker, 101, 1).presence, Presence::Unobserved, "it has time to come back");
}
