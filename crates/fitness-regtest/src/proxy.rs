//! A TCP proxy for one target that takes the network away on command.
//!
//! This accepts and ends connections; what passes through one is in `pipe`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::pipe;
use crate::worker::Worker;

/// What a [`Proxy`] does with connections and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyMode {
    /// Bytes pass both ways. The mode at the start.
    Forwarding,
    /// Nothing passes, and nothing is lost: see [`Proxy::hold`].
    Holding,
    /// Nothing passes, and everything is lost: see [`Proxy::black_hole`].
    BlackHole,
    /// There are no connections: see [`Proxy::cut`].
    Cut,
}

/// Forwards TCP connections to one address, and stops doing so in the ways that networks do.
///
/// A mode counts from the moment the method that sets it returns: bytes written and connections made
/// later are treated by it. Closing connections takes the proxy's thread a moment longer;
/// [`live_connections`](Self::live_connections) tells when it is done. A cut that is restored at once
/// still closes every connection that it found accepted.
///
/// The proxy runs on its own thread. Dropping it closes all connections and waits for that thread.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    target: SocketAddr,
    regime: watch::Sender<Regime>,
    live: Arc<AtomicUsize>,
    _worker: Worker,
}

impl Proxy {
    /// Listens on a free port of the loopback interface and forwards to `target`, which need not be
    /// listening yet.
    ///
    /// # Errors
    ///
    /// When there is no port or no thread to be had.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let (regime, watched) = watch::channel(Regime { mode: ProxyMode::Forwarding, generation: 0 });
        let live = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&live);
        let worker = Worker::spawn("regtest-proxy", move || {
            let listener = TcpListener::from_std(listener)?;
            Ok(accept(listener, target, watched, counter))
        })?;
        Ok(Self { addr, target, regime, live, _worker: worker })
    }

    /// Where the proxy listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the proxy forwards to.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// What the proxy does at present.
    pub fn mode(&self) -> ProxyMode {
        self.regime.borrow().mode
    }

    /// How many accepted connections are not closed yet.
    pub fn live_connections(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Closes every connection on both sides, and each new one as soon as it is made.
    ///
    /// A new connection is therefore established and then ended, rather than refused: giving the port
    /// up would leave it to whoever comes first.
    pub fn cut(&self) {
        self.set(ProxyMode::Cut);
    }

    /// Keeps connections open without forwarding anything; [`restore`](Self::restore) delivers what
    /// was sent in between.
    ///
    /// The bytes stay in the buffers of the sockets, so a sender with much to say finds itself blocked.
    /// A connection made meanwhile is accepted but not passed on to the target, and the end of a
    /// connection is not noticed, before the proxy forwards again.
    pub fn hold(&self) {
        self.set(ProxyMode::Holding);
    }

    /// Keeps connections open and swallows what is sent over them, even their end. New connections are
    /// accepted and swallowed too.
    ///
    /// Their streams are broken for good: whatever mode comes next closes the connections.
    pub fn black_hole(&self) {
        self.set(ProxyMode::BlackHole);
    }

    /// Forwards again.
    pub fn restore(&self) {
        self.set(ProxyMode::Forwarding);
    }

    fn set(&self, mode: ProxyMode) {
        tracing::debug!(addr = %self.addr, ?mode, "the proxy changes its mode");
        self.regime.send_modify(|regime| regime.change(mode));
    }
}

/// The mode, and which connections it finds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Regime {
    pub(crate) mode: ProxyMode,
    /// A connection of an earlier generation has to close. A count, where the mode alone would let
    /// those survive that sleep through a cut and its repair.
    generation: u64,
}

impl Regime {
    fn change(&mut self, mode: ProxyMode) {
        let broken = self.mode == ProxyMode::BlackHole && mode != ProxyMode::BlackHole;
        if broken || mode == ProxyMode::Cut {
            self.generation += 1;
        }
        self.mode = mode;
    }
}

/// Counts a connection for as long as it lives.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    regime: watch::Receiver<Regime>,
    counter: Arc<AtomicUsize>,
) {
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::warn!(%error, "the proxy could not accept a connection");
                // Most likely there are no file descriptors left, which a busy loop does not cure.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let found = *regime.borrow();
        if found.mode == ProxyMode::Cut {
            continue;
        }
        let live = Live::new(&counter);
        let mut watched = regime.clone();
        let regime = regime.clone();
        tokio::spawn(async move {
            let _live = live;
            tokio::select! {
                biased;
                _ = watched.wait_for(|regime| regime.generation != found.generation) => {}
                ended = pipe::carry(client, target, regime) => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection through the proxy broke");
                },
            }
        });
    }
}
