//! Tests the limits of the rules for network outages and for suspensions of the process.

use fitness_core::{
    Change, ChannelId, ChannelOpened, Event, GapCause, HashSeed, NetworkOutageRule, NodeId, OpenChannel,
    PeerReport, Presence, Snapshot, Timestamp, Tracker, TrackerConfig, UnsavedChanges,
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

/// Returns a tracker with peers that have a channel each and are online since `START`.
fn tracker_with_rule(peers: u8, rule: Option<NetworkOutageRule>) -> Tracker {
    let mut tracker =
        Tracker::new(TrackerConfig::default().with_network_outage_rule(rule), HashSeed([1; 16]));
    for peer in 1..=peers {
        let (channel_id, node_id) = (ChannelId([peer; 32]), node(peer));
        let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
        tracker.apply(START, &Event::ChannelOpened(opened));
    }
    tracker
}

/// Disconnects peers one after the other, `interval_secs` apart.
fn disconnect(
    tracker: &mut Tracker,
    peers: impl IntoIterator<Item = u8>,
    from_secs: u64,
    interval_secs: u64,
) {
    for (index, peer) in (0..).zip(peers) {
        tracker.apply(START.after_secs(from_secs + index * interval_secs), &offline(peer));
    }
}

fn peer(tracker: &Tracker, at_secs: u64, peer: u8) -> PeerReport {
    tracker.peer(START.after_secs(at_secs), &node(peer)).expect("the peer has a channel")
}

fn network_is_down(tracker: &Tracker) -> bool {
    let gap = tracker.coverage(START.after_secs(10_000)).and_then(|coverage| coverage.ongoing_gap);
    gap.is_some_and(|gap| gap.cause == GapCause::NetworkDown)
}

fn tracker(peers: u8) -> Tracker {
    tracker_with_rule(peers, Some(NetworkOutageRule::default()))
}

#[test]
fn loss_of_80_percent_of_the_connections_within_30_seconds_is_a_network_outage() {
    // The number of peers, the number of disconnects, the seconds between them, and whether it is an outage.
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
    for (peers, lost, interval, expected) in cases {
        let mut tracker = tracker(peers);
        disconnect(&mut tracker, 1..=lost, 100, interval);
        assert_eq!(network_is_down(&tracker), expected, "{lost} of {peers}, {interval} s apart");
        let disconnects = (1..=lost).map(|number| peer(&tracker, 200, number).disconnects).sum::<u32>();
        assert_eq!(disconnects, if expected { 0 } else { u32::from(lost) });
    }
}

#[test]
fn network_outage_reverts_its_disconnects_and_ends_with_the_first_connection() {
    let mut tracker = tracker(5);
    // Peer 5 is offline for another reason, and peer 1 has flapped before.
    tracker.apply(START.after_secs(10), &offline(5));
    for flap in 0..10 {
        tracker.apply(START.after_secs(20 + flap), &if flap % 2 == 0 { offline(1) } else { online(1) });
    }
    let before = peer(&tracker, 99, 1);
    assert_eq!((before.flap_count, before.disconnects), (10, 5));

    // One day later: the disconnect of peer 1 makes its flap count decay.
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
    let offline_before = peer(&tracker, day + 100, 5);
    assert_eq!(
        (offline_before.presence, offline_before.presence_since),
        (Presence::Unobserved, START.after_secs(day))
    );

    tracker.apply(START.after_secs(day + 600), &online(2));
    assert!(!network_is_down(&tracker));
    assert_eq!(peer(&tracker, day + 600, 5).presence, Presence::Offline, "offline for another reason");
    assert_eq!(peer(&tracker, day + 600, 3).presence, Presence::Unobserved, "in its reconnect grace period");
    tracker.apply(START.after_secs(day + 660), &online(3));
    tracker.advance(START.after_secs(day + 720));
    let offline = peer(&tracker, day + 800, 4);
    assert_eq!((offline.presence, offline.presence_since), (Presence::Offline, START.after_secs(day + 600)));
    assert_eq!((offline.flap_count, offline.disconnects), (0, 0));
    assert_eq!(offline.observed_ns - offline.uptime_ns, 200 * SECOND);
    let reconnected = peer(&tracker, day + 800, 3);
    assert_eq!(reconnected.uptime_ns, reconnected.observed_ns);
    assert_eq!(reconnected.uptime_ns, (day + 8 + 140) * SECOND);

    let gaps = tracker.gaps(START.after_secs(day + 800), &[], START, Timestamp::MAX);
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(
        (gap.cause, gap.from, gap.length_ns()),
        (GapCause::NetworkDown, START.after_secs(day), 600 * SECOND)
    );
}

#[test]
fn disconnects_before_a_new_connection_are_not_a_part_of_an_outage() {
    let mut tracker = tracker(4);
    disconnect(&mut tracker, [1, 2], 100, 1);
    tracker.apply(START.after_secs(103), &online(1));
    disconnect(&mut tracker, [3, 4], 104, 1);
    assert!(!network_is_down(&tracker), "two of three connections");
    disconnect(&mut tracker, [1], 107, 0);
    assert!(network_is_down(&tracker), "three of three connections since then");
    assert_eq!(peer(&tracker, 110, 2).disconnects, 1, "its disconnect was before the new connection");
}

#[test]
fn connections_of_strangers_count_for_network_outages() {
    let mut tracker = tracker(2);
    (10..13).for_each(|stranger| tracker.apply(START.after_secs(1), &online(stranger)));
    disconnect(&mut tracker, [1, 2], 100, 1);
    assert!(!network_is_down(&tracker), "three strangers are connected");
    disconnect(&mut tracker, [10, 11], 103, 1);
    assert!(network_is_down(&tracker));
    assert_eq!(peer(&tracker, 110, 1).disconnects, 0);
    tracker.apply(START.after_secs(120), &online(77));
    assert!(!network_is_down(&tracker), "a new stranger ends the outage");
}

#[test]
fn snapshot_without_connections_is_a_network_outage() {
    let mut tracker = tracker(3);
    let channels = |usable| {
        let channel = |peer| OpenChannel {
            channel_id: ChannelId([peer; 32]),
            node_id: node(peer),
            funding: None,
            usable,
        };
        (1..=3).map(channel).collect::<Vec<_>>()
    };
    let all =
        Snapshot { channels: channels(Some(true)), connected: (1..=3).map(node).collect(), taken_at: None };
    let none = Snapshot { channels: channels(Some(false)), connected: vec![], taken_at: None };
    tracker.apply(START.after_secs(10), &Event::Snapshot(all.clone()));
    tracker.apply(START.after_secs(100), &Event::Snapshot(none));
    assert!(network_is_down(&tracker));
    tracker.apply(START.after_secs(200), &Event::Snapshot(all));
    for peer in (1..=3).map(|number| peer(&tracker, 300, number)) {
        assert_eq!((peer.disconnects, peer.flap_count), (0, 0));
        assert_eq!((peer.uptime_ns, peer.observed_ns), (200 * SECOND, 200 * SECOND));
        let channel = &peer.channels[0];
        assert_eq!((channel.usable_ns, channel.usable_observed_ns), (190 * SECOND, 190 * SECOND));
    }
}

#[test]
fn peer_that_stays_connected_in_a_network_outage_stays_online() {
    let mut tracker = tracker(10);
    disconnect(&mut tracker, 1..=8, 100, 1);
    assert!(network_is_down(&tracker));
    assert_eq!(peer(&tracker, 150, 9).presence, Presence::Online);
    tracker.apply(START.after_secs(150), &offline(9));
    let disconnected = peer(&tracker, 160, 9);
    assert_eq!((disconnected.presence, disconnected.disconnects), (Presence::Unobserved, 0));
    assert_eq!(disconnected.uptime_ns, 150 * SECOND);
}

#[test]
fn start_without_reconnects_is_a_network_outage() {
    let mut previous = tracker(3);
    let mut changes = UnsavedChanges::default();
    while previous.drain_changes(10, &mut changes) {}
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    tracker.resume_observer(&previous.observer_record(START.after_secs(100)), &[]);
    changes.peers.iter().for_each(|record| tracker.resume_peer(record));
    (1..=3).for_each(|peer| tracker.apply(START.after_secs(200), &offline(peer)));
    tracker.advance(START.after_secs(320));
    assert!(network_is_down(&tracker));
    assert_eq!(peer(&tracker, 400, 1).observed_ns, 100 * SECOND);
    tracker.apply(START.after_secs(500), &online(1));
    tracker.advance(START.after_secs(620));
    let coverage = tracker.coverage(START.after_secs(700)).expect("the tracker has started");
    assert_eq!(
        (coverage.not_running.length_ns, coverage.network_down.length_ns),
        (100 * SECOND, 300 * SECOND)
    );
    let offline = peer(&tracker, 700, 2);
    assert_eq!(
        (offline.presence, offline.observed_ns, offline.disconnects),
        (Presence::Offline, 300 * SECOND, 0)
    );
}

#[test]
fn network_outage_rule_can_be_changed_and_disabled() {
    let mut disabled = tracker_with_rule(5, None);
    disconnect(&mut disabled, 1..=5, 100, 0);
    assert!(!network_is_down(&disabled));
    assert_eq!(peer(&disabled, 200, 1).disconnects, 1);

    let all = NetworkOutageRule { min_percent: 100, ..NetworkOutageRule::default() };
    let mut strict = tracker_with_rule(5, Some(all));
    disconnect(&mut strict, 1..=4, 100, 0);
    assert!(!network_is_down(&strict));
    disconnect(&mut strict, [5], 101, 0);
    assert!(network_is_down(&strict));

    let mut single_peer =
        tracker_with_rule(1, Some(NetworkOutageRule { min_peers: 0, ..NetworkOutageRule::default() }));
    disconnect(&mut single_peer, [1], 100, 0);
    assert!(network_is_down(&single_peer));

    let mut lnd = Tracker::new(TrackerConfig::lnd_0_19(), HashSeed([1; 16]));
    (1..=5).for_each(|peer| lnd.apply(START, &online(peer)));
    disconnect(&mut lnd, 1..=5, 100, 0);
    assert!(!network_is_down(&lnd));
}

/// After a crash between two batches of one commit, the store contains gaps that the observer record does not
/// include. They are a part of the gap that the crash causes.
#[test]
fn gaps_stored_before_a_crash_are_reported_once() {
    let mut previous = tracker(1);
    let record = previous.observer_record(START.after_secs(50));
    previous.apply(START.after_secs(60), &Event::ObservationPaused);
    previous.apply(START.after_secs(70), &Event::ObservationResumed);
    let mut changes = UnsavedChanges::default();
    while previous.drain_changes(10, &mut changes) {}
    assert_eq!(changes.gaps.len(), 1);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    tracker.resume_observer(&record, &changes.gaps);
    tracker.advance(START.after_secs(100));
    let gaps = tracker.gaps(START.after_secs(100), &[], START, Timestamp::MAX);
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.cause, gap.length_ns()), (GapCause::NotRunning, 50 * SECOND));
}

/// Connections that were up before a suspension may have died in it. Within the grace period, one disconnect of
/// each is attributed to the suspension.
#[test]
fn first_disconnect_after_a_suspension_is_attributed_to_it() {
    let mut tracker = tracker(2);
    tracker.apply(START.after_secs(200), &Event::Unobserved { since: START.after_secs(100) });
    assert_eq!(peer(&tracker, 200, 1).presence, Presence::Online, "the node has not noticed a disconnect");
    tracker.apply(START.after_secs(220), &offline(1));
    let disconnected = peer(&tracker, 230, 1);
    assert_eq!((disconnected.presence, disconnected.flap_count), (Presence::Unobserved, 0));
    tracker.apply(START.after_secs(240), &online(1));
    tracker.apply(START.after_secs(250), &offline(1));
    assert_eq!(peer(&tracker, 260, 1).disconnects, 1, "the connection began after the suspension");
    tracker.advance(START.after_secs(320));
    tracker.apply(START.after_secs(321), &offline(2));
    assert_eq!(peer(&tracker, 330, 2).disconnects, 1, "the grace period has expired");
}

/// Deadlines within a suspension do not expire in it: its end starts another grace period.
#[test]
fn grace_period_does_not_expire_within_a_suspension() {
    let mut tracker = tracker(1);
    tracker.apply(START.after_secs(100), &Event::ObservationPaused);
    tracker.apply(START.after_secs(200), &Event::ObservationResumed);
    tracker.apply(START.after_secs(210), &offline(1));
    tracker.apply(START.after_secs(1_000), &Event::Unobserved { since: START.after_secs(220) });
    tracker.apply(START.after_secs(1_060), &online(1));
    let reconnected = peer(&tracker, 1_100, 1);
    assert_eq!((reconnected.observed_ns, reconnected.uptime_ns), (140 * SECOND, 140 * SECOND));
}

/// An event shows that the process was running at its time.
#[test]
fn suspension_begins_at_the_last_event_at_the_earliest() {
    let mut tracker = tracker(1);
    tracker.apply(START.after_secs(100), &offline(1));
    tracker.apply(START.after_secs(150), &Event::Unobserved { since: START.after_secs(50) });
    let report = peer(&tracker, 150, 1);
    assert_eq!((report.disconnects, report.observed_ns), (1, 100 * SECOND));
}

/// An embedder that polls the node delivers only snapshots.
#[test]
fn snapshots_alone_detect_a_network_outage() {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([1; 16]));
    let snapshot = |channels: &[u8], connected: &[u8], taken_at| {
        let channel = |&peer: &u8| OpenChannel {
            channel_id: ChannelId([peer; 32]),
            node_id: node(peer),
            funding: None,
            usable: None,
        };
        Event::Snapshot(Snapshot {
            channels: channels.iter().map(channel).collect(),
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
        tracker.apply(at(ms), &snapshot(channels, connected, at(ms.saturating_sub(1))));
    }
    assert!(network_is_down(&tracker));
}

/// The snapshot was taken at the end of a suspension, before the suspension was recorded. Its list of connected
/// peers is newer than the presences from before the suspension.
#[test]
fn peer_missing_in_the_first_snapshot_after_a_suspension_is_unobserved() {
    let mut tracker = tracker(1);
    let (node_id, channel_id) = (node(1), ChannelId([1; 32]));
    let at = |secs| START.after_secs(secs);
    let snapshot = Snapshot {
        channels: vec![OpenChannel { channel_id, node_id, funding: None, usable: None }],
        connected: vec![],
        taken_at: Some(at(100)),
    };
    tracker.apply(at(100).after_nanos(1_000_000), &Event::Unobserved { since: at(10) });
    tracker.apply(at(100).after_nanos(1_000_000), &Event::Snapshot(snapshot));
    assert_eq!(peer(&tracker, 101, 1).presence, Presence::Unobserved, "in its reconnect grace period");
}
