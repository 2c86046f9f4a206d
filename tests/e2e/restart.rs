//! What is ours must not count against the peers: the wallet's restart, the node's stop.

use fitness_core::{ChannelId, ChannelReport, PeerReport, Presence, Timestamp};
use fitness_ldk::convert;
use fitness_regtest::Chain;

use crate::support::{
    Peer, Wallet, assert_between, assert_sane, block_on, counts, downtime_ns, unobserved_ns, until,
};

#[test]
fn a_restart_on_the_same_file_goes_on_where_it_was_and_leaves_a_gap() {
    let chain = Chain::start().unwrap();
    let mut before = Before::new(&chain);
    let wallet = &mut before.wallet;
    let leaving_at = wallet.handle().now();
    let gone = wallet.unwatch();
    assert!(gone.health().paused, "nobody looks any more");
    assert_eq!(gone.peer(&before.peer.id()).unwrap().presence, Presence::Unobserved);
    let gone_at = gone.now();
    wallet.stop_node();
    wallet.start_node();
    // The node redials by itself, before the monitor looks or after: it has time to come back.
    wallet.watch_as_usual();
    before.goes_on(leaving_at, gone_at);
}

#[test]
fn a_crash_is_a_gap_too_and_who_was_there_before_it_has_time_to_come_back() {
    let chain = Chain::start().unwrap();
    let mut before = Before::new(&chain);
    let wallet = &mut before.wallet;
    wallet.flush();
    let handle = wallet.handle();
    // The presence is credited until the last time that something was stored, which was no earlier.
    let stored_at = before.report.presence_since;
    wallet.crash_watch();
    let gone_at = handle.now();
    wallet.stop_node();
    // So that it is still away when the monitor looks.
    before.peer.proxy().cut();
    wallet.start_node();
    wallet.watch_as_usual();
    let handle = wallet.handle();
    until("a look", || handle.is_connected(&before.peer.id()) == Some(false));
    let awaited = wallet.report(&before.peer);
    assert_eq!((awaited.presence, counts(&awaited)), (Presence::Unobserved, (2, 1)));
    before.peer.proxy().restore();
    wallet.dial(&before.peer);
    before.goes_on(stored_at, gone_at);
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

    /// Checks that what was goes on. We had looked until `leaving_at` at least, and until `gone_at`
    /// at most.
    fn goes_on(self, leaving_at: Timestamp, gone_at: Timestamp) {
        let (peer, wallet) = (&self.peer, &self.wallet);
        let handle = wallet.handle();
        let started_at = handle.health().started_at;
        wallet.until_presence(peer, Presence::Online);
        let seen_at = handle.now();

        let report = wallet.report(peer);
        assert_eq!(
            (counts(&report), report.last_flap),
            ((2, 1), self.report.last_flap),
            "a return is no flap"
        );
        assert_eq!(block_on(handle.flap_count(&peer.id())).unwrap().unwrap().count, 2);
        let (before, after) = (self.channel, handle.channel(&self.id).unwrap());
        assert_sane(&after);
        assert_eq!((after.opened_at, after.funding), (before.opened_at, before.funding));
        assert!(after.lifetime_ns > before.lifetime_ns);
        assert_eq!(downtime_ns(&after), downtime_ns(&before));
        let gap_ns = unobserved_ns(&after) - unobserved_ns(&before);
        assert!(started_at.nanos_since(gone_at) <= gap_ns && gap_ns <= seen_at.nanos_since(leaving_at));

        // And it counts again.
        wallet.cut(peer);
        assert_eq!(counts(&wallet.report(peer)), (3, 2));
    }
}

#[test]
fn a_node_that_is_stopped_blames_nobody_and_one_that_starts_again_goes_on() {
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
        wallet.until_presence(peer, Presence::Unobserved);
        assert_eq!(counts(&wallet.report(peer)), (0, 0));
    }
    assert!(handle.health().paused);

    let starting_at = handle.now();
    wallet.node().start().unwrap();
    for peer in &peers {
        wallet.until_presence(peer, Presence::Online);
    }
    let back_at = handle.now();
    assert!(!handle.health().paused);
    for (peer, before) in peers.iter().zip(before) {
        let (report, presences) = (wallet.report(peer), changes.presences(peer.id()));
        let [(Presence::Unobserved, gone_at), (Presence::Online, _)] = presences[..] else {
            panic!("nobody looked, and then it was back: {presences:?}")
        };
        assert_between(stopping_at, gone_at, starting_at);
        assert_eq!(counts(&report), (0, 0), "a return is no flap");
        let [after] = report.channels[..] else { panic!("one channel") };
        assert_sane(&after);
        assert_eq!(after.opened_at, before.opened_at);
        let gap_ns = unobserved_ns(&after) - unobserved_ns(&before);
        assert!(starting_at.nanos_since(gone_at) <= gap_ns && gap_ns <= back_at.nanos_since(gone_at));
        assert_eq!(downtime_ns(&after), downtime_ns(&before));
    }
}
