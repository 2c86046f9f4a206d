//! An HTTP server for programs that do not have one.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::{Web, host_check};

/// Maximum number of open connections. Further ones wait in the listen queue.
const MAX_CONNECTIONS: usize = 512;

/// How long a client may take to send the headers of a request; also the idle timeout of a connection.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a shutdown waits for responses in progress.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed `accept`, which usually means that no file descriptors are left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Why [`Web::listen`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is reachable from other machines, and no token is set.
    #[error("a token is required to listen on {addr}: set a token, or listen on 127.0.0.1 or [::1]")]
    TokenNeeded {
        /// The address.
        addr: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// A server that is bound to its address. It answers requests once [`Server::run`] is called.
#[derive(Debug)]
#[must_use = "requests are not answered until `run` is called"]
pub struct Server {
    web: Web,
    listener: TcpListener,
    addr: SocketAddr,
}

impl Web {
    /// Binds a server to `addr`. Port 0 selects a free port.
    ///
    /// On a loopback address, requests are only answered for loopback host names and those of
    /// [`WebBuilder::allowed_host`](crate::WebBuilder::allowed_host), so that pages of other websites cannot
    /// read the API from within a browser (DNS rebinding). Any other address requires a
    /// [`Token`](crate::Token). The server does not support TLS: put a reverse proxy in front of it.
    ///
    /// # Errors
    ///
    /// [`ServeError::TokenNeeded`] if `addr` is not a loopback address and no token is set;
    /// [`ServeError::Bind`] if the address cannot be bound.
    pub async fn listen(&self, addr: SocketAddr) -> Result<Server, ServeError> {
        if self.state.token.is_none() && !is_loopback(&addr) {
            return Err(ServeError::TokenNeeded { addr });
        }
        let bind_error = |source| ServeError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind_error)?;
        let addr = listener.local_addr().map_err(bind_error)?;
        Ok(Server { web: self.clone(), listener, addr })
    }
}

impl Server {
    /// Returns the bound address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers requests until `stop` completes. Then ends the live streams, waits up to five seconds for
    /// responses in progress, and returns.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = self.router();
        let (connections, graceful) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), GracefulShutdown::new());
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept(&self.listener, &connections) => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(err) => {
                    tracing::warn!(error = %err, "accepting a connection failed, will retry");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT);
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(err) = connection.await {
                    tracing::debug!(error = %err, "connection failed");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        self.web.close_live_streams();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped before all responses were sent");
        }
    }

    fn router(&self) -> Router {
        let router = self.web.router();
        if !is_loopback(&self.addr) {
            return router;
        }
        let allowed_hosts: Arc<[String]> = self.web.state.allowed_hosts.as_slice().into();
        router.layer(from_fn_with_state(allowed_hosts, host_check::check))
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn is_loopback(addr: &SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}
