//! Opens a stream to an address: resolves it and dials it, through a proxy if there is one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use crate::address::Address;
use crate::outcome::{ConnectPhase, Outcome};

/// The most addresses of one host name that are tried.
const MAX_ADDRESSES: usize = 4;

/// A SOCKS5 proxy, such as Tor's at `127.0.0.1:9050`. The proxy resolves host names, so they do not leak to
/// our own resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// Dial all addresses through the proxy.
    AllAddresses(SocketAddr),
    /// Dial only onion services through the proxy. All other nodes see our IP address.
    OnionOnly(SocketAddr),
}

impl Proxy {
    fn for_address(proxy: Option<Self>, address: &Address) -> Option<SocketAddr> {
        match proxy? {
            Self::AllAddresses(proxy) => Some(proxy),
            Self::OnionOnly(proxy) => address.is_onion().then_some(proxy),
        }
    }
}

/// Timeouts for each phase of connecting, at most a day each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For resolving a host name. The default is 10 s.
    pub resolve: Duration,
    /// For the TCP connection to each resolved address, or to the proxy. The default is 10 s.
    pub connect: Duration,
    /// For the proxy to connect. The default is 60 s, because Tor is slow.
    pub proxy: Duration,
    /// For each of the node's two replies: its part of the handshake, and its `init`. The default is 10 s.
    /// LDK closes the connection if both together take longer than one to two ping intervals.
    pub handshake: Duration,
    /// How long the last byte of our first message is delayed, which distinguishes a wrong key from a
    /// different service. The byte is delayed only if the listener closed a connection without a reply. The
    /// default is 500 ms. On slow connections the delay is longer, up to 3 s.
    pub last_byte_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            proxy: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            last_byte_delay: Duration::from_millis(500),
        }
    }
}

impl Timeouts {
    /// Returns the timeouts, limited to a day each.
    pub(crate) fn bounded(self) -> Self {
        let bound = |time: Duration| time.min(Duration::from_secs(24 * 3600));
        Self {
            resolve: bound(self.resolve),
            connect: bound(self.connect),
            proxy: bound(self.proxy),
            handshake: bound(self.handshake),
            last_byte_delay: bound(self.last_byte_delay),
        }
    }
}

/// An open stream, and how long it took to open.
pub(crate) struct Dialled {
    pub(crate) stream: TcpStream,
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
}

/// Opens a stream to an address.
pub(crate) async fn dial(
    address: &Address,
    proxy: Option<Proxy>,
    timeouts: &Timeouts,
) -> Result<Dialled, Outcome> {
    let began = Instant::now();
    if let Some(proxy) = Proxy::for_address(proxy, address) {
        let stream = dial_through(proxy, address, timeouts).await?;
        return Ok(Dialled { stream, resolve: Duration::ZERO, connect: began.elapsed() });
    }
    let addrs = resolve(address, timeouts).await?;
    let resolve = if matches!(address, Address::Ip(_)) { Duration::ZERO } else { began.elapsed() };
    let (stream, connect) = connect_first(&addrs, timeouts.connect).await?;
    Ok(Dialled { stream, resolve, connect })
}

/// Opens a stream to the first address that accepts one. Returns it and how long that address took.
async fn connect_first(addrs: &[SocketAddr], limit: Duration) -> Result<(TcpStream, Duration), Outcome> {
    let mut failure = Outcome::ResolveFailed { reason: "no addresses found".into() };
    for addr in addrs.iter().take(MAX_ADDRESSES) {
        let began = Instant::now();
        let result = timeout(limit, TcpStream::connect(addr)).await;
        let stream = match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                failure = more_specific(failure, connect_outcome(&error));
                continue;
            }
            Err(_) => {
                failure = more_specific(failure, Outcome::TimedOut { phase: ConnectPhase::Connect });
                continue;
            }
        };
        // Messages are small, and the other side waits for each of them.
        let _ = stream.set_nodelay(true);
        return Ok((stream, began.elapsed()));
    }
    Err(failure)
}

async fn resolve(address: &Address, timeouts: &Timeouts) -> Result<Vec<SocketAddr>, Outcome> {
    let (host, port) = match address {
        Address::Ip(addr) => return Ok(vec![*addr]),
        Address::Hostname { host, port } => (host, port),
        // The watcher does not start with an onion address and without a proxy.
        Address::Onion { .. } => {
            return Err(Outcome::ProxyError { reason: "an onion address requires a proxy".into() });
        }
    };
    match timeout(timeouts.resolve, lookup_host((host.as_str(), *port))).await {
        Ok(Ok(addrs)) => Ok(addrs.collect()),
        Ok(Err(error)) => Err(Outcome::ResolveFailed { reason: error.to_string() }),
        Err(_) => Err(Outcome::TimedOut { phase: ConnectPhase::Resolve }),
    }
}

/// Classifies the error of a TCP connect.
fn connect_outcome(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::ConnectionRefused,
        io::ErrorKind::TimedOut => Outcome::TimedOut { phase: ConnectPhase::Connect },
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Outcome::ClosedDuringHandshake,
        io::ErrorKind::HostUnreachable => Outcome::HostUnreachable { reason: error.to_string() },
        _ => Outcome::LocalError { reason: error.to_string() },
    }
}

/// Returns the one of two failures, at addresses of one host name, that reveals more about the node.
fn more_specific(one: Outcome, other: Outcome) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::ResolveFailed { .. } => 0,
        Outcome::LocalError { .. } => 1,
        Outcome::HostUnreachable { .. } => 2,
        Outcome::TimedOut { .. } => 3,
        _ => 4,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

async fn dial_through(
    proxy: SocketAddr,
    address: &Address,
    timeouts: &Timeouts,
) -> Result<TcpStream, Outcome> {
    let proxy_error = |reason: String| Outcome::ProxyError { reason };
    let stream = match timeout(timeouts.connect, TcpStream::connect(proxy)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(proxy_error(format!("cannot connect to {proxy}: {error}"))),
        Err(_) => return Err(proxy_error(format!("cannot connect to {proxy}: timed out"))),
    };
    let _ = stream.set_nodelay(true);
    let target = match address {
        Address::Ip(addr) => TargetAddr::Ip(*addr),
        Address::Hostname { host, port } | Address::Onion { host, port } => {
            TargetAddr::Domain(host.as_str().into(), *port)
        }
    };
    match timeout(timeouts.proxy, Socks5Stream::connect_with_socket(stream, target)).await {
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(socks_outcome(&error)),
        Err(_) => Err(Outcome::TimedOut { phase: ConnectPhase::Proxy }),
    }
}

/// Classifies an error of the proxy: a failure of the node that the proxy reports, or a failure of the proxy.
fn socks_outcome(error: &tokio_socks::Error) -> Outcome {
    use tokio_socks::Error;
    match error {
        Error::ConnectionRefused => Outcome::ConnectionRefused,
        Error::TtlExpired => Outcome::TimedOut { phase: ConnectPhase::Proxy },
        Error::HostUnreachable | Error::NetworkUnreachable => {
            Outcome::HostUnreachable { reason: format!("proxy reply: {error}") }
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Outcome::ProxyError { reason: "connection closed".into() }
        }
        other => Outcome::ProxyError { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_of_several_failures_is_returned() {
        let local = Outcome::LocalError { reason: "no route".into() };
        let refused = more_specific(local.clone(), Outcome::ConnectionRefused);
        assert_eq!(refused, Outcome::ConnectionRefused);
        assert_eq!(more_specific(refused, local), Outcome::ConnectionRefused);
    }

    #[tokio::test]
    async fn the_first_address_that_accepts_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It occupies a port and does not listen.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (accepts, refuses) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        let (stream, _) = connect_first(&[refuses, accepts, refuses], Duration::MAX).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), accepts);
        let failure = |addrs: Vec<SocketAddr>| async move {
            connect_first(&addrs, Duration::MAX).await.map(drop).unwrap_err().kind()
        };
        use crate::outcome::OutcomeKind as Kind;
        assert_eq!(failure(vec![refuses]).await, Kind::ConnectionRefused);
        assert_eq!(failure(vec![]).await, Kind::ResolveFailed);
        assert_eq!(
            failure([vec![refuses; MAX_ADDRESSES], vec![accepts]].concat()).await,
            Kind::ConnectionRefused,
            "the fifth address is not tried"
        );
    }

    #[test]
    fn an_onion_only_proxy_is_not_used_for_other_addresses() {
        let addr: SocketAddr = "127.0.0.1:9050".parse().unwrap();
        let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion".parse().unwrap();
        let name = "example.com".parse().unwrap();
        assert_eq!(Proxy::for_address(Some(Proxy::OnionOnly(addr)), &onion), Some(addr));
        assert_eq!(Proxy::for_address(Some(Proxy::OnionOnly(addr)), &name), None);
        assert_eq!(Proxy::for_address(Some(Proxy::AllAddresses(addr)), &name), Some(addr));
        assert_eq!(Proxy::for_address(None, &name), None);
    }

    #[test]
    fn connect_errors_are_attributed_to_the_node_or_to_our_system() {
        let of = |kind: io::ErrorKind| connect_outcome(&kind.into()).kind();
        use crate::outcome::OutcomeKind as Kind;
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Kind::ConnectionRefused);
        assert_eq!(of(io::ErrorKind::TimedOut), Kind::TimedOut);
        assert_eq!(of(io::ErrorKind::HostUnreachable), Kind::HostUnreachable);
        assert_eq!(of(io::ErrorKind::NetworkUnreachable), Kind::LocalError);
        assert_eq!(of(io::ErrorKind::PermissionDenied), Kind::LocalError);
    }
}
