//! A server of one's own, for who has none.

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

use crate::{Web, host};

/// How many connections there may be at a time; the next one waits.
const CONNECTIONS: usize = 512;

/// How long somebody may take to say what is wanted, and a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long answers that are under way may take once the server is to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can be reached from other machines, and there is no token.
    #[error("{addr} can be reached from other machines: set a token, or listen on 127.0.0.1 or [::1]")]
    TokenNeeded {
        /// The address.
        addr: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A server that listens, and answers once it runs.
#[derive(Debug)]
#[must_use = "nobody is answered until `run`"]
pub struct Server {
    web: Web,
    listener: TcpListener,
    addr: SocketAddr,
}

impl Web {
    /// Listens on `addr`; port 0 is a free one.
    ///
    /// On a loopback address it answers for this machine's own names alone, and those of
    /// [`WebBuilder::allowed_host`](crate::WebBuilder::allowed_host): no page from elsewhere can ask it from within a browser.
    /// Any other address takes a [`Token`](crate::Token). There is no TLS: put a proxy in front that
    /// has it.
    ///
    /// # Errors
    ///
    /// [`ServeError`]; nobody was answered then.
    pub async fn listen(&self, addr: SocketAddr) -> Result<Server, ServeError> {
        if self.state.token.is_none() && !is_loopback(&addr) {
            return Err(ServeError::TokenNeeded { addr });
        }
        let failed = |source| ServeError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Server { web: self.clone(), listener, addr })
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `stop` is ready; then ends the live streams, finishes the answers that are under way,
    /// for five seconds at most, and returns.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = self.router();
        let (connections, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
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
                    // The others are served, and by then there may be descriptors again.
                    tracing::warn!(error = %err, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(err) = connection.await {
                    tracing::debug!(error = %err, "a connection broke");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        self.web.close_live_streams();
        if tokio::time::timeout(LAST_ANSWERS, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped with answers under way");
        }
    }

    fn router(&self) -> Router {
        let router = self.web.router();
        if !is_loopback(&self.addr) {
            return router;
        }
        let known: Arc<[String]> = self.web.state.hosts.as_slice().into();
        router.layer(from_fn_with_state(known, host::check))
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
