//! The RPC server: HTTP, its credentials and its thread.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use bitcoin::base64::prelude::{BASE64_STANDARD, Engine};
use tokio::net::TcpListener;

use crate::handle::Shared;
use crate::rpc;
use crate::worker::Worker;

const USER: &str = "fitness";

/// The server, running until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    password: String,
    _worker: Worker,
}

impl Server {
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        // Random enough to tell chains apart; there is nothing here that wants protection.
        let password = format!("{:016x}", RandomState::new().hash_one(addr));
        let credentials = BASE64_STANDARD.encode(format!("{USER}:{password}"));
        let service = Service { shared, authorization: format!("Basic {credentials}") };
        let worker = Worker::spawn("regtest-rpc", move || {
            let listener = TcpListener::from_std(listener)?;
            Ok(serve(listener, service))
        })?;
        Ok(Self { addr, password, _worker: worker })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn user(&self) -> &str {
        USER
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

/// What every request needs.
struct Service {
    shared: Arc<Shared>,
    /// The one header value that is let in.
    authorization: String,
}

async fn serve(listener: TcpListener, service: Service) {
    let router = Router::new().route("/", post(respond)).with_state(Arc::new(service));
    // Replies are small and awaited: Nagle's algorithm would only hold them back.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
    });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the RPC server ended");
    }
}

/// Takes the body as bytes, for a client need not say that it is JSON.
async fn respond(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get(header::AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != service.authorization.as_bytes()) {
        let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="jsonrpc""#)];
        // LDK's client takes an empty body for a broken connection, so there is a sentence.
        let reason = "wrong RPC user or password";
        return (StatusCode::UNAUTHORIZED, challenge, reason).into_response();
    }
    // Errors of the call come with status 200 too, as in JSON-RPC 2.0: after any other status LDK's
    // client waits, connects anew and asks again.
    let reply = rpc::answer(&service.shared, &body);
    ([(header::CONTENT_TYPE, "application/json")], reply).into_response()
}
