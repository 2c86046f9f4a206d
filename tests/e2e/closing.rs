//! Closed channels: cooperatively, by force, one of two, and while the wallet was not running.

use fitness_core::{Change, Presence};
use fitness_ldk::convert;
use fitness_regtest::Chain;
use fitness_store::Store;

use crate::support::{
    Peer, TIMEOUT, Wallet, assert_between, assert_consistent, block_on, counts, downtime_ns, funding,
    open_store, wait_until,
};

#[test]
fn cooperative_close_yields_last_report_and_untracks_peer() {
    close_channel(false);
}

#[test]
fn force_close_yields_last_report_and_untracks_peer() {
    close_channel(true);
}

fn close_channel(force: bool) {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);
    let open = handle.channel(&id).unwrap();

    let requested_at = handle.now();
    if force {
        wallet.node().force_close_channel(&listed.user_channel_id, peer.key(), None).unwrap();
    } else {
        wallet.node().close_channel(&listed.user_channel_id, peer.key()).unwrap();
    }
    let (at, last) = changes.last_report(id);
    assert_between(requested_at, at, handle.now());
    assert_consistent(&last);
    assert_eq!((last.node_id, last.funding, last.opened_at), (peer.id(), open.funding, open.opened_at));
    assert_eq!(last.lifetime_ns, at.nanos_since(open.opened_at));
    assert_eq!(
        last.uptime_ns - open.uptime_ns,
        last.lifetime_ns - open.lifetime_ns,
        "the peer was online until the close"
    );

    assert_eq!((handle.channel(&id), handle.channel_by_funding(&funding(&listed))), (None, None));
    assert!(handle.peers().is_empty());
    assert_eq!(handle.health().channels, 0);
    // The closing transaction confirms the close. After it the peer's disconnect is not counted.
    chain.wait_for_mempool(1, TIMEOUT).unwrap();
    wallet.mine(6, &[&peer]);
    peer.proxy().cut();
    wait_until("the disconnect", || handle.is_connected(&peer.id()) == Some(false));
    let untracked = wallet.report(&peer);
    assert!(untracked.channels.is_empty());
    assert_eq!((untracked.presence, counts(&untracked)), (Presence::Unobserved, (0, 0)));
    assert_eq!(changes.presences(peer.id()), [(Presence::Unobserved, at)]);
}

/// The peer does not receive the request to close, so the close stays pending.
#[test]
fn pending_close_makes_channel_unusable_while_peer_is_online() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);

    peer.proxy().hold();
    let requested_at = handle.now();
    wallet.node().close_channel(&listed.user_channel_id, peer.key()).unwrap();
    wallet.wait_for_usable(&peer, false);
    let [Change::ChannelUsable { channel_id, at, usable: false, .. }] = *changes.all() else {
        panic!("expected one change: {:?}", changes.all())
    };
    assert_eq!(channel_id, id);
    assert_between(requested_at, at, handle.now());
    let closing = handle.channel(&id).unwrap();
    assert_consistent(&closing);

    peer.proxy().restore();
    let (_, last) = changes.last_report(id);
    assert_consistent(&last);
    assert_eq!(last.usable_ns, closing.usable_ns, "no usable time after the request to close");
    assert_eq!(
        last.uptime_ns - closing.uptime_ns,
        last.lifetime_ns - closing.lifetime_ns,
        "the peer was online until the close"
    );
    assert_eq!(counts(&wallet.report(&peer)), (0, 0));
}

#[test]
fn closing_one_of_two_channels_keeps_the_other_tracked() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer, &peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let [first, second] = wallet.report(&peer).channels[..] else { panic!("expected two channels") };
    for channel in wallet.channels_with(&peer) {
        let id = convert::channel_id(&channel.channel_id);
        assert!(id == first.channel_id || id == second.channel_id);
        assert_eq!(handle.channel_by_funding(&funding(&channel)).unwrap().channel_id, id);
    }

    wallet.cut(&peer);
    wallet.restore(&peer);
    wait_until("usable channels", || wallet.channels_with(&peer).iter().all(|channel| channel.is_usable));
    let closing_channel = wallet
        .channels_with(&peer)
        .into_iter()
        .find(|channel| convert::channel_id(&channel.channel_id) == first.channel_id);
    wallet.node().close_channel(&closing_channel.unwrap().user_channel_id, peer.key()).unwrap();
    let (_, last) = changes.last_report(first.channel_id);
    let report = wallet.report(&peer);
    let [remaining] = report.channels[..] else { panic!("expected one channel") };
    assert_eq!((remaining.channel_id, remaining.opened_at), (second.channel_id, second.opened_at));
    // One connection has one outage, regardless of the number of its channels.
    assert_eq!((report.presence, counts(&report)), (Presence::Online, (2, 1)));
    assert_eq!(downtime_ns(&remaining), downtime_ns(&last));

    wallet.cut(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (3, 2));
    let later = handle.channel(&second.channel_id).unwrap();
    assert_consistent(&later);
    assert_eq!(later.opened_at, second.opened_at);
    wait_until("a longer downtime", || {
        downtime_ns(&handle.channel(&second.channel_id).unwrap()) > downtime_ns(&remaining)
    });
}

/// The wallet starts monitoring before its node has seen the close on the chain.
#[test]
fn close_while_not_running_is_detected_on_chain() {
    close_while_not_running(
        |wallet| {
            drop(wallet.stop_monitoring());
            wallet.stop_node();
        },
        |_| (),
    );
}

/// The wallet crashed, and its node sees the close before monitoring starts.
#[test]
fn close_between_crash_and_monitoring_is_detected_from_channel_list() {
    close_while_not_running(
        |wallet| {
            wallet.flush();
            wallet.crash_monitoring();
            wallet.stop_node();
        },
        |wallet| {
            wait_until("the event of the close", || {
                let Some(event) = wallet.node().next_event() else { return false };
                wallet.node().event_handled().unwrap();
                matches!(event, ldk_node::Event::ChannelClosed { .. })
            });
        },
    );
}

fn close_while_not_running(stop: impl Fn(&mut Wallet), before_monitoring: impl Fn(&Wallet)) {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);
    wallet.cut(&peer);
    wallet.restore(&peer);

    let before = wallet.handle();
    stop(&mut wallet);
    let stopped_at = before.now();
    // So that only the chain shows the close.
    peer.proxy().cut();
    peer.node().force_close_channel(&peer.user_channel_id(), wallet.key(), None).unwrap();
    chain.wait_for_mempool(1, TIMEOUT).unwrap();
    chain.mine(6);

    wallet.start_node();
    before_monitoring(&wallet);
    wallet.start_monitoring();
    let handle = wallet.handle();
    wait_until("the end of the channel", || handle.health().channels == 0);
    assert_eq!((handle.channel(&id), handle.channel_by_funding(&funding(&listed))), (None, None));
    assert!(handle.peers().is_empty());
    let untracked = wallet.report(&peer);
    assert_eq!((untracked.presence, counts(&untracked)), (Presence::Unobserved, (2, 1)));
    assert!(0 < untracked.uptime_ns && untracked.uptime_ns < untracked.observed_ns);
    let unobserved_ns = handle.now().nanos_since(untracked.tracked_since) - untracked.observed_ns;
    assert!(unobserved_ns >= handle.health().started_at.nanos_since(stopped_at));
    assert_eq!(block_on(handle.flap_count(&peer.id())).unwrap().unwrap().count, 2);
    assert_eq!(handle.health().store.failures, 0);

    wallet.stop_monitoring();
    let store = open_store(&wallet.store_path());
    let record = block_on(store.peer(&wallet.id(), &peer.id())).unwrap().expect("a stored history");
    assert!(record.channels.is_empty());
    assert_eq!((record.flap_count, record.disconnects), (2, 1));
}
