//! A service, a watcher that does not dawdle, and what else may listen at an address.

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

/// For what has to happen. Machines that build and test at once are slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const QUICK: Backoff = Backoff {
    min: Duration::from_millis(10),
    max: Duration::from_millis(50),
    reset_after: Duration::from_secs(60),
};

/// Long where something is waited for that happens, short where it does not.
pub(crate) fn patient() -> Timeouts {
    Timeouts {
        resolve: PATIENCE,
        connect: PATIENCE,
        proxy: PATIENCE,
        handshake: PATIENCE,
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
    at(node, node.addr())
}

/// A node, where it may not be.
pub(crate) fn at(node: &ChainlessNode, addr: impl Into<Address>) -> Target {
    Target::new(id(node), [addr.into()]).unwrap()
}

pub(crate) fn builder(handle: &Handle, target: Target) -> WatcherBuilder {
    // LDK's own timeout for handshakes comes with its pings.
    let ping = PATIENCE;
    Watcher::builder(handle.clone()).targets([target]).backoff(QUICK).timeouts(patient()).ping_interval(ping)
}

pub(crate) fn presence(handle: &Handle, node_id: NodeId) -> Presence {
    handle.peer(&node_id).expect("it is watched").presence
}

pub(crate) fn only(watcher: &Watcher) -> TargetReport {
    let [report] = &watcher.targets()[..] else { panic!("one target") };
    report.clone()
}

pub(crate) async fn next(news: &mut WatchEvents) -> WatchEvent {
    within_patience("news", news.next()).await.expect("it goes on").expect("nothing is missed")
}

/// The next attempt. Nothing else happens before it.
pub(crate) async fn next_attempt(news: &mut WatchEvents) -> Attempt {
    match next(news).await {
        WatchEvent::Dialled { attempt, .. } => attempt,
        other => panic!("an attempt was due, and not {other:?}"),
    }
}

/// The next attempt at one of several nodes.
pub(crate) async fn next_attempt_at(news: &mut WatchEvents, node: &ChainlessNode) -> Attempt {
    loop {
        match next(news).await {
            WatchEvent::Dialled { attempt, node_id, .. } if node_id == id(node) => return attempt,
            _ => {}
        }
    }
}

/// What is believed of a node after an attempt at it: without anybody else, and while another is there.
pub(crate) async fn means(alone: impl Fn(&Handle) -> WatcherBuilder, node: &ChainlessNode) -> [Presence; 2] {
    let (service, other) = (service().await, self::node(200));
    let handle = service.handle();
    let mut believed = [Presence::Unobserved; 2];
    for (i, believed) in believed.iter_mut().enumerate() {
        let watcher = match i {
            0 => alone(&handle),
            _ => alone(&handle).targets([target(&other)]),
        }
        .start()
        .unwrap();
        let mut news = watcher.events();
        if i > 0 {
            let greeting = next_attempt_at(&mut news, &other).await.outcome;
            assert!(matches!(greeting, Outcome::Connected(_)), "{greeting:?}");
        }
        // One attempt may have been under way, and what one means is said before the next.
        for _ in 0..3 {
            next_attempt_at(&mut news, node).await;
        }
        *believed = presence(&handle, id(node));
        watcher.stop().await;
    }
    believed
}

/// It does not count unless our network is known to work.
pub(crate) const DOUBTFUL: [Presence; 2] = [Presence::Unobserved, Presence::Offline];

/// The next loss, and what the attempts before it came to.
pub(crate) async fn next_loss(news: &mut WatchEvents) -> (Vec<Outcome>, DisconnectReason) {
    let mut outcomes = Vec::new();
    loop {
        match next(news).await {
            WatchEvent::Dialled { attempt, .. } => outcomes.push(attempt.outcome),
            WatchEvent::Disconnected { reason: parting, .. } => return (outcomes, parting),
            other => panic!("what is {other:?}?"),
        }
    }
}

/// What the attempts that fail come to, until one does not.
pub(crate) async fn until_connected(news: &mut WatchEvents) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    loop {
        match next_attempt(news).await.outcome {
            Outcome::Connected(_) => return outcomes,
            outcome => outcomes.push(outcome),
        }
    }
}

/// What the first attempt comes to.
pub(crate) async fn first_outcome(builder: WatcherBuilder) -> Outcome {
    let watcher = builder.start().unwrap();
    let outcome = next_attempt(&mut watcher.events()).await.outcome;
    watcher.stop().await;
    outcome
}

pub(crate) async fn within_patience<T>(awaited: &str, future: impl Future<Output = T>) -> T {
    let Ok(result) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("waited in vain for {awaited}");
    };
    result
}

/// Looks again and again.
pub(crate) async fn until(awaited: &str, mut so: impl FnMut() -> bool) {
    let looks = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within_patience(awaited, looks).await;
}

/// An address at which nobody listens, and nobody will: its port is taken, by a socket that does not.
pub(crate) struct Nobody {
    _socket: TcpSocket,
    pub(crate) addr: SocketAddr,
}

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { addr: socket.local_addr().unwrap(), _socket: socket }
    }
}

/// A listener that treats everybody in one way.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    live: Arc<Live>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Live {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Server {
    pub(crate) async fn start<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, live) = (listener.local_addr().unwrap(), Arc::<Live>::default());
        let counter = Arc::clone(&live);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (treatment, counter) = (treat(stream), Arc::clone(&counter));
                counter.all.fetch_add(1, Ordering::SeqCst);
                let now = counter.now.fetch_add(1, Ordering::SeqCst) + 1;
                counter.most.fetch_max(now, Ordering::SeqCst);
                tokio::spawn(async move {
                    treatment.await;
                    counter.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, live, task }
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.live.all.load(Ordering::SeqCst)
    }

    /// How many of them there were at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.live.most.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads until the other side has enough.
pub(crate) async fn swallow(mut stream: TcpStream) {
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
