//! Dialling through a minimal SOCKS5 proxy, and through servers that are not one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_core::Presence;
use fitness_watch::{Address, ConnectPhase, Outcome, OutcomeKind, Proxy, Target, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:9735";

/// The `HOST:PORT` of each request to the proxy.
type Requests = Arc<Mutex<Vec<String>>>;

/// Starts a proxy that replies with a code of RFC 1928. If the code is 0, it connects every client to `to`.
async fn socks(reply: u8, to: SocketAddr) -> (Server, Requests) {
    let requests = Requests::default();
    let recorded = Arc::clone(&requests);
    let server = Server::start(move |stream| {
        let recorded = Arc::clone(&recorded);
        async move {
            // A client may close the connection at any time.
            let _ = serve(stream, reply, to, recorded).await;
        }
    })
    .await;
    (server, requests)
}

async fn serve(mut client: TcpStream, reply: u8, to: SocketAddr, requests: Requests) -> std::io::Result<()> {
    let [version, methods] = read(&mut client).await?;
    assert_eq!(version, 5);
    let mut methods = vec![0; methods.into()];
    client.read_exact(&mut methods).await?;
    assert!(methods.contains(&0), "expected the method without authentication");
    client.write_all(&[5, 0]).await?;

    let [version, command, _, kind] = read(&mut client).await?;
    assert_eq!((version, command), (5, 1), "expected a CONNECT request");
    let host = match kind {
        1 => SocketAddr::from((read::<4>(&mut client).await?, 0)).ip().to_string(),
        3 => {
            let [length] = read(&mut client).await?;
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
        other => panic!("unexpected address type {other}"),
    };
    let port = u16::from_be_bytes(read(&mut client).await?);
    requests.lock().unwrap().push(format!("{host}:{port}"));
    client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if reply == 0 {
        let mut server = TcpStream::connect(to).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[tokio::test]
async fn an_onion_service_is_dialled_through_the_proxy() {
    let (service, node) = (service().await, node(1));
    let (proxy, requests) = socks(0, node.addr()).await;
    let onion: Address = ONION.parse().unwrap();
    let watcher = builder(&service.handle(), target_at(&node, onion.clone()))
        .proxy(Proxy::OnionOnly(proxy.addr))
        .start()
        .unwrap();
    let attempt = next_attempt(&mut watcher.events()).await;
    let Outcome::Connected(timings) = attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!((attempt.address, timings.resolve), (onion, Duration::ZERO));
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
    assert_eq!(*requests.lock().unwrap(), [ONION]);
}

#[tokio::test]
async fn host_names_are_resolved_by_the_proxy_unless_it_is_for_onions_only() {
    let (service, node) = (service().await, node(1));
    // Only the test proxy accepts this name.
    let name = format!("{}.example:1", "a".repeat(64));
    for (address, through_all) in [(name.clone(), true), (node.addr().to_string(), true), (name, false)] {
        let (proxy, requests) = socks(0, node.addr()).await;
        let target = Target::new(id(&node), [address.parse().unwrap()]).unwrap();
        let choice = if through_all { Proxy::AllAddresses(proxy.addr) } else { Proxy::OnionOnly(proxy.addr) };
        let outcome = first_outcome(builder(&service.handle(), target).proxy(choice)).await;
        if through_all {
            assert_eq!(outcome.kind(), OutcomeKind::Connected, "{outcome:?}");
            assert_eq!(*requests.lock().unwrap(), [address]);
        } else {
            assert_eq!(outcome.kind(), OutcomeKind::ResolveFailed, "{outcome:?}");
            assert_eq!(proxy.accepted(), 0);
        }
    }
}

async fn outcome_through(proxy: SocketAddr) -> (Outcome, Presence) {
    outcome_with_timeouts(long_timeouts(), proxy).await
}

async fn outcome_with_timeouts(timeouts: Timeouts, proxy: SocketAddr) -> (Outcome, Presence) {
    let (service, node) = (service().await, node(1));
    let onion: Address = ONION.parse().unwrap();
    let builder = builder(&service.handle(), target_at(&node, onion));
    let watcher = builder.proxy(Proxy::AllAddresses(proxy)).timeouts(timeouts).start().unwrap();
    let mut events = watcher.events();
    let outcome = next_attempt(&mut events).await.outcome;
    // The presence is recorded before the next attempt begins.
    assert_eq!(next_attempt(&mut events).await.outcome, outcome);
    (outcome, presence(&service.handle(), id(&node)))
}

#[tokio::test]
async fn reply_codes_about_the_node_differ_from_failures_of_the_proxy() {
    async fn with_reply(reply: u8) -> (Outcome, Presence) {
        let (proxy, _) = socks(reply, RefusingAddr::new().addr).await;
        outcome_through(proxy.addr).await
    }
    assert_eq!(with_reply(5).await, (Outcome::ConnectionRefused, Presence::Offline));
    // Tor sends this reply without a network as well, and no other node is connected.
    let (outcome, presence) = with_reply(4).await;
    assert_eq!(
        (outcome.kind(), presence),
        (OutcomeKind::HostUnreachable, Presence::Unobserved),
        "{outcome:?}"
    );
    assert_eq!(with_reply(6).await, (Outcome::TimedOut { phase: ConnectPhase::Proxy }, Presence::Unobserved));
    for reply in [1, 2, 7, 8, 200] {
        let (outcome, presence) = with_reply(reply).await;
        assert_eq!(
            (outcome.kind(), presence),
            (OutcomeKind::ProxyError, Presence::Unobserved),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_a_proxy_is_a_proxy_error() {
    let refusing = RefusingAddr::new();
    let (outcome, presence) = outcome_through(refusing.addr).await;
    assert_eq!((outcome.kind(), presence), (OutcomeKind::ProxyError, Presence::Unobserved), "{outcome:?}");
    assert!(outcome.to_string().contains(&refusing.addr.to_string()), "{outcome}");

    let closes = Server::start(|stream| async { drop(stream) }).await;
    let speaks_http = Server::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        discard(stream).await;
    })
    .await;
    for server in [closes, speaks_http] {
        let (outcome, presence) = outcome_through(server.addr).await;
        assert_eq!(
            (outcome.kind(), presence),
            (OutcomeKind::ProxyError, Presence::Unobserved),
            "{outcome:?}"
        );
    }
    let silent = Server::start(discard).await;
    let timed_out = Outcome::TimedOut { phase: ConnectPhase::Proxy };
    let timeouts = Timeouts { proxy: Duration::from_millis(200), ..long_timeouts() };
    assert_eq!(outcome_with_timeouts(timeouts, silent.addr).await, (timed_out, Presence::Unobserved));
}
