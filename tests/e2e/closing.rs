//! The end of a channel: agreed, forced, one of two, and one that came while we were down.

use fitness_core::{Change, Presence};
use fitness_ldk::convert;
use fitness_regtest::Chain;
use fitness_store::Store;

use crate::support::{
    PATIENCE, Peer, Wallet, assert_between, assert_sane, block_on, counts, downtime_ns, funding, open_store,
    until,
};

#[test]
fn an_agreed_close_leaves_a_last_report_and_a_peer_that_no_longer_counts() {
    closed_by_us(false);
}

#[test]
fn a_forced_close_leaves_a_last_report_and_a_peer_that_no_longer_counts() {
    closed_by_us(true);
}

fn closed_by_us(force: bool) {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);
    let open = handle.channel(&id).unwrap();

    let asked_at = handle.now();
    if force {
        wallet.node().force_close_channel(&listed.user_channel_id, peer.key(), None).unwrap();
    } else {
        wallet.node().close_channel(&listed.user_channel_id, peer.key()).unwrap();
    }
    let (at, last) = changes.last_report(id);
    assert_between(asked_at, at, handle.now());
    assert_sane(&last);
    assert_eq!((last.node_id, last.funding, last.opened_at), (peer.id(), open.funding, open.opened_at));
    assert_eq!(last.lifetime_ns, at.nanos_since(open.opened_at));
    assert_eq!(last.uptime_ns - open.uptime_ns, last.lifetime_ns - open.lifetime_ns, "online to the end");

    assert_eq!((handle.channel(&id), handle.channel_by_funding(&funding(&listed))), (None, None));
    assert!(handle.peers().is_empty());
    assert_eq!(handle.health().channels, 0);
    // The closing transaction says that the close is real; the peer's departure then is not ours to count.
    chain.wait_for_mempool(1, PATIENCE).unwrap();
    wallet.mine(6, &[&peer]);
    peer.proxy().cut();
    until("the peer's departure", || handle.is_connected(&peer.id()) == Some(false));
    let dormant = wallet.report(&peer);
    assert!(dormant.channels.is_empty());
    assert_eq!((dormant.presence, counts(&dormant)), (Presence::Unobserved, (0, 0)));
    assert_eq!(changes.presences(peer.id()), [(Presence::Unobserved, at)]);
}

/// The peer is asked for its consent, and does not get to hear of it.
#[test]
fn a_channel_that_is_being_closed_is_not_usable_while_its_peer_is_online() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);

    peer.proxy().hold();
    let asked_at = handle.now();
    wallet.node().close_channel(&listed.user_channel_id, peer.key()).unwrap();
    wallet.until_usable(&peer, false);
    let [Change::ChannelUsable { channel_id, at, usable: false, .. }] = *changes.all() else {
        panic!("nothing else has changed: {:?}", changes.all())
    };
    assert_eq!(channel_id, id);
    assert_between(asked_at, at, handle.now());
    let closing = handle.channel(&id).unwrap();
    assert_sane(&closing);

    peer.proxy().restore();
    let (_, last) = changes.last_report(id);
    assert_sane(&last);
    assert_eq!(last.usable_ns, closing.usable_ns, "not once it was being closed");
    assert_eq!(
        last.uptime_ns - closing.uptime_ns,
        last.lifetime_ns - closing.lifetime_ns,
        "online to the end"
    );
    assert_eq!(counts(&wallet.report(&peer)), (0, 0));
}

#[test]
fn of_two_channels_with_a_peer_one_goes_and_the_other_is_followed() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer, &peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let [first, second] = wallet.report(&peer).channels[..] else { panic!("two channels") };
    for channel in wallet.channels_with(&peer) {
        let id = convert::channel_id(&channel.channel_id);
        assert!(id == first.channel_id || id == second.channel_id);
        assert_eq!(handle.channel_by_funding(&funding(&channel)).unwrap().channel_id, id);
    }

    wallet.cut(&peer);
    wallet.restore(&peer);
    until("usable channels", || wallet.channels_with(&peer).iter().all(|channel| channel.is_usable));
    let going = wallet
        .channels_with(&peer)
        .into_iter()
        .find(|channel| convert::channel_id(&channel.channel_id) == first.channel_id);
    wallet.node().close_channel(&going.unwrap().user_channel_id, peer.key()).unwrap();
    let (_, last) = changes.last_report(first.channel_id);
    let once = wallet.report(&peer);
    let [left] = once.channels[..] else { panic!("one channel is left") };
    assert_eq!((left.channel_id, left.opened_at), (second.channel_id, second.opened_at));
    // One connection, one outage, whatever it carries.
    assert_eq!((once.presence, counts(&once)), (Presence::Online, (2, 1)));
    assert_eq!(downtime_ns(&left), downtime_ns(&last));

    wallet.cut(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (3, 2));
    let later = handle.channel(&second.channel_id).unwrap();
    assert_sane(&later);
    assert_eq!(later.opened_at, second.opened_at);
    until("a longer downtime", || {
        downtime_ns(&handle.channel(&second.channel_id).unwrap()) > downtime_ns(&left)
    });
}

/// The wallet starts again before its node has found out.
#[test]
fn a_close_while_we_were_down_is_found_out_from_the_chain() {
    closed_while_down(
        |wallet| {
            drop(wallet.unwatch());
            wallet.stop_node();
        },
        |_| (),
    );
}

/// The wallet had crashed, and its node finds out before there is a monitor to be told.
#[test]
fn a_close_between_a_crash_and_the_next_watch_is_found_in_the_lists() {
    closed_while_down(
        |wallet| {
            wallet.flush();
            wallet.crash_watch();
            wallet.stop_node();
        },
        |wallet| {
            until("the event of the close", || {
                let Some(event) = wallet.node().next_event() else { return false };
                wallet.node().event_handled().unwrap();
                matches!(event, ldk_node::Event::ChannelClosed { .. })
            });
        },
    );
}

fn closed_while_down(go_down: impl Fn(&mut Wallet), before_the_watch: impl Fn(&Wallet)) {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);
    wallet.cut(&peer);
    wallet.restore(&peer);

    let before = wallet.handle();
    go_down(&mut wallet);
    let gone_at = before.now();
    // So that the chain is all that can tell.
    peer.proxy().cut();
    peer.node().force_close_channel(&peer.user_channel_id(), wallet.key(), None).unwrap();
    chain.wait_for_mempool(1, PATIENCE).unwrap();
    chain.mine(6);

    wallet.start_node();
    before_the_watch(&wallet);
    wallet.watch_as_usual();
    let handle = wallet.handle();
    until("the end of the channel", || handle.health().channels == 0);
    assert_eq!((handle.channel(&id), handle.channel_by_funding(&funding(&listed))), (None, None));
    assert!(handle.peers().is_empty());
    let dormant = wallet.report(&peer);
    assert_eq!((dormant.presence, counts(&dormant)), (Presence::Unobserved, (2, 1)));
    assert!(0 < dormant.uptime_ns && dormant.uptime_ns < dormant.observed_ns);
    let unobserved_ns = handle.now().nanos_since(dormant.tracked_since) - dormant.observed_ns;
    assert!(unobserved_ns >= handle.health().started_at.nanos_since(gone_at));
    assert_eq!(block_on(handle.flap_count(&peer.id())).unwrap().unwrap().count, 2);
    assert_eq!(handle.health().store.failures, 0);

    wallet.unwatch();
    let store = open_store(&wallet.store_path());
    let record = block_on(store.peer(&wallet.id(), &peer.id())).unwrap().expect("its history is kept");
    assert!(record.channels.is_empty());
    assert_eq!((record.flap_count, record.disconnects), (2, 1));
}
