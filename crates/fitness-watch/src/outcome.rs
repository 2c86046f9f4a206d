//! The outcome of an attempt to connect.

use std::fmt;
use std::time::Duration;

use crate::chain::Chain;

/// The outcome of an attempt to connect: success, or the phase and cause of the failure.
///
/// # Reliability
///
/// - A listener that closes the connection without a reply may be a node with another key, or a different
///   service. The watcher therefore dials a second time at once and delays the last byte of its first
///   message. A listener that closes the connection before that byte, or long after it, has not acted on the
///   message ([`Outcome::ClosedDuringHandshake`]). A listener that waits for that byte and then closes the
///   connection at once has read the whole message and cannot decrypt it, as BOLT 8 prescribes for a node
///   with another key ([`Outcome::WrongKey`]). A different service that waits for exactly 50 bytes cannot be
///   distinguished from that; none is known.
/// - A listener that never replies ([`Outcome::TimedOut`] in [`ConnectPhase::Handshake`]) may be an
///   overloaded node or a service that expects more data. The two cannot be distinguished.
/// - Through a proxy, the outcome is the one that the proxy reports. Tor reports many failures as an
///   unreachable host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "outcome", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Outcome {
    /// The node completed the handshake and sent its `init`.
    Connected(ConnectTimings),
    /// The host, or a firewall, refused the TCP connection: nothing listens at this port.
    ConnectionRefused,
    /// A phase did not finish in time.
    TimedOut {
        /// The phase.
        phase: ConnectPhase,
    },
    /// A router or the proxy reported that the host is unreachable.
    HostUnreachable {
        /// The reported error.
        reason: String,
    },
    /// The host name did not resolve. The cause may be the name or our resolver.
    ResolveFailed {
        /// The resolver's error.
        reason: String,
    },
    /// The listener closed the connection before it had received all of our first message, or in the middle
    /// of its reply.
    ClosedDuringHandshake,
    /// Something other than a Lightning node replied.
    NotLightning,
    /// The listener behaves like a Lightning node with another key.
    WrongKey,
    /// The node proved its key and closed the connection before its `init`. It may have no free slots, or not
    /// accept our node id.
    RejectedByPeer,
    /// The node proved its key, and LDK rejected its `init`: it requires unknown features or is malformed.
    Incompatible,
    /// The node is not on the expected network.
    WrongNetwork {
        /// The chains that the node announced.
        chains: Vec<Chain>,
    },
    /// Our proxy failed.
    ProxyError {
        /// What failed.
        reason: String,
    },
    /// Our own system could not dial: it has no network, no route or no free file descriptors.
    LocalError {
        /// The operating system's error.
        reason: String,
    },
}

/// A phase of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ConnectPhase {
    /// Resolving the host name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Waiting for the proxy to connect.
    Proxy,
    /// Waiting for the node's part of the BOLT 8 handshake, which proves its key.
    Handshake,
    /// Waiting for the `init` message, the first message of a Lightning connection.
    Init,
}

/// How long each phase of connecting took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectTimings {
    /// Resolving the host name; 0 if the address is not a host name.
    #[cfg_attr(feature = "serde", serde(rename = "resolve_ns", serialize_with = "crate::nanos::serialize"))]
    pub resolve: Duration,
    /// Opening the TCP connection, or everything that the proxy did.
    #[cfg_attr(feature = "serde", serde(rename = "connect_ns", serialize_with = "crate::nanos::serialize"))]
    pub connect: Duration,
    /// The BOLT 8 handshake: one round trip.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "handshake_ns", serialize_with = "crate::nanos::serialize")
    )]
    pub handshake: Duration,
    /// From the handshake to the node's `init`: another round trip.
    #[cfg_attr(feature = "serde", serde(rename = "init_ns", serialize_with = "crate::nanos::serialize"))]
    pub init: Duration,
}

impl ConnectTimings {
    /// Returns the sum of all phases.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.resolve + self.connect + self.handshake + self.init
    }
}

/// The kind of an [`Outcome`]. The order is that of the phases of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[allow(missing_docs, reason = "`Outcome` documents them")]
#[non_exhaustive]
pub enum OutcomeKind {
    LocalError,
    ProxyError,
    ResolveFailed,
    HostUnreachable,
    ConnectionRefused,
    TimedOut,
    ClosedDuringHandshake,
    NotLightning,
    WrongKey,
    RejectedByPeer,
    Incompatible,
    WrongNetwork,
    Connected,
}

/// What an outcome implies about a node's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The node is connected.
    Online,
    /// The node was reached but cannot be used, so it is neither online nor offline.
    Unusable,
    /// The node is not reachable, and our network works.
    Offline,
    /// The node is offline if our network works; otherwise nothing follows.
    OfflineIfNetworkUp,
    /// Nothing follows about the node.
    None,
}

impl Outcome {
    /// Returns the kind of the outcome.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Connected(_) => OutcomeKind::Connected,
            Self::ConnectionRefused => OutcomeKind::ConnectionRefused,
            Self::TimedOut { .. } => OutcomeKind::TimedOut,
            Self::HostUnreachable { .. } => OutcomeKind::HostUnreachable,
            Self::ResolveFailed { .. } => OutcomeKind::ResolveFailed,
            Self::ClosedDuringHandshake => OutcomeKind::ClosedDuringHandshake,
            Self::NotLightning => OutcomeKind::NotLightning,
            Self::WrongKey => OutcomeKind::WrongKey,
            Self::RejectedByPeer => OutcomeKind::RejectedByPeer,
            Self::Incompatible => OutcomeKind::Incompatible,
            Self::WrongNetwork { .. } => OutcomeKind::WrongNetwork,
            Self::ProxyError { .. } => OutcomeKind::ProxyError,
            Self::LocalError { .. } => OutcomeKind::LocalError,
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        match self {
            Self::Connected(_) => Evidence::Online,
            Self::ConnectionRefused | Self::WrongKey => Evidence::Offline,
            Self::TimedOut {
                phase:
                    ConnectPhase::Connect | ConnectPhase::Proxy | ConnectPhase::Handshake | ConnectPhase::Init,
            }
            | Self::HostUnreachable { .. }
            | Self::ClosedDuringHandshake
            | Self::NotLightning => Evidence::OfflineIfNetworkUp,
            Self::WrongNetwork { .. } | Self::Incompatible | Self::RejectedByPeer => Evidence::Unusable,
            Self::TimedOut { phase: ConnectPhase::Resolve }
            | Self::ResolveFailed { .. }
            | Self::ProxyError { .. }
            | Self::LocalError { .. } => Evidence::None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(timings) => write!(f, "connected in {:.1?}", timings.total()),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::TimedOut { phase } => write!(f, "timed out {phase}"),
            Self::HostUnreachable { reason } => write!(f, "host unreachable: {reason}"),
            Self::ResolveFailed { reason } => write!(f, "host name not resolved: {reason}"),
            Self::ClosedDuringHandshake => f.write_str("connection closed during the handshake"),
            Self::NotLightning => f.write_str("not a Lightning node"),
            Self::WrongKey => f.write_str("wrong key: another node uses this address"),
            Self::RejectedByPeer => f.write_str("rejected by the peer: connection closed before init"),
            Self::Incompatible => f.write_str("incompatible: LDK rejected the peer's init"),
            Self::WrongNetwork { chains } => {
                f.write_str("wrong network: the node is on ")?;
                for (i, chain) in chains.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{chain}")?;
                }
                Ok(())
            }
            Self::ProxyError { reason } => write!(f, "proxy error: {reason}"),
            Self::LocalError { reason } => write!(f, "local error: {reason}"),
        }
    }
}

impl fmt::Display for ConnectPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Connect => "opening the TCP connection",
            Self::Proxy => "waiting for the proxy",
            Self::Handshake => "waiting for the handshake reply",
            Self::Init => "waiting for init",
        })
    }
}
