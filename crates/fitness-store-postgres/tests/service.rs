//! A service recovers on its own from killed servers, lost connections, a failover and a full disk. No
//! acknowledged change is lost, and none is stored twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fitness_actor::{FlushError, Handle, Service};
use fitness_core::{ChannelId, ChannelOpened, Event, LogEntry, NodeId, TrackerConfig};
use fitness_pgtest::{Cluster, NEEDS_POSTGRESQL, OWNER};
use fitness_store::{Store, StoreError};
use fitness_store_postgres::PostgresStore;

const OBSERVER: NodeId = NodeId([3; 33]);
const PEERS: u32 = 30;

fn node(number: u32) -> NodeId {
    let mut bytes = [2; 33];
    bytes[1..5].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

fn channel_opened(number: u32) -> Event {
    let mut channel_id = ChannelId([9; 32]);
    channel_id.0[..4].copy_from_slice(&number.to_be_bytes());
    Event::ChannelOpened(ChannelOpened {
        channel_id,
        node_id: node(number),
        funding: None,
        online: Some(true),
    })
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url).await.expect("successful open")
}

async fn open_read_only(url: &str) -> PostgresStore {
    PostgresStore::open_read_only(url).await.expect("successful open")
}

/// Starts a service that commits at once and retries soon. Its stall check and its network outage rule never
/// take effect.
async fn start_service(store: PostgresStore) -> Service {
    Service::builder(OBSERVER, Arc::new(store))
        .tracker(TrackerConfig::default().with_network_outage_rule(None))
        .commit_delay(Duration::from_millis(5))
        .retry_backoff(Duration::from_millis(20), Duration::from_millis(200))
        .stall_check_interval(Duration::from_secs(3600))
        .shutdown_timeout(Duration::from_secs(60))
        .start()
        .await
        .expect("successful start")
}

/// Returns the stored number of disconnects of each peer.
async fn stored_disconnects(store: &PostgresStore) -> BTreeMap<NodeId, u32> {
    let peers = store.peers(&OBSERVER, None, 1_000_000).await.expect("successful read");
    peers.into_iter().map(|peer| (peer.node_id, peer.disconnects)).collect()
}

/// Returns the same after the last commit, and checks that each log contains each entry exactly once.
async fn final_disconnects(store: &PostgresStore) -> BTreeMap<NodeId, u32> {
    for peer in store.peers(&OBSERVER, None, 1_000_000).await.expect("successful read") {
        let segments = store.segments(&OBSERVER, &peer.node_id, 0, 1_000).await.expect("successful read");
        let entries: Vec<LogEntry> = segments.into_iter().flat_map(|segment| segment.entries).collect();
        assert_eq!(entries.len(), peer.log_end as usize, "an entry is missing or stored twice");
        assert!(entries.windows(2).all(|two| two[0].at_ns() < two[1].at_ns()), "an entry is stored twice");
    }
    stored_disconnects(store).await
}

/// A task that disconnects and reconnects random peers all the time.
struct Traffic {
    handle: Handle,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Traffic {
    fn start(handle: Handle) -> Self {
        for number in 0..PEERS {
            handle.record(channel_opened(number));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (recorder, stopped) = (handle.clone(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(7);
            while !stopped.load(Ordering::SeqCst) {
                let node_id = node(random.u32(..PEERS));
                recorder.record(Event::PeerOffline { node_id });
                recorder.record(Event::PeerOnline { node_id });
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Self { handle, stop, task }
    }

    /// Returns the number of disconnects of each peer so far.
    fn disconnects(&self) -> BTreeMap<NodeId, u32> {
        self.handle.peers().iter().map(|report| (report.node_id, report.disconnects)).collect()
    }

    /// Stops the task and returns the final number of disconnects of each peer.
    async fn stop(self) -> BTreeMap<NodeId, u32> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("no panic");
        self.handle.peers().iter().map(|report| (report.node_id, report.disconnects)).collect()
    }
}

/// Waits until the service has committed everything that was recorded before this call.
async fn wait_until_recovered(handle: &Handle) {
    for _ in 0..3_000 {
        if handle.flush().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no recovery within a minute: {:?}", handle.health().store.last_error);
}

async fn wait_for_failures(handle: &Handle, failures: u64) {
    for _ in 0..3_000 {
        if handle.health().store.failures >= failures {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no failure within a minute: {:?}", handle.health().store);
}

fn assert_nothing_lost(acknowledged: &BTreeMap<NodeId, u32>, stored: &BTreeMap<NodeId, u32>) {
    for (node_id, disconnects) in acknowledged {
        assert!(stored[node_id] >= *disconnects, "an acknowledged disconnect of {node_id} is lost");
    }
}

/// Ends a server in each of these ways during commits, and checks what is stored after a restart.
async fn check_recovery(ways_to_end: impl IntoIterator<Item = fn(&Cluster)>) {
    let cluster =
        Cluster::builder().config_setting("restart_after_crash", "off").start().expect(NEEDS_POSTGRESQL);
    let database = cluster.create_database();
    let service = start_service(open(&database.url()).await).await;
    let traffic = Traffic::start(service.handle());
    for end in ways_to_end {
        wait_until_recovered(&traffic.handle).await;
        let failures = traffic.handle.health().store.failures;
        let acknowledged = traffic.disconnects();
        traffic.handle.flush().await.expect("successful flush");
        // The traffic goes on, so further commits are in progress.
        end(&cluster);
        wait_for_failures(&traffic.handle, failures + 1).await;
        cluster.restart();
        let reader = open_read_only(&database.url()).await;
        assert_nothing_lost(&acknowledged, &stored_disconnects(&reader).await);
    }
    let handle = traffic.handle.clone();
    wait_until_recovered(&handle).await;
    let expected = traffic.stop().await;
    service.shutdown().await.expect("successful shutdown");
    let reader = open_read_only(&database.url()).await;
    assert_eq!(final_disconnects(&reader).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn killed_server_loses_no_acknowledged_change() {
    check_recovery([Cluster::kill, Cluster::kill, Cluster::kill] as [fn(&Cluster); 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn stopped_server_loses_no_acknowledged_change() {
    check_recovery([Cluster::stop_immediate, Cluster::stop, Cluster::stop_immediate] as [fn(&Cluster); 3])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn terminated_connections_lose_no_change() {
    let cluster = Cluster::start().expect(NEEDS_POSTGRESQL);
    let database = cluster.create_database();
    let service = start_service(open(&database.url()).await).await;
    let traffic = Traffic::start(service.handle());
    wait_until_recovered(&traffic.handle).await;
    for _ in 0..40 {
        database.terminate_connections();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let handle = traffic.handle.clone();
    wait_until_recovered(&handle).await;
    let expected = traffic.stop().await;
    service.shutdown().await.expect("successful shutdown");
    let reader = open_read_only(&database.url()).await;
    assert_eq!(final_disconnects(&reader).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn failover_to_synchronous_standby_loses_no_acknowledged_change() {
    let primary = Cluster::start().expect(NEEDS_POSTGRESQL);
    let database = primary.create_database();
    let standby = primary.start_standby();
    let (primary_port, standby_port) = (primary.port(), standby.port());
    // The standby comes first in the URL and is skipped until it accepts writes.
    let hosts = format!(":{standby_port},127.0.0.1:{primary_port}/");
    let url = database.url().replace(&format!(":{primary_port}/"), &hosts);
    let service = start_service(open(&url).await).await;
    let traffic = Traffic::start(service.handle());
    wait_until_recovered(&traffic.handle).await;

    // The standby can be read once it has replayed the creation of the tables.
    let reader = loop {
        match PostgresStore::open_read_only(&database.url_for(OWNER, standby_port)).await {
            Ok(reader) => break reader,
            Err(StoreError::OpenFailed { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other}"),
        }
    };
    let acknowledged = traffic.disconnects();
    traffic.handle.flush().await.expect("successful flush");
    let failures = traffic.handle.health().store.failures;
    primary.kill();
    wait_for_failures(&traffic.handle, failures + 1).await;
    standby.promote();
    let handle = traffic.handle.clone();
    wait_until_recovered(&handle).await;
    assert_nothing_lost(&acknowledged, &stored_disconnects(&reader).await);
    // The service has claimed its observer on the new primary.
    let second =
        PostgresStore::builder(&url).claim_timeout(Duration::ZERO).open().await.expect("successful open");
    let error = second.claim(&OBSERVER).await.expect_err("the service has the claim");
    assert!(matches!(error, StoreError::Claimed { .. }), "{error}");
    let expected = traffic.stop().await;
    service.shutdown().await.expect("successful shutdown");
    assert_eq!(final_disconnects(&reader).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql) and root"]
async fn full_disk_loses_no_change() {
    const MANY_PEERS: u32 = 40_000;
    let cluster = Cluster::builder().disk_size_mb(160).start().expect(NEEDS_POSTGRESQL);
    let database = cluster.create_database();
    let service = start_service(open(&database.url()).await).await;
    let handle = service.handle();
    for number in 0..PEERS {
        handle.record(channel_opened(number));
    }
    wait_until_recovered(&handle).await;
    cluster.fill_disk();
    for number in 0..MANY_PEERS {
        handle.record(channel_opened(number));
    }
    let error = handle.flush().await.expect_err("the disk is full");
    let FlushError::Store { source } = error else { panic!("unexpected error: {error}") };
    assert!(source.to_string().contains("No space left on device"), "{source}");
    let health = handle.health();
    assert!(health.store.last_error.expect("an error").transient);
    let reader = open_read_only(&database.url()).await;
    assert_eq!(stored_disconnects(&reader).await.len(), PEERS as usize, "a failed commit stored something");

    cluster.free_disk();
    wait_until_recovered(&handle).await;
    assert_eq!(handle.health().dirty_peers, 0);
    service.shutdown().await.expect("successful shutdown");
    let peers = reader.peers(&OBSERVER, None, 1_000_000).await.expect("successful read");
    assert_eq!(peers.len(), MANY_PEERS as usize);
}
