//! A service on a server that is killed, taken over from and out of disk: it gets over it by itself, and
//! nothing that was acknowledged is lost, and nothing is there twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_core::{ChannelId, ChannelOpened, Event, LogEntry, NodeId, TrackerConfig};
use fitness_pgtest::{Cluster, OWNER};
use fitness_store::{Store, StoreError};
use fitness_store_postgres::PostgresStore;

const OURS: NodeId = NodeId([3; 33]);
const PEERS: u32 = 30;

fn node(number: u32) -> NodeId {
    let mut bytes = [2; 33];
    bytes[1..5].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

fn opened(number: u32) -> Event {
    let mut channel_id = ChannelId([9; 32]);
    channel_id.0[..4].copy_from_slice(&number.to_be_bytes());
    Event::ChannelOpened(ChannelOpened {
        channel_id,
        node_id: node(number),
        funding: None,
        online: Some(true),
    })
}

/// A service that stores at once, tries again soon, and takes nothing for its own fault.
async fn start(store: PostgresStore) -> Service {
    Service::builder(OURS, Arc::new(store))
        .tracker(TrackerConfig::default().with_network_outage_rule(None))
        .commit_delay(Duration::from_millis(5))
        .retry(Duration::from_millis(20), Duration::from_millis(200))
        .pulse(Duration::from_secs(3600))
        .shutdown_timeout(Duration::from_secs(60))
        .start()
        .await
        .expect("it starts")
}

/// How often each peer left, as far as that is stored.
async fn stored(store: &PostgresStore) -> BTreeMap<NodeId, u32> {
    let peers = store.peers(&OURS, None, 1_000_000).await.expect("the peers");
    peers.into_iter().map(|peer| (peer.node_id, peer.disconnects)).collect()
}

/// The same once nothing is being stored any more: then the logs have to fit.
async fn stored_in_the_end(store: &PostgresStore) -> BTreeMap<NodeId, u32> {
    for peer in store.peers(&OURS, None, 1_000_000).await.expect("the peers") {
        let segments = store.segments(&OURS, &peer.node_id, 0, 1_000).await.expect("a log");
        let entries: Vec<LogEntry> = segments.into_iter().flat_map(|segment| segment.entries).collect();
        assert_eq!(entries.len(), peer.log_end as usize, "each entry once");
        assert!(entries.windows(2).all(|two| two[0].at_ns() < two[1].at_ns()), "each entry once");
    }
    stored(store).await
}

/// Peers that come and go without a rest, and how often each has left so far.
struct Traffic {
    handle: Handle,
    done: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Traffic {
    fn begin(handle: Handle) -> Self {
        for number in 0..PEERS {
            handle.record(opened(number));
        }
        let done = Arc::new(AtomicBool::new(false));
        let (to, is_done) = (handle.clone(), Arc::clone(&done));
        let task = tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(7);
            while !is_done.load(Ordering::SeqCst) {
                let node_id = node(random.u32(..PEERS));
                to.record(Event::PeerOffline { node_id });
                to.record(Event::PeerOnline { node_id });
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Self { handle, done, task }
    }

    /// How often each has left.
    fn truth(&self) -> BTreeMap<NodeId, u32> {
        self.handle.peers().iter().map(|report| (report.node_id, report.disconnects)).collect()
    }

    async fn end(self) -> BTreeMap<NodeId, u32> {
        self.done.store(true, Ordering::SeqCst);
        self.task.await.expect("no panic");
        self.handle.peers().iter().map(|report| (report.node_id, report.disconnects)).collect()
    }
}

/// Waits until the service has stored all that was recorded before this call, whatever is in its way.
async fn recovered(handle: &Handle) {
    for _ in 0..3_000 {
        if handle.flush().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("after a minute still not: {:?}", handle.health().store.last_error);
}

async fn failed_at_least(handle: &Handle, failures: u64) {
    for _ in 0..3_000 {
        if handle.health().store.failures >= failures {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("after a minute still no failure: {:?}", handle.health().store);
}

/// Kills a server in different ways in the midst of commits, and compares what is stored then.
async fn survives(ends: impl IntoIterator<Item = fn(&Cluster)>) {
    let Some(cluster) = Cluster::builder().config_setting("restart_after_crash", "off").start() else {
        return;
    };
    let database = cluster.create_database();
    let service = start(PostgresStore::open(&database.url()).await.expect("it opens")).await;
    let traffic = Traffic::begin(service.handle());
    for end in ends {
        recovered(&traffic.handle).await;
        let failures = traffic.handle.health().store.failures;
        let before = traffic.truth();
        traffic.handle.flush().await.expect("all is well");
        // Other commits are under way all the time.
        end(&cluster);
        failed_at_least(&traffic.handle, failures + 1).await;
        cluster.restart();
        let reading = PostgresStore::open_read_only(&database.url()).await.expect("it opens");
        let now = stored(&reading).await;
        for (node_id, disconnects) in before {
            assert!(now[&node_id] >= disconnects, "what was acknowledged is lost");
        }
    }
    let handle = traffic.handle.clone();
    recovered(&handle).await;
    let truth = traffic.end().await;
    service.shutdown().await.expect("it stops");
    let reading = PostgresStore::open_read_only(&database.url()).await.expect("it opens");
    assert_eq!(stored_in_the_end(&reading).await, truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_costs_nothing() {
    survives([Cluster::kill, Cluster::kill, Cluster::kill] as [fn(&Cluster); 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_or_stops_costs_nothing() {
    survives([Cluster::stop_immediate, Cluster::stop, Cluster::stop_immediate] as [fn(&Cluster); 3]).await;
}

/// Connections that an administrator ends, dozens of times at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_ended_cost_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    let service = start(PostgresStore::open(&database.url()).await.expect("it opens")).await;
    let traffic = Traffic::begin(service.handle());
    recovered(&traffic.handle).await;
    for _ in 0..40 {
        database.terminate_connections();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let handle = traffic.handle.clone();
    recovered(&handle).await;
    let truth = traffic.end().await;
    service.shutdown().await.expect("it stops");
    let reading = PostgresStore::open_read_only(&database.url()).await.expect("it opens");
    assert_eq!(stored_in_the_end(&reading).await, truth);
}

/// A server dies, and its synchronous standby takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_costs_nothing() {
    let Some(primary) = Cluster::start() else { return };
    let database = primary.create_database();
    let standby = primary.start_standby();
    let (one, other) = (primary.port(), standby.port());
    // Either may be the one: the standby is asked first, and passed over while it is one.
    let url = database.url().replace(&format!(":{one}/"), &format!(":{other},127.0.0.1:{one}/"));
    let service = start(PostgresStore::open(&url).await.expect("it opens")).await;
    let traffic = Traffic::begin(service.handle());
    recovered(&traffic.handle).await;

    // A standby will do, once it has replayed what it has.
    let reading = loop {
        match PostgresStore::open_read_only(&database.url_for(OWNER, other)).await {
            Ok(reading) => break reading,
            Err(StoreError::OpenFailed { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other}"),
        }
    };
    let before = traffic.truth();
    traffic.handle.flush().await.expect("all is well");
    let failures = traffic.handle.health().store.failures;
    primary.kill();
    failed_at_least(&traffic.handle, failures + 1).await;
    standby.promote();
    let handle = traffic.handle.clone();
    recovered(&handle).await;
    let now = stored(&reading).await;
    for (node_id, disconnects) in before {
        assert!(now[&node_id] >= disconnects, "what was acknowledged is lost");
    }
    // The claim has come along.
    let second = PostgresStore::builder(&url).claim_timeout(Duration::ZERO).open().await.expect("it opens");
    second.claim(&OURS).await.expect_err("somebody has it");
    let truth = traffic.end().await;
    service.shutdown().await.expect("it stops");
    assert_eq!(stored_in_the_end(&reading).await, truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_nothing() {
    const MANY: u32 = 40_000;
    let Some(cluster) = Cluster::builder().disk_size_mb(160).start() else { return };
    let database = cluster.create_database();
    let service = start(PostgresStore::open(&database.url()).await.expect("it opens")).await;
    let handle = service.handle();
    for number in 0..PEERS {
        handle.record(opened(number));
    }
    recovered(&handle).await;
    cluster.fill_disk();
    for number in 0..MANY {
        handle.record(opened(number));
    }
    let error = handle.flush().await.expect_err("there is no room");
    assert!(error.to_string().contains("No space left on device"), "{error}");
    let health = handle.health();
    assert!(health.store.last_error.expect("it failed").transient);
    let reading = PostgresStore::open_read_only(&database.url()).await.expect("it can be read");
    assert_eq!(stored(&reading).await.len(), PEERS as usize, "as it was");

    cluster.free_disk();
    recovered(&handle).await;
    assert_eq!(handle.health().dirty_peers, 0);
    service.shutdown().await.expect("it stops");
    let peers = reading.peers(&OURS, None, 1_000_000).await.expect("the peers");
    assert_eq!(peers.len(), MANY as usize);
}
