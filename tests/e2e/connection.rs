//! The connection to a channel's peer: cut, redialled, delayed, and silently lost.

use std::time::Duration;

use fitness_core::Presence;
use fitness_ldk::convert;
use fitness_regtest::Chain;
use ldk_node::payment::{PaymentKind, PaymentStatus};

use crate::support::{Peer, Wallet, assert_between, assert_consistent, counts, downtime_ns, wait_until};

#[test]
fn outage_is_measured_exactly() {
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
    let returned = wallet.report(&peer);
    assert_between(restored_at, returned.presence_since, seen_at);
    assert_eq!((counts(&returned), returned.last_flap), ((2, 1), Some(returned.presence_since)));

    // The measured outage is the reported one, and lies within the bounds of the real one.
    assert_eq!(
        changes.presences(peer.id()),
        [(Presence::Offline, cut.presence_since), (Presence::Online, returned.presence_since)]
    );
    let after = handle.channel(&id).unwrap();
    assert_consistent(&after);
    let down_ns = downtime_ns(&after);
    assert_eq!(down_ns, returned.presence_since.nanos_since(cut.presence_since));
    assert!(restored_at.nanos_since(noticed_at) <= down_ns && down_ns <= seen_at.nanos_since(cut_at));
    let passed_ns = after.lifetime_ns - before.lifetime_ns;
    assert_eq!(after.observed_ns - before.observed_ns, passed_ns, "observed without a gap");
    assert_eq!(after.uptime_ns - before.uptime_ns, passed_ns - down_ns);

    let outage = handle.channel_window(&id, cut.presence_since, returned.presence_since).unwrap();
    assert_eq!(outage.length_ns, down_ns);
    assert!(outage.uptime_ns <= outage.uptime_error_ns, "{outage:?}");
    assert!(outage.observed_ns + outage.observed_error_ns >= down_ns, "{outage:?}");
}

/// `ConnectionHint` matches the beginnings of two messages in LDK's log. This test fails where LDK words them
/// differently: the next poll would come only after an hour.
#[test]
fn log_hint_reports_connection_changes_before_the_next_poll() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_unmonitored(&chain));
    wallet.start_monitoring_every(Duration::from_secs(3600));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    // An event of the channel wakes the monitor as well, and must not do so here.
    wait_until("no more events", || wallet.node().next_event().is_none());
    wallet.cut(&peer);
    wallet.restore(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (2, 1));
    // The channel becomes usable after the connection, which a third message reports.
    wallet.wait_for_usable(&peer, true);
}

#[test]
fn delayed_connection_is_not_an_outage_but_a_dead_one_is() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_unmonitored(&chain));
    wallet.start_monitoring_every(Duration::from_millis(50));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());

    // Longer than many polls, and far shorter than the ten seconds after which LDK may disconnect.
    let paid = || {
        let mut payments = peer.node().list_payments().into_iter();
        payments.any(|payment| {
            // The funding transaction is listed among the payments as well.
            matches!(payment.kind, PaymentKind::Spontaneous { .. })
                && payment.status == PaymentStatus::Succeeded
        })
    };
    peer.proxy().hold();
    let held_at = handle.now();
    wallet.node().spontaneous_payment().send(10_000_000, peer.key(), None).unwrap();
    wait_until("many polls", || handle.now().nanos_since(held_at) > 1_000_000_000);
    assert!(!paid(), "no message is delivered");
    peer.proxy().restore();
    wait_until("a payment", paid);
    assert!(changes.all().is_empty());

    let dead_at = handle.now();
    peer.proxy().black_hole();
    wallet.wait_for_presence(&peer, Presence::Offline);
    let dead = wallet.report(&peer);
    assert_between(dead_at, dead.presence_since, handle.now());
    assert!(!wallet.local().is_connected_to(&peer.key()));
    assert_eq!(counts(&dead), (1, 1));
    // The proxy closes the broken connection, so that the other side notices.
    wallet.restore(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (2, 1));
    let [(Presence::Offline, _), (Presence::Online, _)] = changes.presences(peer.id())[..] else {
        panic!("expected one outage")
    };
}
