//! A server of one's own.

use std::net::SocketAddr;
use std::time::Duration;

use fitness_web::{ServeError, Token, Web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::ask::service;

/// Sends a request as it stands, and returns what comes until the connection ends.
async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn running(web: &Web) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let server = web.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let addr = server.addr();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    (addr, stop, running)
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_answered() {
    let service = service().await;
    let open = Web::builder(service.handle()).build();
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let err = open.listen(addr.parse().unwrap()).await.unwrap_err();
        assert!(matches!(err, ServeError::TokenNeeded { .. }), "{addr}: {err}");
        assert!(err.to_string().contains("set a token"), "{err}");
    }
    let mapped = open.listen("[::ffff:127.0.0.1]:0".parse().unwrap()).await;
    assert!(mapped.is_ok() || matches!(mapped, Err(ServeError::Bind { .. })), "it is this machine");
    let guarded = Web::builder(service.handle()).token(Token::new("sixteen-characters").unwrap()).build();
    assert!(guarded.listen("0.0.0.0:0".parse().unwrap()).await.is_ok());

    let taken = open.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let err = open.listen(taken.addr()).await.unwrap_err();
    assert!(err.to_string().contains(&taken.addr().to_string()), "{err}");
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_page_from_elsewhere_cannot_ask_under_its_own_name() {
    let service = service().await;
    let web = Web::builder(service.handle()).allowed_host("fitness.example").build();
    let (addr, stop, running) = running(&web).await;
    let ask = async |host: &str| {
        raw(addr, &format!("GET /api/v1/peers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
    };
    for ours in [addr.to_string(), "localhost".to_owned(), "fitness.example".to_owned()] {
        assert!(ask(&ours).await.starts_with("HTTP/1.1 200"), "{ours}");
    }
    for other in ["evil.example".to_owned(), format!("evil.example:{}", addr.port())] {
        let answer = ask(&other).await;
        assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("peers"), "{other}: {answer}");
    }
    let nameless = raw(addr, "GET /api/v1/peers HTTP/1.0\r\n\r\n").await;
    assert!(nameless.starts_with("HTTP/1.0 421"), "{nameless}");
    stop.send(()).unwrap();
    running.await.unwrap();
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_stops_although_somebody_listens_on() {
    let service = service().await;
    let web = Web::builder(service.handle()).build();
    let (addr, stop, running) = running(&web).await;
    let mut live = TcpStream::connect(addr).await.unwrap();
    live.write_all(b"GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut greeting = [0; 15];
    live.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"HTTP/1.1 200 OK");
    // A connection on which nothing is asked holds nobody up, either.
    let _idle = TcpStream::connect(addr).await.unwrap();

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(4), running).await.expect("before patience is over").unwrap();
    let mut rest = String::new();
    live.read_to_string(&mut rest).await.unwrap();
    assert!(
        rest.contains("event: hello") && rest.ends_with("0\r\n\r\n"),
        "the stream has a proper end: {rest}"
    );
    assert!(TcpStream::connect(addr).await.is_err(), "nobody is accepted any more");
    service.shutdown().await.unwrap();
}
