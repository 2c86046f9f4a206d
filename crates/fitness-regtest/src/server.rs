//! The RPC server: HTTP, authentication and the thread that runs it.

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

use crate::chain::SharedChain;
use crate::rpc;
use crate::worker::Worker;

const USER: &str = "fitness";

/// The server, which runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    password: String,
    _worker: Worker,
}

impl Server {
    pub(crate) fn start(chain: Arc<SharedChain>) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        // The password only has to differ between chains. It protects nothing.
        let password = format!("{:016x}", RandomState::new().hash_one(addr));
        let credentials = BASE64_STANDARD.encode(format!("{USER}:{password}"));
        let state = HandlerState { chain, authorization: format!("Basic {credentials}") };
        let worker = Worker::spawn("regtest-rpc", move || {
            let listener = TcpListener::from_std(listener)?;
            Ok(serve(listener, state))
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

/// The state of the request handler.
struct HandlerState {
    chain: Arc<SharedChain>,
    /// The required value of the `Authorization` header.
    authorization: String,
}

async fn serve(listener: TcpListener, state: HandlerState) {
    let router = Router::new().route("/", post(respond)).with_state(Arc::new(state));
    // Replies are small and clients wait for them: Nagle's algorithm would only delay them.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "RPC server failed");
    }
}

/// Takes the body as bytes, because clients do not have to send the content type of JSON.
async fn respond(State(state): State<Arc<HandlerState>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get(header::AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != state.authorization.as_bytes()) {
        let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="jsonrpc""#)];
        // LDK's client treats an empty body as a broken connection.
        let reason = "wrong RPC user or password";
        return (StatusCode::UNAUTHORIZED, challenge, reason).into_response();
    }
    // A failed call is also answered with status 200, as in JSON-RPC 2.0: after any other status LDK's
    // client waits, reconnects and retries.
    let reply = rpc::respond(&state.chain, &body);
    ([(header::CONTENT_TYPE, "application/json")], reply).into_response()
}
