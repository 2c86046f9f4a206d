//! What a tracker does, by example.

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
fn a_stranger_costs_nothing_and_is_known_to_be_online_when_a_channel_opens() {
    let mut tracker = tracker();
    tracker.apply(START, &Event::PeerOnline { node_id: PEER });
    assert_eq!((tracker.peer_count(), tracker.dirty_count()), (0, 0));
    assert_eq!(tracker.is_connected(&PEER), Some(true));
    tracker.apply(START.after_secs(5), &opened(CHANNEL, None));
    let report = tracker.peer(START.after_secs(9), &PEER).expect("it has a channel");
    assert_eq!(report.presence, Presence::Online);
    assert_eq!((report.uptime_ns, report.observed_ns), (secs(4), secs(4)));
    assert_eq!(report.flap_count, 0, "first sight is no flap");
}

#[test]
fn nothing_is_known_of_a_peer_until_it_is_told() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, None));
    let report = tracker.channel(START.after_secs(60), &CHANNEL).expect("it is open");
    assert_eq!((report.lifetime_ns, report.observed_ns, report.availability), (secs(60), 0, None));
    tracker.apply(START.after_secs(60), &Event::PeerOffline { node_id: PEER });
    let report = tracker.channel(START.after_secs(70), &CHANNEL).expect("it is open");
    assert_eq!((report.observed_ns, report.uptime_ns, report.availability), (secs(10), 0, Some(0.0)));
    assert_eq!(tracker.flap_count(&PEER), Some((0, None)));
}

#[test]
fn a_splice_moves_the_money_and_nothing_else() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let mut changes = Vec::new();
    let moved = Event::FundingChanged { channel_id: CHANNEL, funding: outpoint(1) };
    for _ in 0..2 {
        tracker.apply_with(START.after_secs(10), &moved, |change| changes.push(change));
    }
    let expected =
        Change::FundingChanged { channel_id: CHANNEL, previous: Some(outpoint(0)), funding: outpoint(1) };
    assert_eq!(changes, vec![expected]);
    let at = START.after_secs(20);
    assert_eq!(tracker.channel_by_funding(at, &outpoint(0)), None);
    let report = tracker.channel_by_funding(at, &outpoint(1)).expect("its money is there");
    assert_eq!(Some(report), tracker.channel(at, &CHANNEL));
    assert_eq!((report.lifetime_ns, report.uptime_ns), (secs(20), secs(20)));
    // LDK tells of the channel again when the splice is locked, with its funding.
    let ready =
        ChannelOpened { channel_id: CHANNEL, node_id: PEER, funding: Some(outpoint(2)), online: None };
    tracker.apply(at, &Event::ChannelOpened(ready));
    assert!(tracker.channel_by_funding(at, &outpoint(2)).is_some());
}

#[test]
fn two_channels_with_one_peer_have_their_own_lifetimes() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    tracker.apply(START.after_secs(10), &opened(SECOND_CHANNEL, None));
    tracker.apply(START.after_secs(30), &Event::PeerOffline { node_id: PEER });
    let at = START.after_secs(40);
    let report = tracker.peer(at, &PEER).expect("it has channels");
    let spans: Vec<_> =
        report.channels.iter().map(|open| (open.channel_id, open.lifetime_ns, open.uptime_ns)).collect();
    assert_eq!(spans, [(CHANNEL, secs(40), secs(30)), (SECOND_CHANNEL, secs(30), secs(20))]);
    assert_eq!((report.flap_count, report.disconnects), (1, 1));

    tracker.apply(at, &Event::ChannelClosed { channel_id: CHANNEL });
    assert_eq!(tracker.channel(at, &CHANNEL), None);
    assert!(tracker.peer_channel(at, &PEER, &SECOND_CHANNEL).is_ok());
    assert!(tracker.peer_channel(at, &OTHER, &SECOND_CHANNEL).is_err());
}

#[test]
fn what_a_peer_does_after_its_last_channel_does_not_count() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    tracker.apply(START.after_secs(10), &Event::ChannelClosed { channel_id: CHANNEL });
    tracker.apply(START.after_secs(10), &Event::PeerOffline { node_id: PEER });
    let report = tracker.peer(START.after_secs(99), &PEER).expect("its history is kept");
    assert_eq!((report.presence, report.disconnects, report.flap_count), (Presence::Unobserved, 0, 0));
    assert_eq!((report.uptime_ns, report.observed_ns), (secs(10), secs(10)));
    assert_eq!(tracker.peers(START.after_secs(99)).count(), 0);

    tracker.apply(START.after_secs(100), &opened(SECOND_CHANNEL, None));
    let report = tracker.peer(START.after_secs(101), &PEER).expect("it has a channel again");
    assert_eq!(report.presence, Presence::Offline, "as it was last heard of");
    assert_eq!(report.uptime_ns, secs(10), "its history goes on");
}

#[test]
fn events_that_overtook_a_snapshot_are_newer() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let asked = START.after_secs(10);
    tracker.apply(START.after_secs(11), &Event::PeerOffline { node_id: PEER });
    tracker.apply(START.after_secs(11), &opened(SECOND_CHANNEL, None));
    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: None, usable: None };
    let snapshot = |taken_at| Snapshot { channels: vec![listed], connected: vec![PEER], taken_at };
    tracker.apply(START.after_secs(12), &Event::Snapshot(snapshot(Some(asked))));
    let report = tracker.peer(START.after_secs(12), &PEER).expect("it has channels");
    assert_eq!((report.presence, report.channels.len()), (Presence::Offline, 2));

    tracker.apply(START.after_secs(14), &Event::Snapshot(snapshot(Some(START.after_secs(13)))));
    let report = tracker.peer(START.after_secs(14), &PEER).expect("it has a channel");
    assert_eq!((report.presence, report.channels.len()), (Presence::Online, 1));
}

#[test]
fn a_pause_is_nobodys_fault_and_leaves_time_to_come_back() {
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
    let report = |tracker: &Tracker, at| tracker.peer(START.after_secs(at), &PEER).expect("it has a channel");
    let within = report(&tracker, 100);
    assert_eq!((within.presence, within.observed_ns), (Presence::Unobserved, secs(10)));

    let mut back = paused_and_resumed();
    back.apply(START.after_secs(100), &Event::PeerOnline { node_id: PEER });
    let back = report(&back, 160);
    assert_eq!((back.uptime_ns, back.observed_ns, back.flap_count), (secs(70), secs(70), 0));

    tracker.advance(START.after_secs(150));
    let gone = report(&tracker, 160);
    assert_eq!((gone.presence, gone.presence_since), (Presence::Offline, START.after_secs(30)));
    assert_eq!((gone.uptime_ns, gone.observed_ns), (secs(10), secs(140)), "offline since the pause");
    assert_eq!((gone.flap_count, gone.disconnects), (0, 0), "it went while we were not looking");
    assert_eq!(tracker.reconnect_grace_deadline(), None);
}

/// Another process, after one that observed until `until` and stored all it knew.
fn heir(before: &mut Tracker, config: TrackerConfig, until: Timestamp) -> Tracker {
    let mut changes = UnsavedChanges::default();
    while before.drain_changes(10, &mut changes) {}
    before.mark_stored(&changes);
    let mut heir = Tracker::new(config, HashSeed([1; 16]));
    heir.resume_observer(&before.observer_record(until), &changes.gaps);
    changes.peers.iter().for_each(|record| heir.resume_peer(record));
    heir
}

#[test]
fn a_restart_leaves_time_to_come_back() {
    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: Some(outpoint(0)), usable: None };
    let alone = Event::Snapshot(Snapshot { channels: vec![listed], connected: vec![], taken_at: None });
    let restart = |config| {
        let mut before = tracker();
        before.apply(START, &opened(CHANNEL, Some(true)));
        let mut after = heir(&mut before, config, START.after_secs(50));
        after.apply(START.after_secs(60), &alone);
        after
    };

    let mut patient = restart(TrackerConfig::default());
    let report = patient.channel(START.after_secs(90), &CHANNEL).expect("it is open");
    assert_eq!((report.lifetime_ns, report.observed_ns, report.uptime_ns), (secs(90), secs(50), secs(50)));
    patient.apply(START.after_secs(170), &Event::PeerOnline { node_id: PEER });
    let report = patient.peer(START.after_secs(180), &PEER).expect("it has a channel");
    assert_eq!((report.observed_ns, report.uptime_ns, report.flap_count), (secs(60), secs(60), 0));

    let mut waited = restart(TrackerConfig::default());
    waited.advance(START.after_secs(500));
    let report = waited.channel(START.after_secs(500), &CHANNEL).expect("it is open");
    assert_eq!((report.observed_ns, report.uptime_ns), (secs(490), secs(50)), "offline since our start");

    let impatient = restart(TrackerConfig::default().with_reconnect_grace_ns(0));
    let report = impatient.channel(START.after_secs(90), &CHANNEL).expect("it is open");
    assert_eq!((report.observed_ns, report.uptime_ns), (secs(80), secs(50)));
}

#[test]
fn a_pause_before_the_end_leaves_time_to_come_back_after_the_next_start() {
    let mut before = tracker();
    before.apply(START, &opened(CHANNEL, Some(true)));
    before.apply(START.after_secs(50), &Event::ObservationPaused);
    // Ended in order, started, and ended again before the peer was back.
    let mut next = heir(&mut before, TrackerConfig::default(), START.after_secs(60));
    next.apply(START.after_secs(70), &Event::Watch { node_id: PEER });
    let mut last = heir(&mut next, TrackerConfig::default(), START.after_secs(80));

    let listed = OpenChannel { channel_id: CHANNEL, node_id: PEER, funding: None, usable: None };
    let alone = Event::Snapshot(Snapshot { channels: vec![listed], connected: vec![], taken_at: None });
    for tracker in [&mut next, &mut last] {
        tracker.apply(START.after_secs(90), &alone);
        tracker.apply(START.after_secs(100), &Event::PeerOnline { node_id: PEER });
        let report = tracker.peer(START.after_secs(110), &PEER).expect("it has a channel");
        assert_eq!((report.observed_ns, report.uptime_ns, report.flap_count), (secs(60), secs(60), 0));
    }
}

#[test]
fn a_watched_peer_is_followed_without_a_channel() {
    let mut tracker = tracker();
    tracker.apply(START, &Event::Watch { node_id: PEER });
    tracker.apply(START, &Event::PeerOnline { node_id: PEER });
    tracker.apply(START.after_secs(5), &Event::PeerOffline { node_id: PEER });
    assert_eq!(tracker.peers(START.after_secs(6)).count(), 1);
    assert!(!tracker.forget(&PEER), "it is watched");
    tracker.apply(START.after_secs(7), &Event::Unwatch { node_id: PEER });
    assert_eq!(tracker.peers(START.after_secs(8)).count(), 0);
    assert_eq!(tracker.flap_count(&PEER).map(|flaps| flaps.0), Some(1));
    assert!(tracker.forget(&PEER));
    assert_eq!((tracker.flap_count(&PEER), tracker.dirty_count()), (None, 1), "it is yet to be deleted");
}

#[test]
fn changes_are_due_a_while_after_the_first() {
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
fn a_flap_within_the_rate_limit_leaves_windows_that_say_how_wrong_they_are() {
    let mut tracker = tracker();
    tracker.apply(START, &opened(CHANNEL, Some(true)));
    let at = |ms: u64| START.after_nanos(ms * 1_000_000);
    tracker.apply(at(10_000), &Event::PeerOffline { node_id: PEER });
    tracker.apply(at(10_400), &Event::PeerOnline { node_id: PEER });
    tracker.apply(at(10_900), &Event::PeerOffline { node_id: PEER });
    let window = |from, to| tracker.peer_window(at(20_000), &PEER, from, to).expect("it has a channel");
    let exact = window(START, at(20_000));
    assert_eq!((exact.uptime_ns, exact.uptime_error_ns), (10_500_000_000, 0));
    let within = window(START, at(10_500));
    assert!(within.uptime_error_ns > 0);
    assert!(within.uptime_ns.abs_diff(10_100_000_000) <= within.uptime_error_ns, "{within:?}");
}
