//! Failed attempts: each kind of server at the address of a node has its own outcome.

use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::Presence;
use fitness_regtest::{ChainlessNode, Proxy};
use fitness_watch::{
    Backoff, Chain, ConnectPhase, Identity, Network, Outcome, OutcomeKind, Target, Timeouts,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Long timeouts, except for the handshake.
fn short_handshake_timeout() -> Timeouts {
    Timeouts { handshake: Duration::from_millis(300), ..long_timeouts() }
}

/// A long delay, because a node may be slow to close a connection.
fn long_last_byte_delay() -> Timeouts {
    Timeouts { last_byte_delay: Duration::from_millis(500), ..long_timeouts() }
}

#[tokio::test]
async fn a_refused_connection_means_offline() {
    let (service, node, refusing) = (service().await, node(1), RefusingAddr::new());
    let watcher = builder(&service.handle(), target_at(&node, refusing.addr)).start().unwrap();
    assert_eq!(next_attempt(&mut watcher.events()).await.outcome, Outcome::ConnectionRefused);
    wait_until("the node to be offline", || presence(&service.handle(), id(&node)) == Presence::Offline)
        .await;
    assert_eq!(only_report(&watcher).last_attempt.unwrap().outcome, Outcome::ConnectionRefused);
}

#[tokio::test]
async fn a_stream_from_the_builder_includes_the_first_attempt() {
    let (service, node, refusing) = (service().await, node(1), RefusingAddr::new());
    let builder = builder(&service.handle(), target_at(&node, refusing.addr));
    let mut events = builder.events();
    let watcher = builder.start().unwrap();
    wait_until("the first attempt to finish", || only_report(&watcher).last_attempt.is_some()).await;
    let first = next_attempt(&mut events).await;
    watcher.stop().await;
    assert_eq!(first.outcome, Outcome::ConnectionRefused);
}

#[tokio::test]
async fn a_silent_server_times_out_in_the_handshake() {
    let (service, node, silent) = (service().await, node(1), Server::start(discard).await);
    let watcher =
        |handle: &Handle| builder(handle, target_at(&node, silent.addr)).timeouts(short_handshake_timeout());
    let running = watcher(&service.handle()).start().unwrap();
    let attempt = next_attempt(&mut running.events()).await;
    assert_eq!(attempt.outcome, Outcome::TimedOut { phase: ConnectPhase::Handshake });
    assert!(attempt.duration >= short_handshake_timeout().handshake);
    assert_eq!(presence_after_attempts(watcher, &node).await, OFFLINE_IF_NETWORK_UP);
}

#[tokio::test]
async fn a_node_behind_a_black_hole_times_out_in_the_handshake() {
    let (service, node) = (service().await, node(1));
    let proxy = Proxy::start(node.addr()).unwrap();
    proxy.black_hole();
    let outcome = first_outcome(
        builder(&service.handle(), target_at(&node, proxy.addr())).timeouts(short_handshake_timeout()),
    )
    .await;
    assert_eq!(outcome, Outcome::TimedOut { phase: ConnectPhase::Handshake });
    assert_eq!(node.accepted_connections(), 0);
}

#[tokio::test]
async fn a_reply_that_is_not_bolt8_is_not_lightning() {
    // A reply longer than 50 bytes, a shorter one, and one with the right length and a wrong version. After
    // each of them the server keeps the connection open or closes it.
    let mut invalid_act_two = vec![0; 50];
    invalid_act_two[1] = 2;
    let replies = [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        invalid_act_two,
    ];
    for (reply, stays_open) in
        replies.iter().flat_map(|reply| [(reply.clone(), true), (reply.clone(), false)])
    {
        let sent = reply.clone();
        let server = Server::start(move |mut stream| {
            let reply = reply.clone();
            async move {
                let _ = stream.write_all(&reply).await;
                if stays_open {
                    discard(stream).await;
                }
            }
        })
        .await;
        let (service, node) = (service().await, node(1));
        let watcher = |handle: &Handle| builder(handle, target_at(&node, server.addr));
        let outcome = first_outcome(watcher(&service.handle())).await;
        assert_eq!(outcome, Outcome::NotLightning, "{sent:?}, stays open: {stays_open}");
        assert_eq!(presence_after_attempts(watcher, &node).await, OFFLINE_IF_NETWORK_UP);
    }
}

#[tokio::test]
async fn a_connection_closed_within_the_reply_is_closed_during_handshake() {
    let server = Server::start(|mut stream| async move {
        let mut act_one = [0; 50];
        let _ = stream.read_exact(&mut act_one).await;
        let _ = stream.write_all(&[0; 20]).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let outcome = first_outcome(builder(&service.handle(), target_at(&node, server.addr))).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn a_server_that_closes_at_once_is_dialled_twice() {
    let (service, node) = (service().await, node(1));
    let server = Server::start(|stream| async { drop(stream) }).await;
    let watcher = |handle: &Handle| builder(handle, target_at(&node, server.addr));
    // The delay before a third dial never ends.
    let once = Backoff { min: Duration::MAX, max: Duration::MAX, ..SHORT_BACKOFF };
    assert_eq!(first_outcome(watcher(&service.handle()).backoff(once)).await, Outcome::ClosedDuringHandshake);
    assert_eq!(server.accepted(), 2);
    assert_eq!(presence_after_attempts(watcher, &node).await, OFFLINE_IF_NETWORK_UP);
}

#[tokio::test]
async fn a_server_that_closes_before_the_last_byte_is_not_a_wrong_key() {
    let server = Server::start(|stream: TcpStream| async move {
        let _ = tokio::time::timeout(Duration::from_millis(50), discard(stream)).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let timeouts = Timeouts { last_byte_delay: long_timeouts().handshake, ..long_timeouts() };
    let outcome =
        first_outcome(builder(&service.handle(), target_at(&node, server.addr)).timeouts(timeouts)).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn a_server_that_closes_long_after_the_last_byte_is_not_a_wrong_key() {
    // The server closes the connection long after the delayed last byte was sent.
    let open_for = 10 * long_timeouts().last_byte_delay;
    let server = Server::start(move |stream: TcpStream| async move {
        let _ = tokio::time::timeout(open_for, discard(stream)).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let outcome = first_outcome(builder(&service.handle(), target_at(&node, server.addr))).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn another_node_at_the_address_is_a_wrong_key_and_means_offline() {
    let (service, node, other) = (service().await, node(1), node(2));
    let watcher = builder(&service.handle(), target_at(&node, other.addr()))
        .timeouts(long_last_byte_delay())
        .start()
        .unwrap();
    let mut events = watcher.events();
    for _ in 0..3 {
        assert_eq!(next_attempt(&mut events).await.outcome, Outcome::WrongKey);
    }
    // Only the first attempt dials twice. The next attempt may have begun.
    assert!((4..=5).contains(&other.accepted_connections()), "{} connections", other.accepted_connections());
    assert_eq!(node.accepted_connections(), 0);
    wait_until("the node to be offline", || presence(&service.handle(), id(&node)) == Presence::Offline)
        .await;
}

#[tokio::test]
async fn the_expected_node_connects_after_a_wrong_key() {
    let (service, node, other) = (service().await, node(1), node(2));
    let addr = other.addr();
    let watcher =
        builder(&service.handle(), target_at(&node, addr)).timeouts(long_last_byte_delay()).start().unwrap();
    let mut events = watcher.events();
    assert_eq!(next_attempt(&mut events).await.outcome, Outcome::WrongKey);
    drop(other);
    let _expected = ChainlessNode::start_at(addr, [1; 32], Network::Regtest).unwrap();
    // The delayed byte does not disturb the expected node.
    until_connected(&mut events).await;
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
}

#[tokio::test]
async fn a_node_on_another_network_is_neither_online_nor_offline() {
    let service = service().await;
    let node = ChainlessNode::start([1; 32], Network::Signet).unwrap();
    let chains = vec![Chain::from(Network::Signet)];
    let watcher = builder(&service.handle(), target(&node)).network(Network::Regtest).start().unwrap();
    let outcome = next_attempt(&mut watcher.events()).await.outcome;
    assert_eq!(outcome, Outcome::WrongNetwork { chains: chains.clone() });
    assert_eq!(only_report(&watcher).chains, chains);
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved);
    watcher.stop().await;

    for network in [Some(Network::Signet), None] {
        let mut builder = builder(&service.handle(), target(&node));
        if let Some(network) = network {
            builder = builder.network(network);
        }
        let watcher = builder.start().unwrap();
        until_connected(&mut watcher.events()).await;
        assert_eq!(only_report(&watcher).chains, chains);
        watcher.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_was_reached_at_one_address_is_not_offline() {
    let (service, refusing) = (service().await, RefusingAddr::new());
    let node = ChainlessNode::start([1; 32], Network::Signet).unwrap();
    for addresses in [[node.addr(), refusing.addr], [refusing.addr, node.addr()]] {
        let target = Target::new(id(&node), addresses.map(Into::into)).unwrap();
        let watcher = builder(&service.handle(), target).network(Network::Regtest).start().unwrap();
        let mut events = watcher.events();
        // One attempt at each address, and the first attempt of the next round.
        let mut kinds = Vec::new();
        for _ in 0..3 {
            kinds.push(next_attempt(&mut events).await.outcome.kind());
        }
        assert!(
            kinds.contains(&OutcomeKind::WrongNetwork) && kinds.contains(&OutcomeKind::ConnectionRefused)
        );
        assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved, "{kinds:?}");
        watcher.stop().await;
    }
}

#[tokio::test]
async fn a_rejected_connection_does_not_change_the_presence() {
    let (one, two, node) = (service().await, service().await, node(1));
    let identity = || Identity::from_seed(&[9; 32]).unwrap();
    let accepted = builder(&one.handle(), target(&node)).identity(identity()).start().unwrap();
    until_connected(&mut accepted.events()).await;
    // A node accepts only one connection from each node id.
    let outcome = first_outcome(builder(&two.handle(), target(&node)).identity(identity())).await;
    assert_eq!(outcome, Outcome::RejectedByPeer);
    assert_eq!(presence(&two.handle(), id(&node)), Presence::Unobserved);
    assert_eq!(presence(&one.handle(), id(&node)), Presence::Online);
}

#[tokio::test]
async fn a_host_name_that_does_not_resolve_does_not_change_the_presence() {
    let (service, node) = (service().await, node(1));
    // A label has at most 63 characters, so every resolver rejects this name without a query.
    let name = format!("{}.example:9735", "a".repeat(64)).parse().unwrap();
    let target = Target::new(id(&node), [name]).unwrap();
    let watcher = builder(&service.handle(), target).start().unwrap();
    let mut events = watcher.events();
    for _ in 0..3 {
        let outcome = next_attempt(&mut events).await.outcome;
        assert_eq!(outcome.kind(), OutcomeKind::ResolveFailed, "{outcome:?}");
    }
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved);
}

/// A port whose accept queue is full: the kernel drops further connection requests without a reply.
#[cfg(target_os = "linux")]
struct UnresponsivePort {
    addr: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
impl UnresponsivePort {
    async fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let (addr, mut queued) = (listener.local_addr().unwrap(), Vec::new());
        let wait = Duration::from_millis(200);
        while let Ok(stream) = tokio::time::timeout(wait, TcpStream::connect(addr)).await {
            queued.push(stream.unwrap());
        }
        Self { addr, _listener: listener, _queued: queued }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unresponsive_port_times_out_in_the_connect_phase() {
    let (service, node, port) = (service().await, node(1), UnresponsivePort::new().await);
    let timeouts = Timeouts { connect: Duration::from_millis(200), ..long_timeouts() };
    let watcher = |handle: &Handle| builder(handle, target_at(&node, port.addr)).timeouts(timeouts);
    let outcome = first_outcome(watcher(&service.handle())).await;
    assert_eq!(outcome, Outcome::TimedOut { phase: ConnectPhase::Connect });
    assert_eq!(presence_after_attempts(watcher, &node).await, OFFLINE_IF_NETWORK_UP);
}
