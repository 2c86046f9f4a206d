//! From when on a peer counts: with its first channel, or when it is watched; a stranger does not.

use fitness_core::{Change, Event, Presence};
use fitness_ldk::convert;
use fitness_regtest::{Chain, Proxy};

use crate::support::{
    CHANNEL_SATS, PATIENCE, Peer, Wallet, assert_between, assert_sane, block_on, counts, funding, until,
};

#[test]
fn a_channel_counts_from_its_funding_on_and_its_confirmation_changes_nothing() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());

    let asked_at = handle.now();
    wallet.node().open_channel(peer.key(), peer.addr().into(), CHANNEL_SATS, None, None).unwrap();
    let [txid] = chain.wait_for_mempool(1, PATIENCE).unwrap()[..] else { panic!("one transaction") };
    until("a channel", || handle.health().channels == 1);
    let known_at = handle.now();

    let listed = wallet.channel_with(&peer);
    assert!(!listed.is_channel_ready, "nothing is confirmed yet");
    assert_eq!(listed.funding_txo.unwrap().txid, txid);
    let id = convert::channel_id(&listed.channel_id);
    let pending = handle.channel(&id).unwrap();
    assert_sane(&pending);
    assert_eq!((pending.node_id, pending.funding), (peer.id(), Some(funding(&listed))));
    assert_between(asked_at, pending.opened_at, known_at);
    wallet.until_presence(&peer, Presence::Online);
    until("word of the channel", || handle.channel(&id).unwrap().usable == Some(false));

    wallet.mine(6, &[&peer]);
    until("a usable channel", || wallet.channel_with(&peer).is_usable);
    // So that the event of it has been through the wallet's loop.
    until("no more events", || wallet.node().next_event().is_none());
    let ready = handle.channel_by_funding(&funding(&listed)).unwrap();
    assert_eq!((ready.channel_id, ready.opened_at), (id, pending.opened_at));
    assert_eq!(handle.peer_channel(&peer.id(), &id).unwrap().funding, Some(funding(&listed)));
    assert!(ready.lifetime_ns > pending.lifetime_ns);

    until("word of the channel", || handle.channel(&id).unwrap().usable == Some(true));
    let before = handle.channel(&id).unwrap();
    until("some use of it", || handle.channel(&id).unwrap().usable_ns > before.usable_ns);
    let after = handle.channel(&id).unwrap();
    assert_sane(&after);
    assert_eq!(after.usable_ns - before.usable_ns, after.lifetime_ns - before.lifetime_ns);
    assert!(after.usable_ns < after.uptime_ns, "it was online before it was usable");

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
        panic!("it opens, and is usable in the end")
    };
    assert_eq!(opened, (id, peer.id(), pending.opened_at, None));
    assert_eq!((unusable.0, unusable.1, unusable.3), (id, peer.id(), Some(false)));
    assert_eq!((usable.0, usable.1, usable.3), (id, peer.id(), Some(true)));
    assert_between(unusable.2, usable.2, handle.now());
    let [known] = &handle.peers()[..] else { panic!("one peer") };
    assert_eq!((known.node_id, known.channels.len(), counts(known)), (peer.id(), 1, (0, 0)));
}

#[test]
fn a_stranger_costs_nothing_until_it_opens_a_channel() {
    let chain = Chain::start().unwrap();
    let (stranger, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&stranger]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let door = Proxy::start(wallet.local().addr()).unwrap();
    let knock = || {
        let dial = || stranger.node().connect(wallet.key(), door.addr().into(), false).is_ok();
        until("a connection", dial);
        until("news of the stranger", || handle.is_connected(&stranger.id()) == Some(true));
    };

    knock();
    door.cut();
    until("its departure", || handle.is_connected(&stranger.id()).is_none());
    until("its departure, as it sees it", || !stranger.local().is_connected_to(&wallet.key()));
    door.restore();
    knock();
    assert!(handle.peers().is_empty());
    assert_eq!((handle.health().peers, handle.peer(&stranger.id())), (0, None));
    assert_eq!(block_on(handle.flap_count(&stranger.id())).unwrap(), None);
    assert!(changes.all().is_empty());

    stranger.node().open_channel(wallet.key(), door.addr().into(), CHANNEL_SATS, None, None).unwrap();
    until("a channel", || handle.health().channels == 1);
    let report = wallet.report(&stranger);
    let [channel] = report.channels[..] else { panic!("one channel") };
    assert_sane(&channel);
    assert_eq!(channel.uptime_ns, channel.lifetime_ns, "it is online from the first moment");
    assert_eq!(changes.presences(stranger.id()), [(Presence::Online, channel.opened_at)]);
    assert_eq!((report.tracked_since, counts(&report)), (channel.opened_at, (0, 0)));
}

#[test]
fn a_watched_peer_counts_without_a_channel() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    let handle = wallet.handle();
    handle.record(Event::Watch { node_id: peer.id() });
    wallet.until_presence(&peer, Presence::Offline);

    wallet.dial(&peer);
    wallet.until_presence(&peer, Presence::Online);
    assert_eq!(counts(&wallet.report(&peer)), (1, 0));
    wallet.cut(&peer);
    let [known] = &handle.peers()[..] else { panic!("one peer") };
    assert!(known.watched && known.channels.is_empty());
    assert_eq!(counts(known), (2, 1));
    assert!(0 < known.uptime_ns && known.uptime_ns < known.observed_ns);

    handle.record(Event::Unwatch { node_id: peer.id() });
    peer.proxy().restore();
    wallet.dial(&peer);
    until("its return", || handle.is_connected(&peer.id()) == Some(true));
    assert!(handle.peers().is_empty());
    let dormant = wallet.report(&peer);
    assert_eq!((dormant.presence, counts(&dormant)), (Presence::Unobserved, (2, 1)));
}
