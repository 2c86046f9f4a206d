//! Through a SOCKS5 proxy: a real one, as small as may be, and what else may stand in its place.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_core::Presence;
use fitness_watch::{Address, ConnectPhase, Outcome, OutcomeKind, Proxy, Target, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:9735";

/// Every host that was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy that answers with a code of RFC 1928, and with 0 leads everybody to one address.
async fn socks(reply: u8, to: SocketAddr) -> (Server, Asked) {
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    let server = Server::start(move |stream| {
        let notes = Arc::clone(&notes);
        async move {
            // Whoever breaks off has his reasons.
            let _ = serve(stream, reply, to, notes).await;
        }
    })
    .await;
    (server, asked)
}

async fn serve(mut client: TcpStream, reply: u8, to: SocketAddr, asked: Asked) -> std::io::Result<()> {
    let [version, methods] = read(&mut client).await?;
    assert_eq!(version, 5);
    let mut methods = vec![0; methods.into()];
    client.read_exact(&mut methods).await?;
    assert!(methods.contains(&0), "no login is wanted");
    client.write_all(&[5, 0]).await?;

    let [version, command, _, kind] = read(&mut client).await?;
    assert_eq!((version, command), (5, 1), "a connection is what is wanted");
    let host = match kind {
        1 => SocketAddr::from((read::<4>(&mut client).await?, 0)).ip().to_string(),
        3 => {
            let [length] = read(&mut client).await?;
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
        other => panic!("an address of kind {other}"),
    };
    let port = u16::from_be_bytes(read(&mut client).await?);
    asked.lock().unwrap().push(format!("{host}:{port}"));
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
async fn an_onion_service_is_reached_through_the_proxy() {
    let (service, node) = (service().await, node(1));
    let (proxy, asked) = socks(0, node.addr()).await;
    let onion: Address = ONION.parse().unwrap();
    let watcher = builder(&service.handle(), at(&node, onion.clone()))
        .proxy(Proxy::OnionOnly(proxy.addr))
        .start()
        .unwrap();
    let attempt = next_attempt(&mut watcher.events()).await;
    let Outcome::Connected(took) = attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!((attempt.address, took.resolve), (onion, Duration::ZERO));
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
    assert_eq!(*asked.lock().unwrap(), [ONION]);
}

#[tokio::test]
async fn a_proxy_for_all_resolves_names_and_one_for_onions_is_not_asked() {
    let (service, node) = (service().await, node(1));
    // Nobody but the proxy could resolve that.
    let name = format!("{}.example:1", "a".repeat(64));
    for (address, through_all) in [(name.clone(), true), (node.addr().to_string(), true), (name, false)] {
        let (proxy, asked) = socks(0, node.addr()).await;
        let target = Target::new(id(&node), [address.parse().unwrap()]).unwrap();
        let choice = if through_all { Proxy::AllAddresses(proxy.addr) } else { Proxy::OnionOnly(proxy.addr) };
        let outcome = first_outcome(builder(&service.handle(), target).proxy(choice)).await;
        if through_all {
            assert_eq!(outcome.kind(), OutcomeKind::Connected, "{outcome:?}");
            assert_eq!(*asked.lock().unwrap(), [address]);
        } else {
            assert_eq!(outcome.kind(), OutcomeKind::ResolveFailed, "{outcome:?}");
            assert_eq!(proxy.accepted(), 0);
        }
    }
}

async fn through(proxy: SocketAddr) -> (Outcome, Presence) {
    through_within(patient(), proxy).await
}

async fn through_within(timeouts: Timeouts, proxy: SocketAddr) -> (Outcome, Presence) {
    let (service, node) = (service().await, node(1));
    let onion: Address = ONION.parse().unwrap();
    let builder = builder(&service.handle(), at(&node, onion));
    let watcher = builder.proxy(Proxy::AllAddresses(proxy)).timeouts(timeouts).start().unwrap();
    let mut news = watcher.events();
    let outcome = next_attempt(&mut news).await.outcome;
    // What it means is said before the next attempt.
    assert_eq!(next_attempt(&mut news).await.outcome, outcome);
    (outcome, presence(&service.handle(), id(&node)))
}

#[tokio::test]
async fn what_the_proxy_says_of_the_node_is_told_from_its_own_failures() {
    async fn said(reply: u8) -> (Outcome, Presence) {
        let (proxy, _) = socks(reply, Nobody::new().addr).await;
        through(proxy.addr).await
    }
    assert_eq!(said(5).await, (Outcome::ConnectionRefused, Presence::Offline));
    // Tor says so of itself without a network as well, and nobody else is heard of.
    let (outcome, presence) = said(4).await;
    assert_eq!(
        (outcome.kind(), presence),
        (OutcomeKind::HostUnreachable, Presence::Unobserved),
        "{outcome:?}"
    );
    assert_eq!(said(6).await, (Outcome::TimedOut { phase: ConnectPhase::Proxy }, Presence::Unobserved));
    for reply in [1, 2, 7, 8, 200] {
        let (outcome, presence) = said(reply).await;
        assert_eq!(
            (outcome.kind(), presence),
            (OutcomeKind::ProxyError, Presence::Unobserved),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_is_none_is_our_own_trouble() {
    let nobody = Nobody::new();
    let (outcome, presence) = through(nobody.addr).await;
    assert_eq!((outcome.kind(), presence), (OutcomeKind::ProxyError, Presence::Unobserved), "{outcome:?}");
    assert!(outcome.to_string().contains(&format!("{} cannot be reached", nobody.addr)), "{outcome}");

    let hangs_up = Server::start(|stream| async { drop(stream) }).await;
    let speaks_http = Server::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        swallow(stream).await;
    })
    .await;
    for server in [hangs_up, speaks_http] {
        let (outcome, presence) = through(server.addr).await;
        assert_eq!(
            (outcome.kind(), presence),
            (OutcomeKind::ProxyError, Presence::Unobserved),
            "{outcome:?}"
        );
    }
    let silent = Server::start(swallow).await;
    let timed_out = Outcome::TimedOut { phase: ConnectPhase::Proxy };
    let hasty = Timeouts { proxy: Duration::from_millis(200), ..patient() };
    assert_eq!(through_within(hasty, silent.addr).await, (timed_out, Presence::Unobserved));
}
