//! A service, a watcher with short delays, and servers for an address that a node may not be at.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_core::{NodeId, Presence};
use fitness_ldk::convert;
use fitness_regtest::ChainlessNode;
use fitness_store::MemoryStore;
use fitness_watch::{
    Address, Attempt, Backoff, DisconnectReason, Network, Outcome, Target, TargetReport, Timeouts,
    WatchEvent, WatchEvents, Watcher, WatcherBuilder,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// The timeout for something that has to happen. It is long because test machines can be slow.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) const SHORT_BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(10),
    max: Duration::from_millis(50),
    reset_after: Duration::from_secs(60),
};

/// Timeouts that do not expire in a test, and a short delay of the last byte.
pub(crate) fn long_timeouts() -> Timeouts {
    Timeouts {
        resolve: LONG_TIMEOUT,
        connect: LONG_TIMEOUT,
        proxy: LONG_TIMEOUT,
        handshake: LONG_TIMEOUT,
        last_byte_delay: Duration::from_millis(100),
    }
}

pub(crate) async fn service() -> Service {
    Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await.unwrap()
}

pub(crate) fn node(seed: u8) -> ChainlessNode {
    ChainlessNode::start([seed; 32], Network::Regtest).unwrap()
}

pub(crate) fn id(node: &ChainlessNode) -> NodeId {
    convert::node_id(&node.id())
}

pub(crate) fn target(node: &ChainlessNode) -> Target {
    target_at(node, node.addr())
}

/// A target with the node's id and any address.
pub(crate) fn target_at(node: &ChainlessNode, addr: impl Into<Address>) -> Target {
    Target::new(id(node), [addr.into()]).unwrap()
}

pub(crate) fn builder(handle: &Handle, target: Target) -> WatcherBuilder {
    Watcher::builder(handle.clone())
        .targets([target])
        .backoff(SHORT_BACKOFF)
        .timeouts(long_timeouts())
        // LDK's timeout for handshakes depends on the ping interval.
        .ping_interval(LONG_TIMEOUT)
}

pub(crate) fn presence(handle: &Handle, node_id: NodeId) -> Presence {
    handle.peer(&node_id).expect("the peer is watched").presence
}

pub(crate) fn only_report(watcher: &Watcher) -> TargetReport {
    let [report] = &watcher.targets()[..] else { panic!("expected one target") };
    report.clone()
}

pub(crate) async fn next_event(events: &mut WatchEvents) -> WatchEvent {
    let event = with_timeout("an event", events.next()).await;
    event.expect("the watcher runs").expect("no event was skipped")
}

/// Returns the next attempt. Fails if another event comes first.
pub(crate) async fn next_attempt(events: &mut WatchEvents) -> Attempt {
    match next_event(events).await {
        WatchEvent::Dialled { attempt, .. } => attempt,
        other => panic!("expected an attempt, got {other:?}"),
    }
}

/// Returns the next attempt to connect to `node`, and ignores events of other nodes.
pub(crate) async fn next_attempt_at(events: &mut WatchEvents, node: &ChainlessNode) -> Attempt {
    loop {
        match next_event(events).await {
            WatchEvent::Dialled { attempt, node_id, .. } if node_id == id(node) => return attempt,
            _ => {}
        }
    }
}

/// Returns the node's presence after failed attempts, first without and then with another connected node.
/// `watcher_of_node` builds a watcher whose only target is the node.
pub(crate) async fn presence_after_attempts(
    watcher_of_node: impl Fn(&Handle) -> WatcherBuilder,
    node: &ChainlessNode,
) -> [Presence; 2] {
    let (service, other) = (service().await, self::node(200));
    let handle = service.handle();
    let mut presences = [Presence::Unobserved; 2];
    for (i, result) in presences.iter_mut().enumerate() {
        let watcher = match i {
            0 => watcher_of_node(&handle),
            _ => watcher_of_node(&handle).targets([target(&other)]),
        }
        .start()
        .unwrap();
        let mut events = watcher.events();
        if i > 0 {
            let outcome = next_attempt_at(&mut events, &other).await.outcome;
            assert!(matches!(outcome, Outcome::Connected(_)), "{outcome:?}");
        }
        // One attempt may have begun before the other node was connected, and the presence is recorded before
        // the next attempt begins.
        for _ in 0..3 {
            next_attempt_at(&mut events, node).await;
        }
        *result = presence(&handle, id(node));
        watcher.stop().await;
    }
    presences
}

/// The presences for an outcome that implies offline only if our network is known to work.
pub(crate) const OFFLINE_IF_NETWORK_UP: [Presence; 2] = [Presence::Unobserved, Presence::Offline];

/// Returns the next disconnect reason, and the outcomes of the attempts before it.
pub(crate) async fn next_disconnect(events: &mut WatchEvents) -> (Vec<Outcome>, DisconnectReason) {
    let mut outcomes = Vec::new();
    loop {
        match next_event(events).await {
            WatchEvent::Dialled { attempt, .. } => outcomes.push(attempt.outcome),
            WatchEvent::Disconnected { reason, .. } => return (outcomes, reason),
            other => panic!("unexpected event {other:?}"),
        }
    }
}

/// Waits until the node is connected, and returns the outcomes of the failed attempts before that.
pub(crate) async fn until_connected(events: &mut WatchEvents) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    loop {
        match next_attempt(events).await.outcome {
            Outcome::Connected(_) => return outcomes,
            outcome => outcomes.push(outcome),
        }
    }
}

/// Starts a watcher and returns the outcome of its first attempt.
pub(crate) async fn first_outcome(builder: WatcherBuilder) -> Outcome {
    let watcher = builder.start().unwrap();
    let outcome = next_attempt(&mut watcher.events()).await.outcome;
    watcher.stop().await;
    outcome
}

async fn with_timeout<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(result) = tokio::time::timeout(LONG_TIMEOUT, future).await else {
        panic!("timed out waiting for {what}");
    };
    result
}

/// Polls until `condition` holds.
pub(crate) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    with_timeout(what, poll).await;
}

/// An address that refuses connections: a socket occupies its port and does not listen.
pub(crate) struct RefusingAddr {
    _socket: TcpSocket,
    pub(crate) addr: SocketAddr,
}

impl RefusingAddr {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { addr: socket.local_addr().unwrap(), _socket: socket }
    }
}

/// A server that runs the same function for each connection.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    counts: Arc<ConnectionCounts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct ConnectionCounts {
    open: AtomicUsize,
    max_open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Server {
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, counts) = (listener.local_addr().unwrap(), Arc::<ConnectionCounts>::default());
        let task_counts = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, counts) = (serve(stream), Arc::clone(&task_counts));
                counts.accepted.fetch_add(1, Ordering::SeqCst);
                let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
                counts.max_open.fetch_max(open, Ordering::SeqCst);
                tokio::spawn(async move {
                    serving.await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, counts, task }
    }

    /// The number of accepted connections.
    pub(crate) fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// The largest number of connections that were open at the same time.
    pub(crate) fn max_open(&self) -> usize {
        self.counts.max_open.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads and discards until the other side closes the connection.
pub(crate) async fn discard(mut stream: TcpStream) {
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
