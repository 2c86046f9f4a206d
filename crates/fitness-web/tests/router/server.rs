//! The built-in server.

use std::net::SocketAddr;
use std::time::Duration;

use fitness_web::{ServeError, Token, Web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::start_service;

/// Sends raw bytes and reads until the connection is closed.
async fn send_raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn start(web: &Web) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let server = web.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let addr = server.addr();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    (addr, stop, running)
}

#[tokio::test]
async fn non_loopback_address_requires_a_token() {
    let service = start_service().await;
    let without_token = Web::builder(service.handle()).build();
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let err = without_token.listen(addr.parse().unwrap()).await.unwrap_err();
        assert!(matches!(err, ServeError::TokenNeeded { .. }), "{addr}: {err}");
    }
    let mapped = without_token.listen("[::ffff:127.0.0.1]:0".parse().unwrap()).await;
    assert!(
        mapped.is_ok() || matches!(mapped, Err(ServeError::Bind { .. })),
        "a mapped loopback address needs no token"
    );
    let with_token = Web::builder(service.handle()).token(Token::new("sixteen-characters").unwrap()).build();
    assert!(with_token.listen("0.0.0.0:0".parse().unwrap()).await.is_ok());

    let bound = without_token.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let err = without_token.listen(bound.addr()).await.unwrap_err();
    assert!(matches!(err, ServeError::Bind { addr, .. } if addr == bound.addr()), "{err}");
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn requests_for_unknown_hosts_are_rejected() {
    let service = start_service().await;
    let web = Web::builder(service.handle()).allowed_host("fitness.example").build();
    let (addr, stop, running) = start(&web).await;
    let get_peers = async |host: &str| {
        send_raw(addr, &format!("GET /api/v1/peers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await
    };
    for host in [addr.to_string(), "localhost".to_owned(), "fitness.example".to_owned()] {
        assert!(get_peers(&host).await.starts_with("HTTP/1.1 200"), "{host}");
    }
    for host in ["evil.example".to_owned(), format!("evil.example:{}", addr.port())] {
        let response = get_peers(&host).await;
        assert!(response.starts_with("HTTP/1.1 421") && !response.contains("peers"), "{host}: {response}");
    }
    let without_host = send_raw(addr, "GET /api/v1/peers HTTP/1.0\r\n\r\n").await;
    assert!(without_host.starts_with("HTTP/1.0 421"), "{without_host}");
    stop.send(()).unwrap();
    running.await.unwrap();
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn server_stops_with_open_streams_and_idle_connections() {
    let service = start_service().await;
    let web = Web::builder(service.handle()).build();
    let (addr, stop, running) = start(&web).await;
    let mut live = TcpStream::connect(addr).await.unwrap();
    live.write_all(b"GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut status_line = [0; 15];
    live.read_exact(&mut status_line).await.unwrap();
    assert_eq!(&status_line, b"HTTP/1.1 200 OK");
    let _idle = TcpStream::connect(addr).await.unwrap();

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(4), running).await.expect("server stops in time").unwrap();
    let mut rest = String::new();
    live.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("event: ready") && rest.ends_with("0\r\n\r\n"), "the stream is terminated: {rest}");
    assert!(TcpStream::connect(addr).await.is_err(), "the port is closed");
    service.shutdown().await.unwrap();
}
