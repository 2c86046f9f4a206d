//! `NodeMonitor` with real ldk-nodes.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]
#![cfg(feature = "ldk-node")]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_core::{Event, NodeId, Presence};
use fitness_ldk::{ConnectionHint, NodeMonitor, convert};
use fitness_regtest::Chain;
use fitness_store::MemoryStore;
use ldk_node::bitcoin::Network;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::{Builder, Node};
use tempfile::TempDir;

/// Longer than any test runs: changes can only be noticed through the hint.
const NEVER: Duration = Duration::from_secs(3600);

struct TestNode {
    node: Arc<Node>,
    hint: Arc<ConnectionHint>,
    _dir: TempDir,
}

impl TestNode {
    /// Builds a node without starting it. Like every call to ldk-node, this must run in
    /// `spawn_blocking`.
    fn new(chain: &Chain, seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free_addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let hint = ConnectionHint::new();
        let mut builder = Builder::new();
        builder
            .set_network(Network::Regtest)
            .set_entropy_seed_bytes([seed; 64])
            .set_storage_dir_path(dir.path().display().to_string())
            .set_chain_source_bitcoind_rpc(
                chain.rpc_host(),
                chain.rpc_port(),
                chain.rpc_user(),
                chain.rpc_password(),
            )
            .set_custom_logger(hint.clone());
        builder.set_listening_addresses(vec![SocketAddress::from(free_addr)]).unwrap();
        Self { node: Arc::new(builder.build().unwrap()), hint, _dir: dir }
    }

    fn node_id(&self) -> NodeId {
        convert::node_id(&self.node.node_id())
    }

    fn address(&self) -> SocketAddress {
        self.node.listening_addresses().unwrap().remove(0)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn node_pair() -> (Chain, TestNode, TestNode) {
    blocking(|| {
        let chain = Chain::start().unwrap();
        let (a, b) = (TestNode::new(&chain, 1), TestNode::new(&chain, 2));
        (chain, a, b)
    })
    .await
}

async fn start(node: &TestNode) {
    let node = Arc::clone(&node.node);
    blocking(move || node.start().unwrap()).await;
}

async fn stop(node: &TestNode) {
    let node = Arc::clone(&node.node);
    blocking(move || node.stop().unwrap()).await;
}

async fn connect(from: &TestNode, to: &TestNode, persist: bool) {
    let (node, key, address) = (Arc::clone(&from.node), to.node.node_id(), to.address());
    blocking(move || node.connect(key, address, persist).unwrap()).await;
}

/// Starts a service that watches one peer.
async fn service_watching(observer: NodeId, peer: NodeId) -> (Service, Handle) {
    let service = Service::builder(observer, Arc::new(MemoryStore::default())).start().await.unwrap();
    let handle = service.handle();
    handle.record(Event::Watch { node_id: peer });
    (service, handle)
}

#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..6_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{caller}: condition was not met within 30 s");
    }
}

/// `ConnectionHint` recognises messages of LDK's log. This test fails if LDK words them differently.
#[tokio::test(flavor = "multi_thread")]
async fn hint_notices_connects_and_disconnects() {
    let (_chain, a, b) = node_pair().await;
    start(&a).await;
    start(&b).await;
    let (service, handle) = service_watching(a.node_id(), b.node_id()).await;
    let presence = || handle.peer(&b.node_id()).unwrap().presence;
    let monitor = NodeMonitor::builder(&a.node, handle.clone()).poll_interval(NEVER).hint(&a.hint);
    let monitor = monitor.start().unwrap();
    wait_until(|| presence() == Presence::Offline).await;

    connect(&a, &b, false).await;
    wait_until(|| presence() == Presence::Online).await;

    let (node, key) = (Arc::clone(&b.node), a.node.node_id());
    blocking(move || node.disconnect(key).unwrap()).await;
    wait_until(|| presence() == Presence::Offline).await;

    connect(&b, &a, false).await;
    wait_until(|| presence() == Presence::Online).await;
    let peer = handle.peer(&b.node_id()).unwrap();
    assert_eq!((peer.flap_count, peer.disconnects), (3, 1));
    monitor.stop().await;
    service.shutdown().await.unwrap();
    stop(&a).await;
    stop(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_not_charged_when_the_node_stops() {
    let (_chain, a, b) = node_pair().await;
    start(&b).await;
    let (service, handle) = service_watching(a.node_id(), b.node_id()).await;
    let peer = || handle.peer(&b.node_id()).unwrap();
    let monitor = NodeMonitor::builder(&a.node, handle.clone()).poll_interval(Duration::from_millis(20));
    let monitor = monitor.hint(&a.hint).start().unwrap();
    wait_until(|| handle.health().paused).await;

    start(&a).await;
    connect(&a, &b, true).await;
    wait_until(|| peer().presence == Presence::Online).await;
    let disconnects = peer().disconnects;
    stop(&a).await;
    wait_until(|| peer().presence == Presence::Unobserved).await;
    assert_eq!(peer().disconnects, disconnects);

    start(&a).await;
    wait_until(|| peer().presence == Presence::Online).await;
    assert_eq!(peer().disconnects, disconnects);

    // The monitor does not keep the node alive.
    let weak = Arc::downgrade(&a.node);
    blocking(move || drop(a)).await;
    wait_until(|| weak.upgrade().is_none() && handle.health().paused).await;
    monitor.stop().await;
    service.shutdown().await.unwrap();
    stop(&b).await;
}
