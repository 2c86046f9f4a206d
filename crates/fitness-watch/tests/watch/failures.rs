//! Everything that can be at an address instead of the node, each told from the others.

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

/// Patient with everything but the handshake.
fn hasty() -> Timeouts {
    Timeouts { handshake: Duration::from_millis(300), ..patient() }
}

/// A node that hangs up may take its time for that.
fn unhurried() -> Timeouts {
    Timeouts { last_byte_delay: Duration::from_millis(500), ..patient() }
}

#[tokio::test]
async fn nobody_listens() {
    let (service, node, nobody) = (service().await, node(1), Nobody::new());
    let watcher = builder(&service.handle(), at(&node, nobody.addr)).start().unwrap();
    assert_eq!(next_attempt(&mut watcher.events()).await.outcome, Outcome::ConnectionRefused);
    until("what that means", || presence(&service.handle(), id(&node)) == Presence::Offline).await;
    assert_eq!(only(&watcher).last_attempt.unwrap().outcome, Outcome::ConnectionRefused);
}

/// Whoever asks the builder for news hears of what happens before anybody could have asked the watcher.
#[tokio::test]
async fn the_very_first_attempt_is_news() {
    let (service, node, nobody) = (service().await, node(1), Nobody::new());
    let builder = builder(&service.handle(), at(&node, nobody.addr));
    let mut news = builder.events();
    let watcher = builder.start().unwrap();
    until("an attempt", || only(&watcher).last_attempt.is_some()).await;
    let first = next_attempt(&mut news).await;
    watcher.stop().await;
    assert_eq!(first.outcome, Outcome::ConnectionRefused);
}

#[tokio::test]
async fn somebody_listens_and_says_nothing() {
    let (service, node, silent) = (service().await, node(1), Server::start(swallow).await);
    let watcher = |handle: &Handle| builder(handle, at(&node, silent.addr)).timeouts(hasty());
    let running = watcher(&service.handle()).start().unwrap();
    let attempt = next_attempt(&mut running.events()).await;
    assert_eq!(attempt.outcome, Outcome::TimedOut { phase: ConnectPhase::Handshake });
    assert!(attempt.duration >= hasty().handshake);
    assert_eq!(means(watcher, &node).await, DOUBTFUL);
}

#[tokio::test]
async fn a_node_behind_a_black_hole_says_nothing_either() {
    let (service, node) = (service().await, node(1));
    let way = Proxy::start(node.addr()).unwrap();
    way.black_hole();
    let outcome = first_outcome(builder(&service.handle(), at(&node, way.addr())).timeouts(hasty())).await;
    assert_eq!(outcome, Outcome::TimedOut { phase: ConnectPhase::Handshake });
    assert_eq!(node.accepted_connections(), 0);
}

#[tokio::test]
async fn something_else_answers() {
    // In full, in part and then no more, in part and then its end; and what looks like an answer.
    let mut looks_right = vec![0; 50];
    looks_right[1] = 2;
    let answers = [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        looks_right,
    ];
    for (answer, stays) in answers.iter().flat_map(|answer| [(answer.clone(), true), (answer.clone(), false)])
    {
        let said = answer.clone();
        let server = Server::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(&answer).await;
                if stays {
                    swallow(stream).await;
                }
            }
        })
        .await;
        let (service, node) = (service().await, node(1));
        let watcher = |handle: &Handle| builder(handle, at(&node, server.addr));
        let outcome = first_outcome(watcher(&service.handle())).await;
        assert_eq!(outcome, Outcome::NotLightning, "{said:?}, stays: {stays}");
        assert_eq!(means(watcher, &node).await, DOUBTFUL);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let server = Server::start(|mut stream| async move {
        let mut act_one = [0; 50];
        let _ = stream.read_exact(&mut act_one).await;
        let _ = stream.write_all(&[0; 20]).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let outcome = first_outcome(builder(&service.handle(), at(&node, server.addr))).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn somebody_hangs_up_at_once() {
    let (service, node) = (service().await, node(1));
    let server = Server::start(|stream| async { drop(stream) }).await;
    let watcher = |handle: &Handle| builder(handle, at(&node, server.addr));
    // Without an end to its first wait.
    let once = Backoff { min: Duration::MAX, max: Duration::MAX, ..QUICK };
    assert_eq!(first_outcome(watcher(&service.handle()).backoff(once)).await, Outcome::ClosedDuringHandshake);
    assert_eq!(server.accepted(), 2, "asked twice");
    assert_eq!(means(watcher, &node).await, DOUBTFUL);
}

#[tokio::test]
async fn somebody_hangs_up_without_waiting_for_the_last_byte() {
    let server = Server::start(|stream: TcpStream| async move {
        let _ = tokio::time::timeout(Duration::from_millis(50), swallow(stream)).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let timeouts = Timeouts { last_byte_delay: patient().handshake, ..patient() };
    let outcome = first_outcome(builder(&service.handle(), at(&node, server.addr)).timeouts(timeouts)).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn somebody_hangs_up_after_a_while_whatever_we_say() {
    // After the last byte was held back for its time, and long after that time has passed once more.
    let patience = 10 * patient().last_byte_delay;
    let server = Server::start(move |stream: TcpStream| async move {
        let _ = tokio::time::timeout(patience, swallow(stream)).await;
    })
    .await;
    let (service, node) = (service().await, node(1));
    let outcome = first_outcome(builder(&service.handle(), at(&node, server.addr))).await;
    assert_eq!(outcome, Outcome::ClosedDuringHandshake);
}

#[tokio::test]
async fn another_node_is_there() {
    let (service, node, other) = (service().await, node(1), node(2));
    let watcher = builder(&service.handle(), at(&node, other.addr())).timeouts(unhurried()).start().unwrap();
    let mut news = watcher.events();
    for _ in 0..3 {
        assert_eq!(next_attempt(&mut news).await.outcome, Outcome::WrongKey);
    }
    // Twice only at first: from then on it is known what to look at. The next may have begun.
    assert!((4..=5).contains(&other.accepted_connections()), "{} connections", other.accepted_connections());
    assert_eq!(node.accepted_connections(), 0);
    until("what that means", || presence(&service.handle(), id(&node)) == Presence::Offline).await;
}

#[tokio::test]
async fn the_right_node_takes_the_place_of_another_one() {
    let (service, node, other) = (service().await, node(1), node(2));
    let addr = other.addr();
    let watcher = builder(&service.handle(), at(&node, addr)).timeouts(unhurried()).start().unwrap();
    let mut news = watcher.events();
    assert_eq!(next_attempt(&mut news).await.outcome, Outcome::WrongKey);
    drop(other);
    let _moved = ChainlessNode::start_at(addr, [1; 32], Network::Regtest).unwrap();
    // The byte that is held back does no harm to it.
    until_connected(&mut news).await;
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
}

#[tokio::test]
async fn the_node_is_on_another_network() {
    let service = service().await;
    let node = ChainlessNode::start([1; 32], Network::Signet).unwrap();
    let chains = vec![Chain::from(Network::Signet)];
    let watcher = builder(&service.handle(), target(&node)).network(Network::Regtest).start().unwrap();
    let outcome = next_attempt(&mut watcher.events()).await.outcome;
    assert_eq!(outcome, Outcome::WrongNetwork { chains: chains.clone() });
    assert_eq!(outcome.to_string(), "wrong network: it is on signet");
    assert_eq!(only(&watcher).chains, chains);
    // It is there, and of no use: that is neither.
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved);
    watcher.stop().await;

    for network in [Some(Network::Signet), None] {
        let mut builder = builder(&service.handle(), target(&node));
        if let Some(network) = network {
            builder = builder.network(network);
        }
        let watcher = builder.start().unwrap();
        until_connected(&mut watcher.events()).await;
        assert_eq!(only(&watcher).chains, chains);
        watcher.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_is_at_one_of_its_addresses_is_not_gone() {
    let (service, nobody) = (service().await, Nobody::new());
    let node = ChainlessNode::start([1; 32], Network::Signet).unwrap();
    for places in [[node.addr(), nobody.addr], [nobody.addr, node.addr()]] {
        let target = Target::new(id(&node), places.map(Into::into)).unwrap();
        let watcher = builder(&service.handle(), target).network(Network::Regtest).start().unwrap();
        let mut news = watcher.events();
        // A round, and the beginning of the next.
        let mut kinds = Vec::new();
        for _ in 0..3 {
            kinds.push(next_attempt(&mut news).await.outcome.kind());
        }
        assert!(
            kinds.contains(&OutcomeKind::WrongNetwork) && kinds.contains(&OutcomeKind::ConnectionRefused)
        );
        assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved, "{kinds:?}");
        watcher.stop().await;
    }
}

#[tokio::test]
async fn the_node_turns_us_away() {
    let (one, two, node) = (service().await, service().await, node(1));
    let identity = || Identity::from_seed(&[9; 32]).unwrap();
    let welcome = builder(&one.handle(), target(&node)).identity(identity()).start().unwrap();
    until_connected(&mut welcome.events()).await;
    // No node has two connections with the same one.
    let outcome = first_outcome(builder(&two.handle(), target(&node)).identity(identity())).await;
    assert_eq!(outcome, Outcome::RejectedByPeer);
    assert_eq!(presence(&two.handle(), id(&node)), Presence::Unobserved);
    assert_eq!(presence(&one.handle(), id(&node)), Presence::Online);
}

#[tokio::test]
async fn the_name_does_not_resolve() {
    let (service, node) = (service().await, node(1));
    // No name has so long a part: no resolver looks further than that.
    let name = format!("{}.example:9735", "a".repeat(64)).parse().unwrap();
    let target = Target::new(id(&node), [name]).unwrap();
    let watcher = builder(&service.handle(), target).start().unwrap();
    let mut news = watcher.events();
    for _ in 0..3 {
        let outcome = next_attempt(&mut news).await.outcome;
        assert_eq!(outcome.kind(), OutcomeKind::ResolveFailed, "{outcome:?}");
    }
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Unobserved, "that may be our fault");
}

/// A port whose queue of connections is full: the system drops whoever comes, as a host that is gone does.
#[cfg(target_os = "linux")]
struct Full {
    addr: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
impl Full {
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
async fn no_answer_to_a_dial() {
    let (service, node, full) = (service().await, node(1), Full::new().await);
    let timeouts = Timeouts { connect: Duration::from_millis(200), ..patient() };
    let watcher = |handle: &Handle| builder(handle, at(&node, full.addr)).timeouts(timeouts);
    let outcome = first_outcome(watcher(&service.handle())).await;
    assert_eq!(outcome, Outcome::TimedOut { phase: ConnectPhase::Connect });
    assert_eq!(means(watcher, &node).await, DOUBTFUL);
}
