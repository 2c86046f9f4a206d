//! Our own restarts and stops must not count against the peers.

use fitness_core::{ChannelId, ChannelReport, PeerReport, Presence, Timestamp};
use fitness_ldk::convert;
use fitness_regtest::Chain;

use crate::support::{
    Peer, Wallet, assert_between, assert_consistent, block_on, counts, downtime_ns, unobserved_ns, wait_until,
};

#[test]
fn restart_continues_the_history_and_leaves_a_gap() {
    let chain = Chain::start().unwrap();
    let mut before = Before::new(&chain);
    let wallet = &mut before.wallet;
    let stopping_at = wallet.handle().now();
    let stopped = wallet.stop_monitoring();
    assert!(stopped.health().paused, "monitoring has stopped");
    assert_eq!(stopped.peer(&before.peer.id()).unwrap().presence, Presence::Unobserved);
    let stopped_at = stopped.now();
    wallet.stop_node();
    wallet.start_node();
    // The node redials before or after the first poll: the reconnect grace period covers both.
    wallet.start_monitoring();
    before.assert_history_continues(stopping_at, stopped_at);
}

#[test]
fn crash_is_a_gap_with_a_reconnect_grace_period() {
    let chain = Chain::start().unwrap();
    let mut before = Before::new(&chain);
    let wallet = &mut before.wallet;
    wallet.flush();
    let handle = wallet.handle();
    // The presence is credited until the last commit, which was not earlier than this.
    let stored_at = before.report.presence_since;
    wallet.crash_monitoring();
    let stopped_at = handle.now();
    wallet.stop_node();
    // So that the peer is still offline at the first poll.
    before.peer.proxy().cut();
    wallet.start_node();
    wallet.start_monitoring();
    let handle = wallet.handle();
    wait_until("a poll", || handle.is_connected(&before.peer.id()) == Some(false));
    let in_grace = wallet.report(&before.peer);
    assert_eq!((in_grace.presence, counts(&in_grace)), (Presence::Unobserved, (2, 1)));
    before.peer.proxy().restore();
    wallet.dial(&before.peer);
    before.assert_history_continues(stored_at, stopped_at);
}

/// A wallet before it goes down, with a peer that has flapped.
struct Before {
    wallet: Wallet,
    peer: Peer,
    id: ChannelId,
    channel: ChannelReport,
    report: PeerReport,
}

impl Before {
    fn new(chain: &Chain) -> Self {
        let (peer, wallet) = (Peer::start(chain, 2), Wallet::start(chain));
        wallet.fund(&[&peer]);
        wallet.open_channels(&[&peer]);
        let id = convert::channel_id(&wallet.channel_with(&peer).channel_id);
        wallet.cut(&peer);
        wallet.restore(&peer);
        let channel = wallet.handle().channel(&id).unwrap();
        let report = wallet.report(&peer);
        assert_eq!(counts(&report), (2, 1));
        Self { wallet, peer, id, channel, report }
    }

    /// Asserts that the history continues. Monitoring stopped between `stopping_at` and `stopped_at`.
    fn assert_history_continues(self, stopping_at: Timestamp, stopped_at: Timestamp) {
        let (peer, wallet) = (&self.peer, &self.wallet);
        let handle = wallet.handle();
        let started_at = handle.health().started_at;
        wallet.wait_for_presence(peer, Presence::Online);
        let seen_at = handle.now();

        let report = wallet.report(peer);
        assert_eq!(
            (counts(&report), report.last_flap),
            ((2, 1), self.report.last_flap),
            "a reconnect after a gap is not a flap"
        );
        assert_eq!(block_on(handle.flap_count(&peer.id())).unwrap().unwrap().count, 2);
        let (before, after) = (self.channel, handle.channel(&self.id).unwrap());
        assert_consistent(&after);
        assert_eq!((after.opened_at, after.funding), (before.opened_at, before.funding));
        assert!(after.lifetime_ns > before.lifetime_ns);
        assert_eq!(downtime_ns(&after), downtime_ns(&before));
        let gap_ns = unobserved_ns(&after) - unobserved_ns(&before);
        assert!(started_at.nanos_since(stopped_at) <= gap_ns && gap_ns <= seen_at.nanos_since(stopping_at));

        // Later disconnects are counted again.
        wallet.cut(peer);
        assert_eq!(counts(&wallet.report(peer)), (3, 2));
    }
}

#[test]
fn stopped_node_pauses_monitoring_and_started_node_resumes_it() {
    let chain = Chain::start().unwrap();
    let peers = [Peer::start(&chain, 2), Peer::start(&chain, 3)];
    let wallet = Wallet::start(&chain);
    wallet.fund(&[&peers[0], &peers[1]]);
    wallet.open_channels(&[&peers[0], &peers[1]]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let before = peers.each_ref().map(|peer| wallet.report(peer).channels[0]);

    let stopping_at = handle.now();
    wallet.node().stop().unwrap();
    for peer in &peers {
        wallet.wait_for_presence(peer, Presence::Unobserved);
        assert_eq!(counts(&wallet.report(peer)), (0, 0));
    }
    assert!(handle.health().paused);

    let starting_at = handle.now();
    wallet.node().start().unwrap();
    for peer in &peers {
        wallet.wait_for_presence(peer, Presence::Online);
    }
    let reconnected_at = handle.now();
    assert!(!handle.health().paused);
    for (peer, before) in peers.iter().zip(before) {
        let (report, presences) = (wallet.report(peer), changes.presences(peer.id()));
        let [(Presence::Unobserved, stopped_at), (Presence::Online, _)] = presences[..] else {
            panic!("expected unobserved, then online: {presences:?}")
        };
        assert_between(stopping_at, stopped_at, starting_at);
        assert_eq!(counts(&report), (0, 0), "a reconnect after a gap is not a flap");
        let [after] = report.channels[..] else { panic!("expected one channel") };
        assert_consistent(&after);
        assert_eq!(after.opened_at, before.opened_at);
        let gap_ns = unobserved_ns(&after) - unobserved_ns(&before);
        assert!(
            starting_at.nanos_since(stopped_at) <= gap_ns && gap_ns <= reconnected_at.nanos_since(stopped_at)
        );
        assert_eq!(downtime_ns(&after), downtime_ns(&before));
    }
}
