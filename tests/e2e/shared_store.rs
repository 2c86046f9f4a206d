//! A wallet that keeps its fitness history in the SQLite file in which ldk-node keeps its channels.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fitness_actor::Service;
use fitness_core::{Event, NodeId, Presence};
use fitness_ldk::convert;
use fitness_regtest::Chain;
use fitness_store_kv::KvStore;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME};
use ldk_node::payment::{PaymentDetails, PaymentKind, PaymentStatus};
use rusqlite::Connection;

use crate::support::{
    Peer, Wallet, assert_consistent, block_on, counts, downtime_ns, open_sqlite, wait_until,
};

/// The primary namespace of our rows.
const NAMESPACE: &str = "ldk_fitness";

#[test]
fn wallet_and_history_continue_from_one_file() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_with_shared_store(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    let listed = wallet.channel_with(&peer);
    let id = convert::channel_id(&listed.channel_id);
    wallet.cut(&peer);
    wallet.restore(&peer);
    // The node stores at the same time as the service.
    pay(&wallet, &peer, 1);
    wallet.flush();
    let handle = wallet.handle();
    let (report, channel) = (wallet.report(&peer), handle.channel(&id).unwrap());
    let (from, to) = (report.tracked_since, handle.now());
    let timeline = block_on(handle.timeline(&peer.id(), from, to)).unwrap().unwrap();
    assert_eq!((counts(&report), handle.health().store.failures), ((2, 1), 0));

    drop(wallet.stop_monitoring());
    wallet.stop_node();
    let rows = Rows::of(wallet.dir());
    rows.assert_separate(wallet.id());
    wallet.start_node();
    wallet.start_monitoring();

    // The node still has its channel, and the history is unchanged.
    assert_eq!(wallet.channel_with(&peer).channel_id, listed.channel_id);
    wallet.wait_for_usable(&peer, true);
    let (handle, after) = (wallet.handle(), wallet.report(&peer));
    assert_eq!((counts(&after), after.last_flap), ((2, 1), report.last_flap));
    assert_eq!(block_on(handle.timeline(&peer.id(), from, to)).unwrap().unwrap(), timeline);
    let again = handle.channel(&id).unwrap();
    assert_consistent(&again);
    assert_eq!((again.opened_at, again.funding), (channel.opened_at, channel.funding));
    assert_eq!(downtime_ns(&again), downtime_ns(&channel));
    pay(&wallet, &peer, 2);
    wallet.cut(&peer);
    assert_eq!(counts(&wallet.report(&peer)), (3, 2));
    wallet.flush();
    assert_eq!(handle.health().store.failures, 0);
}

#[test]
fn neither_changes_rows_of_the_other() {
    let chain = Chain::start().unwrap();
    let (peer, mut wallet) = (Peer::start(&chain, 2), Wallet::start_with_shared_store(&chain));
    wallet.fund(&[&peer]);
    wallet.open_channels(&[&peer]);
    drop(wallet.stop_monitoring());

    // The node alone.
    wallet.stop_node();
    let before = Rows::of(wallet.dir());
    wallet.start_node();
    wait_until("a usable channel", || wallet.channel_with(&peer).is_usable);
    pay(&wallet, &peer, 1);
    wallet.stop_node();
    let paid = Rows::of(wallet.dir());
    assert_eq!(paid.ours, before.ours);
    assert_ne!(paid.others, before.others);

    // The service alone, long enough to fold its journal several times, and with a forgotten peer.
    flap_often(wallet.dir(), wallet.id(), peer.id());
    let flapped = Rows::of(wallet.dir());
    assert_eq!(flapped.others, paid.others);
    flapped.assert_separate(wallet.id());
    let manifests = |rows: &Rows| rows.ours.keys().filter(|key| key.2.starts_with("m-")).cloned().collect();
    let (old, new): (Vec<_>, Vec<_>) = (manifests(&paid), manifests(&flapped));
    assert!(old.len() == 1 && new.len() == 1 && old != new, "{old:?} became {new:?}");

    wallet.start_node();
    wallet.start_monitoring();
    wallet.wait_for_usable(&peer, true);
    pay(&wallet, &peer, 2);
    assert_eq!(wallet.report(&peer).channels.len(), 1);
}

/// Pays the peer, and waits until `paid` payments of the wallet have arrived.
fn pay(wallet: &Wallet, peer: &Peer, paid: usize) {
    wallet.node().spontaneous_payment().send(1_000_000, peer.key(), None).unwrap();
    wait_until("a payment", || {
        let sent = |payment: &PaymentDetails| {
            matches!(payment.kind, PaymentKind::Spontaneous { .. })
                && payment.status == PaymentStatus::Succeeded
        };
        wallet.node().list_payments().iter().filter(|payment| sent(payment)).count() == paid
    });
}

/// Stores two hundred flaps one by one in the file of a stopped node.
fn flap_often(dir: &Path, observer: NodeId, peer: NodeId) {
    let stranger = NodeId([2; 33]);
    let sqlite = open_sqlite(dir);
    block_on(async {
        let store = Arc::new(KvStore::new(Arc::clone(&sqlite), "the node's store"));
        let service = Service::builder(observer, store).start().await.unwrap();
        let handle = service.handle();
        handle.record(Event::Watch { node_id: stranger });
        for _ in 0..100 {
            for node_id in [peer, stranger] {
                handle.record(Event::PeerOnline { node_id });
                handle.flush().await.unwrap();
                handle.record(Event::PeerOffline { node_id });
                handle.flush().await.unwrap();
            }
        }
        handle.record(Event::Unwatch { node_id: stranger });
        assert!(handle.forget(&stranger));
        assert_eq!(handle.peer(&peer).unwrap().presence, Presence::Offline);
        service.shutdown().await.unwrap();
    });
    assert!(Arc::into_inner(sqlite).is_some(), "the service has dropped the store");
}

/// Namespaces and key.
type Name = (String, String, String);

/// All rows of the file, read with SQLite.
struct Rows {
    ours: BTreeMap<Name, Vec<u8>>,
    others: BTreeMap<Name, Vec<u8>>,
}

impl Rows {
    fn of(dir: &Path) -> Self {
        let file = Connection::open(dir.join(SQLITE_DB_FILE_NAME)).unwrap();
        let all = format!("SELECT primary_namespace, secondary_namespace, key, value FROM {KV_TABLE_NAME}");
        let mut all = file.prepare(&all).unwrap();
        let rows =
            all.query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))).unwrap();
        let rows: BTreeMap<Name, Vec<u8>> = rows.map(Result::unwrap).collect();
        let (ours, others) = rows.into_iter().partition(|((primary, ..), _)| primary == NAMESPACE);
        Self { ours, others }
    }

    /// Asserts that our rows are in the documented namespaces, and the node's rows in their own.
    fn assert_separate(&self, observer: NodeId) {
        let observer = observer.to_string();
        let in_namespace = |namespace: &str| {
            let keys = self.ours.keys().filter(|(_, secondary, _)| secondary == namespace);
            keys.map(|(.., key)| key.as_str()).collect::<Vec<_>>()
        };
        let values = in_namespace(&observer);
        assert_eq!(in_namespace("observers"), [&observer]);
        assert_eq!(values.len() + 1, self.ours.len(), "{:?}", self.ours.keys());
        let known = ["m-", "p-", "j-"];
        assert!(known.iter().all(|kind| values.iter().any(|key| key.starts_with(kind))), "{values:?}");
        assert!(values.iter().all(|key| known.iter().any(|kind| key.starts_with(kind))), "{values:?}");

        let manager = (String::new(), String::new(), "manager".to_owned());
        assert!(self.others.contains_key(&manager), "{:?}", self.others.keys());
        let monitors = self.others.keys().filter(|(primary, ..)| primary == "monitors").count();
        assert_eq!(monitors, 1, "expected one channel");
    }
}
