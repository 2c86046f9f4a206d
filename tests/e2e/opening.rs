//! When tracking of a peer begins: with its first channel, or when it is watched.

use fitness_core::{Change, Event, Presence};
use fitness_ldk::convert;
use fitness_regtest::{Chain, Proxy};

use crate::support::{
    CHANNEL_SATS, Peer, TIMEOUT, Wallet, assert_between, assert_consistent, block_on, counts, funding,
    wait_until,
};

#[test]
fn channel_is_tracked_from_its_funding() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());

    let requested_at = handle.now();
    wallet.node().open_channel(peer.key(), peer.addr().into(), CHANNEL_SATS, None, None).unwrap();
    let [txid] = chain.wait_for_mempool(1, TIMEOUT).unwrap()[..] else { panic!("expected one transaction") };
    wait_until("a channel", || handle.health().channels == 1);
    let known_at = handle.now();

    let listed = wallet.channel_with(&peer);
    assert!(!listed.is_channel_ready, "nothing is confirmed yet");
    assert_eq!(listed.funding_txo.unwrap().txid, txid);
    let id = convert::channel_id(&listed.channel_id);
    let pending = handle.channel(&id).unwrap();
    assert_consistent(&pending);
    assert_eq!((pending.node_id, pending.funding), (peer.id(), Some(funding(&listed))));
    assert_between(requested_at, pending.opened_at, known_at);
    wallet.wait_for_presence(&peer, Presence::Online);
    wait_until("a report of whether the channel is usable", || {
        handle.channel(&id).unwrap().usable == Some(false)
    });

    wallet.mine(6, &[&peer]);
    wait_until("a usable channel", || wallet.channel_with(&peer).is_usable);
    // So that the wallet's loop has handled the event.
    wait_until("no more events", || wallet.node().next_event().is_none());
    let ready = handle.channel_by_funding(&funding(&listed)).unwrap();
    assert_eq!((ready.channel_id, ready.opened_at), (id, pending.opened_at));
    assert_eq!(handle.peer_channel(&peer.id(), &id).unwrap().funding, Some(funding(&listed)));
    assert!(ready.lifetime_ns > pending.lifetime_ns);

    wait_until("a report of whether the channel is usable", || {
        handle.channel(&id).unwrap().usable == Some(true)
    });
    let before = handle.channel(&id).unwrap();
    wait_until("usable time", || handle.channel(&id).unwrap().usable_ns > before.usable_ns);
    let after = handle.channel(&id).unwrap();
    assert_consistent(&after);
    assert_eq!(after.usable_ns - before.usable_ns, after.lifetime_ns - before.lifetime_ns);
    assert!(after.usable_ns < after.uptime_ns, "online before it was usable");

    let of_channel = |change: &Change| match *change {
        Change::Presence { .. } => None,
        Change::ChannelOpened { channel_id, node_id, at } => Some((channel_id, node_id, at, None)),
        Change::ChannelUsable { channel_id, node_id, at, usable } => {
            Some((channel_id, node_id, at, Some(usable)))
        }
        ref other => panic!("{other:?}"),
    };
    let [opened, unusable, usable] = changes.all().iter().filter_map(of_channel).collect::<Vec<_>>()[..]
    else {
        panic!("expected opened, unusable and usable")
    };
    assert_eq!(opened, (id, peer.id(), pending.opened_at, None));
    assert_eq!((unusable.0, unusable.1, unusable.3), (id, peer.id(), Some(false)));
    assert_eq!((usable.0, usable.1, usable.3), (id, peer.id(), Some(true)));
    assert_between(unusable.2, usable.2, handle.now());
    let [known] = &handle.peers()[..] else { panic!("expected one peer") };
    assert_eq!((known.node_id, known.channels.len(), counts(known)), (peer.id(), 1, (0, 0)));
}

#[test]
fn stranger_is_not_tracked_until_it_opens_a_channel() {
    let chain = Chain::start().unwrap();
    let (stranger, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&stranger]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let proxy = Proxy::start(wallet.local().addr()).unwrap();
    let connect = || {
        let dial = || stranger.node().connect(wallet.key(), proxy.addr().into(), false).is_ok();
        wait_until("a connection", dial);
        wait_until("the connection of the stranger", || handle.is_connected(&stranger.id()) == Some(true));
    };

    connect();
    proxy.cut();
    wait_until("the disconnect", || handle.is_connected(&stranger.id()).is_none());
    wait_until("the disconnect on the other side", || !stranger.local().is_connected_to(&wallet.key()));
    proxy.restore();
    connect();
    assert!(handle.peers().is_empty());
    assert_eq!((handle.health().peers, handle.peer(&stranger.id())), (0, None));
    assert_eq!(block_on(handle.flap_count(&stranger.id())).unwrap(), None);
    assert!(changes.all().is_empty());

    stranger.node().open_channel(wallet.key(), proxy.addr().into(), CHANNEL_SATS, None, None).unwrap();
    wait_until("a channel", || handle.health().channels == 1);
    let report = wallet.report(&stranger);
    let [channel] = report.channels[..] else { panic!("expected one channel") };
    assert_consistent(&channel);
    assert_eq!(channel.uptime_ns, channel.lifetime_ns, "online since the opening");
    assert_eq!(changes.presences(stranger.id()), [(Presence::Online, channel.opened_at)]);
    assert_eq!((report.tracked_since, counts(&report)), (channel.opened_at, (0, 0)));
}

#[test]
fn watched_peer_is_tracked_without_a_channel() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    let handle = wallet.handle();
    handle.record(Event::Watch { node_id: peer.id() });
    wallet.wait_for_presence(&peer, Presence::Offline);

    wallet.dial(&peer);
    wallet.wait_for_presence(&peer, Presence::Online);
    assert_eq!(counts(&wallet.report(&peer)), (1, 0));
    wallet.cut(&peer);
    let [known] = &handle.peers()[..] else { panic!("expected one peer") };
    assert!(known.watched && known.channels.is_empty());
    assert_eq!(counts(known), (2, 1));
    assert!(0 < known.uptime_ns && known.uptime_ns < known.observed_ns);

    handle.record(Event::Unwatch { node_id: peer.id() });
    peer.proxy().restore();
    wallet.dial(&peer);
    wait_until("the reconnect", || handle.is_connected(&peer.id()) == Some(true));
    assert!(handle.peers().is_empty());
    let untracked = wallet.report(&peer);
    assert_eq!((untracked.presence, counts(&untracked)), (Presence::Unobserved, (2, 1)));
}
