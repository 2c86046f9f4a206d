//! A splice changes a channel's funding outpoint; the channel stays the same.

use fitness_core::Change;
use fitness_ldk::convert;
use fitness_regtest::Chain;

use crate::support::{Peer, TIMEOUT, Wallet, assert_consistent, counts, funding, wait_until};

#[test]
fn spliced_channel_keeps_its_history_at_the_new_outpoint() {
    let chain = Chain::start().unwrap();
    let (peer, wallet) = (Peer::start(&chain, 2), Wallet::start(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let (handle, mut changes) = (wallet.handle(), wallet.changes());
    let listed = wallet.channel_with(&peer);
    let (id, old) = (convert::channel_id(&listed.channel_id), funding(&listed));
    let before = handle.channel_by_funding(&old).unwrap();

    wallet.node().splice_in(&listed.user_channel_id, peer.key(), 100_000).unwrap();
    let [txid] = chain.wait_for_mempool(1, TIMEOUT).unwrap()[..] else { panic!("expected one transaction") };
    wait_until("no more events", || wallet.node().next_event().is_none());
    assert_eq!(handle.channel(&id).unwrap().funding, Some(old), "nothing is confirmed yet");

    wallet.mine(6, &[&peer]);
    wait_until("another outpoint", || {
        handle.channel(&id).is_some_and(|channel| channel.funding != Some(old))
    });
    let spliced = wallet.channel_with(&peer);
    let new = funding(&spliced);
    assert_eq!(spliced.channel_id, listed.channel_id);
    assert_eq!(spliced.channel_value_sats, listed.channel_value_sats + 100_000);
    assert_eq!(convert::to_bitcoin_outpoint(&new).txid, txid, "the transaction of the splice");

    assert_eq!(handle.channel_by_funding(&old), None);
    let after = handle.channel_by_funding(&new).unwrap();
    assert_consistent(&after);
    assert_eq!((after.channel_id, after.opened_at), (id, before.opened_at));
    assert!(after.lifetime_ns > before.lifetime_ns);
    assert_eq!(
        after.uptime_ns - before.uptime_ns,
        after.lifetime_ns - before.lifetime_ns,
        "online throughout"
    );
    assert_eq!(counts(&wallet.report(&peer)), (0, 0));
    let moved = Change::FundingChanged { channel_id: id, previous: Some(old), funding: new };
    assert_eq!(changes.all(), [moved]);

    // Repeated events and polls report no further changes.
    wait_until("no more events", || wallet.node().next_event().is_none());
    assert_eq!(changes.all().len(), 1);
}
