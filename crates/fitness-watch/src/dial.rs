//! A stream to an address: resolved, dialled, through a proxy where there is one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use crate::address::Address;
use crate::outcome::{ConnectPhase, Outcome};

/// Of the addresses that a name has no more than this many are tried.
const MOST_ADDRESSES: usize = 4;

/// A SOCKS5 proxy, such as Tor's at `127.0.0.1:9050`. It resolves names, so that nobody else learns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// For all addresses.
    AllAddresses(SocketAddr),
    /// For onion services only: all others see where we dial from.
    OnionOnly(SocketAddr),
}

impl Proxy {
    fn of(proxy: Option<Self>, address: &Address) -> Option<SocketAddr> {
        match proxy? {
            Self::AllAddresses(proxy) => Some(proxy),
            Self::OnionOnly(proxy) => address.is_onion().then_some(proxy),
        }
    }
}

/// How long to wait for what, a day at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a name to resolve; the default is 10 s.
    pub resolve: Duration,
    /// For a TCP connection to each address that it resolves to, or to the proxy; the default is 10 s.
    pub connect: Duration,
    /// For the proxy to bring a connection about; the default is 60 s, as Tor takes its time.
    pub proxy: Duration,
    /// For each of the node's two answers: its part of the handshake, and its `init`. The default is
    /// 10 s; after one to two ping intervals for both LDK gives up by itself.
    pub handshake: Duration,
    /// For how long the last byte of our first message is held back, where it takes that to tell a wrong
    /// key from a service that hangs up. The default is half a second; where the connection took long to
    /// make it is more, up to 3 s.
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
    /// The same, with a day where there is more.
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

/// A stream, and how long it took.
pub(crate) struct Dialled {
    pub(crate) stream: TcpStream,
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
}

/// Dials an address.
pub(crate) async fn dial(
    address: &Address,
    proxy: Option<Proxy>,
    timeouts: &Timeouts,
) -> Result<Dialled, Outcome> {
    let began = Instant::now();
    if let Some(proxy) = Proxy::of(proxy, address) {
        let stream = dial_through(proxy, address, timeouts).await?;
        return Ok(Dialled { stream, resolve: Duration::ZERO, connect: began.elapsed() });
    }
    let addrs = resolve(address, timeouts).await?;
    let resolve = if matches!(address, Address::Ip(_)) { Duration::ZERO } else { began.elapsed() };
    let (stream, connect) = first_of(&addrs, timeouts.connect).await?;
    Ok(Dialled { stream, resolve, connect })
}

/// A stream to the first of several addresses that has one, and how long it took there.
async fn first_of(addrs: &[SocketAddr], time: Duration) -> Result<(TcpStream, Duration), Outcome> {
    let mut failure = Outcome::ResolveFailed { reason: "the name has no address".into() };
    for addr in addrs.iter().take(MOST_ADDRESSES) {
        let began = Instant::now();
        let result = timeout(time, TcpStream::connect(addr)).await;
        let stream = match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                failure = more_telling(failure, failed(&error));
                continue;
            }
            Err(_) => {
                failure = more_telling(failure, Outcome::TimedOut { phase: ConnectPhase::Connect });
                continue;
            }
        };
        // Messages are small, and waited for.
        let _ = stream.set_nodelay(true);
        return Ok((stream, began.elapsed()));
    }
    Err(failure)
}

async fn resolve(address: &Address, timeouts: &Timeouts) -> Result<Vec<SocketAddr>, Outcome> {
    let (host, port) = match address {
        Address::Ip(addr) => return Ok(vec![*addr]),
        Address::Hostname { host, port } => (host, port),
        // Without a proxy none is ever dialled.
        Address::Onion { .. } => {
            return Err(Outcome::ProxyError { reason: "an onion service takes one to reach".into() });
        }
    };
    match timeout(timeouts.resolve, lookup_host((host.as_str(), *port))).await {
        Ok(Ok(addrs)) => Ok(addrs.collect()),
        Ok(Err(error)) => Err(Outcome::ResolveFailed { reason: error.to_string() }),
        Err(_) => Err(Outcome::TimedOut { phase: ConnectPhase::Resolve }),
    }
}

/// Why a TCP connection did not come about.
fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::ConnectionRefused,
        io::ErrorKind::TimedOut => Outcome::TimedOut { phase: ConnectPhase::Connect },
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Outcome::ClosedDuringHandshake,
        io::ErrorKind::HostUnreachable => Outcome::HostUnreachable { reason: error.to_string() },
        _ => Outcome::LocalError { reason: error.to_string() },
    }
}

/// Of two failures at addresses of one name, the one that says more of the node.
fn more_telling(one: Outcome, other: Outcome) -> Outcome {
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
    let of_proxy = |reason: String| Outcome::ProxyError { reason };
    let stream = match timeout(timeouts.connect, TcpStream::connect(proxy)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(of_proxy(format!("{proxy} cannot be reached: {error}"))),
        Err(_) => return Err(of_proxy(format!("{proxy} cannot be reached: timed out"))),
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
        Ok(Err(error)) => Err(proxy_said(&error)),
        Err(_) => Err(Outcome::TimedOut { phase: ConnectPhase::Proxy }),
    }
}

/// What the proxy says of the node, or shows of itself.
fn proxy_said(error: &tokio_socks::Error) -> Outcome {
    use tokio_socks::Error;
    match error {
        Error::ConnectionRefused => Outcome::ConnectionRefused,
        Error::TtlExpired => Outcome::TimedOut { phase: ConnectPhase::Proxy },
        Error::HostUnreachable | Error::NetworkUnreachable => {
            Outcome::HostUnreachable { reason: format!("the proxy says {error:?}") }
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Outcome::ProxyError { reason: "it hung up".into() }
        }
        other => Outcome::ProxyError { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_failures_the_one_that_says_most_counts() {
        let none = Outcome::LocalError { reason: "no route".into() };
        let refused = more_telling(none.clone(), Outcome::ConnectionRefused);
        assert_eq!(refused, Outcome::ConnectionRefused);
        assert_eq!(more_telling(refused, none), Outcome::ConnectionRefused);
    }

    #[tokio::test]
    async fn the_first_address_that_works_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It has a port, and does not listen.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (works, refuses) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        let (stream, _) = first_of(&[refuses, works, refuses], Duration::MAX).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), works);
        let failure = |addrs: Vec<SocketAddr>| async move {
            first_of(&addrs, Duration::MAX).await.map(drop).unwrap_err().kind()
        };
        use crate::outcome::OutcomeKind as Kind;
        assert_eq!(failure(vec![refuses]).await, Kind::ConnectionRefused);
        assert_eq!(failure(vec![]).await, Kind::ResolveFailed);
        assert_eq!(
            failure([vec![refuses; MOST_ADDRESSES], vec![works]].concat()).await,
            Kind::ConnectionRefused,
            "enough"
        );
    }

    #[test]
    fn a_proxy_for_onions_leaves_others_alone() {
        let addr: SocketAddr = "127.0.0.1:9050".parse().unwrap();
        let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion".parse().unwrap();
        let name = "example.com".parse().unwrap();
        assert_eq!(Proxy::of(Some(Proxy::OnionOnly(addr)), &onion), Some(addr));
        assert_eq!(Proxy::of(Some(Proxy::OnionOnly(addr)), &name), None);
        assert_eq!(Proxy::of(Some(Proxy::AllAddresses(addr)), &name), Some(addr));
        assert_eq!(Proxy::of(None, &name), None);
    }

    #[test]
    fn what_the_system_says_is_theirs_or_ours() {
        let of = |kind: io::ErrorKind| failed(&kind.into()).kind();
        use crate::outcome::OutcomeKind as Kind;
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Kind::ConnectionRefused);
        assert_eq!(of(io::ErrorKind::TimedOut), Kind::TimedOut);
        assert_eq!(of(io::ErrorKind::HostUnreachable), Kind::HostUnreachable);
        assert_eq!(of(io::ErrorKind::NetworkUnreachable), Kind::LocalError);
        assert_eq!(of(io::ErrorKind::PermissionDenied), Kind::LocalError);
    }
}
