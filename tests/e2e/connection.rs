//! The connection to a channel's peer: cut, redialled, held up, gone without a word.

use std::time::Duration;

use fitness_core::Presence;
use fitness_ldk::convert;
use fitness_regtest::Chain;
use ldk_node::payment::{PaymentKind, PaymentStatus};

use crate::support::{Peer, Wallet, assert_between, assert_sane, counts, downtime_ns, until};

#[test]
fn a_cut_counts_for_exactly_as_long_as_it_lasts() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let id = convert::channel_id(&wallet.channel_with(&peer).channel_id);
    let before = handle.channel(&id).unwrap();
    assert_eq!((downtime_ns(&before), counts(&wallet.report(&peer))), (0, (0, 0)));

    let cut_at = handle.now();
    wallet.cut(&peer);
    let noticed_at = handle.now();
    let cut = wallet.report(&peer);
    assert_between(cut_at, cut.presence_since, noticed_at);
    assert_eq!((counts(&cut), cut.last_flap), ((1, 1), Some(cut.presence_since)));

    let restored_at = handle.now();
    wallet.restore(&peer);
    let seen_at = handle.now();
    let back = wallet.report(&peer);
    assert_between(restored_at, back.presence_since, seen_at);
    assert_eq!((counts(&back), back.last_flap), ((2, 1), Some(back.presence_since)));

    // What is measured is what was told, and lies within what we know of the real outage.
    assert_eq!(
        changes.presences(peer.id()),
        [(Presence::Offline, cut.presence_since), (Presence::Online, back.presence_since)]
    );
    let after = handle.channel(&id).unwrap();
    assert_sane(&after);
    let down_ns = downtime_ns(&after);
    assert_eq!(down_ns, back.presence_since.nanos_since(cut.presence_since));
    assert!(restored_at.nanos_since(noticed_at) <= down_ns && down_ns <= seen_at.nanos_since(cut_at));
    let passed_ns = after.lifetime_ns - before.lifetime_ns;
    assert_eq!(after.observed_ns - before.observed_ns, passed_ns, "we looked all the time");
    assert_eq!(after.uptime_ns - before.uptime_ns, passed_ns - down_ns);

    let outage = handle.channel_window(&id, cut.presence_since, back.presence_since).unwrap();
    assert_eq!(outage.length_ns, down_ns);
    assert!(outage.uptime_ns <= outage.uptime_error_ns, "{outage:?}");
    assert!(outage.observed_ns + outage.observed_error_ns >= down_ns, "{outage:?}");
}

/// `ConnectionHint` knows the beginnings of two messages of LDK's log. This fails where LDK words
/// them differently: then nobody would notice anything here for an hour.
#[test]
fn the_log_tells_of_a_cut_and_of_a_return_long_before_the_next_look() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_unwatched(&chain));
    wallet.watch(Duration::from_secs(3600));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    // An event of the channel wakes the monitor as well, and must not be what does it.
    until("no more events", || wallet.node().next_event().is_none());
    wallet.cut(&peer);
    wallet.restore(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (2, 1));
    // At first its channel is not: where that was seen, a third message tells when it is.
    wallet.until_usable(&peer, true);
}

#[test]
fn a_held_connection_is_no_outage_and_a_dead_one_is_once_ldk_gives_it_up() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_unwatched(&chain));
    wallet.watch(Duration::from_millis(50));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());

    // Many looks long, and far shorter than the ten seconds after which LDK may lose patience.
    let paid = || {
        let mut payments = peer.node().list_payments().into_iter();
        payments.any(|payment| {
            // What funded it is among its payments, too.
            matches!(payment.kind, PaymentKind::Spontaneous { .. })
                && payment.status == PaymentStatus::Succeeded
        })
    };
    peer.proxy().hold();
    let held_at = handle.now();
    wallet.node().spontaneous_payment().send(10_000_000, peer.key(), None).unwrap();
    until("many looks", || handle.now().nanos_since(held_at) > 1_000_000_000);
    assert!(!paid(), "nothing gets through");
    peer.proxy().restore();
    until("a payment", paid);
    assert!(changes.all().is_empty());

    let dead_at = handle.now();
    peer.proxy().black_hole();
    wallet.until_presence(&peer, Presence::Offline);
    let dead = wallet.report(&peer);
    assert_between(dead_at, dead.presence_since, handle.now());
    assert!(!wallet.local().is_connected_to(&peer.key()));
    assert_eq!(counts(&dead), (1, 1));
    // The other end is told by the proxy, which closes what it broke.
    wallet.restore(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (2, 1));
    let [(Presence::Offline, _), (Presence::Online, _)] = changes.presences(peer.id())[..] else {
        panic!("one outage")
    };
}
