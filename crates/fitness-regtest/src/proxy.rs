//! A TCP proxy for one target that simulates network failures.
//!
//! This module accepts and closes connections; `proxy_connection` forwards their bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::proxy_connection;
use crate::worker::Worker;

/// How a [`Proxy`] treats connections and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyMode {
    /// Bytes are forwarded in both directions. The initial mode.
    Forwarding,
    /// Bytes are neither forwarded nor lost: see [`Proxy::hold`].
    Holding,
    /// Bytes are discarded: see [`Proxy::black_hole`].
    BlackHole,
    /// All connections are closed: see [`Proxy::cut`].
    Cut,
}

/// Forwards TCP connections to one address, and simulates network failures.
///
/// A mode applies to all bytes sent and all connections made after the method that sets it has returned.
/// The proxy's thread closes connections a moment later; use
/// [`live_connections`](Self::live_connections) to wait for that. A cut closes every connection that was
/// accepted before it, even if it is restored immediately.
///
/// The proxy runs on its own thread. Dropping it closes all connections and waits for that thread.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    target: SocketAddr,
    mode: watch::Sender<ModeState>,
    live: Arc<AtomicUsize>,
    _worker: Worker,
}

impl Proxy {
    /// Starts a proxy on a free loopback port that forwards to `target`. The target does not have to
    /// listen yet.
    ///
    /// # Errors
    ///
    /// Returns an error if no port is free or no thread can be created.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let (mode, mode_receiver) = watch::channel(ModeState { mode: ProxyMode::Forwarding, generation: 0 });
        let live = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&live);
        let worker = Worker::spawn("regtest-proxy", move || {
            let listener = TcpListener::from_std(listener)?;
            Ok(accept_connections(listener, target, mode_receiver, counter))
        })?;
        Ok(Self { addr, target, mode, live, _worker: worker })
    }

    /// Returns the address at which the proxy listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the address to which the proxy forwards.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// Returns the current mode.
    pub fn mode(&self) -> ProxyMode {
        self.mode.borrow().mode
    }

    /// Returns the number of accepted connections that are not closed yet.
    pub fn live_connections(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Closes every connection on both sides, and closes each new connection as soon as it is accepted.
    ///
    /// New connections are accepted and closed rather than refused, because another process could take
    /// the port if the proxy stopped listening.
    pub fn cut(&self) {
        self.set(ProxyMode::Cut);
    }

    /// Keeps connections open without forwarding anything. [`restore`](Self::restore) delivers the bytes
    /// that were sent meanwhile.
    ///
    /// The bytes stay in the socket buffers, so a sender is blocked once the buffers are full. Until the
    /// proxy forwards again, new connections are accepted but the target is not dialled, and the end of a
    /// connection is not noticed.
    pub fn hold(&self) {
        self.set(ProxyMode::Holding);
    }

    /// Keeps connections open and discards everything sent over them, including their end. New
    /// connections are accepted, and their bytes are discarded as well.
    ///
    /// The streams have lost bytes, so the next change of the mode closes these connections.
    pub fn black_hole(&self) {
        self.set(ProxyMode::BlackHole);
    }

    /// Forwards connections and bytes again.
    pub fn restore(&self) {
        self.set(ProxyMode::Forwarding);
    }

    fn set(&self, mode: ProxyMode) {
        tracing::debug!(addr = %self.addr, ?mode, "proxy mode changed");
        self.mode.send_modify(|state| state.set(mode));
    }
}

/// The current mode, and which connections have to be closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModeState {
    pub(crate) mode: ProxyMode,
    /// Connections of an earlier generation have to be closed. The mode alone is not enough: the task of
    /// a connection can miss a cut that is restored immediately.
    generation: u64,
}

impl ModeState {
    fn set(&mut self, mode: ProxyMode) {
        let leaves_black_hole = self.mode == ProxyMode::BlackHole && mode != ProxyMode::BlackHole;
        if leaves_black_hole || mode == ProxyMode::Cut {
            self.generation += 1;
        }
        self.mode = mode;
    }
}

/// Counts a connection until it is dropped.
struct ConnectionGuard(Arc<AtomicUsize>);

impl ConnectionGuard {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept_connections(
    listener: TcpListener,
    target: SocketAddr,
    mode: watch::Receiver<ModeState>,
    counter: Arc<AtomicUsize>,
) {
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::warn!(addr = ?listener.local_addr().ok(), %error, "accept failed");
                // Probably out of file descriptors: wait instead of retrying in a busy loop.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let at_accept = *mode.borrow();
        if at_accept.mode == ProxyMode::Cut {
            continue;
        }
        let guard = ConnectionGuard::new(&counter);
        let (mut closing, mode) = (mode.clone(), mode.clone());
        tokio::spawn(async move {
            let _guard = guard;
            tokio::select! {
                biased;
                _ = closing.wait_for(|state| state.generation != at_accept.generation) => {}
                ended = proxy_connection::forward(client, target, mode) => if let Err(error) = ended {
                    tracing::debug!(%target, %error, "proxied connection failed");
                },
            }
        });
    }
}
