//! What became of an attempt to connect.

use std::fmt;
use std::time::Duration;

use crate::chain::Chain;

/// What became of an attempt to connect, and where it failed.
///
/// # How sure that is
///
/// - A listener that hangs up without a word may have the wrong key, or be something else. So it is asked
///   a second time at once, and the last byte of our first message is held back for a moment. Who hangs up
///   before that byte has not looked at our message, and who does long after it was tired of waiting
///   ([`Outcome::ClosedDuringHandshake`]). Who waits for it and then hangs up at once has read the message whole and cannot
///   decrypt it: that is what BOLT 8 tells a node to do that has another key ([`Outcome::WrongKey`]).
///   Another service that happens to wait for exactly fifty bytes looks the same; we know of none.
/// - A listener that never answers ([`Outcome::TimedOut`] in the handshake) may be a node that is
///   overloaded, or a service that waits for more than we say: that cannot be told apart.
/// - Through a proxy we know what the proxy says. Tor says of many failures that the host is unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "outcome", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Outcome {
    /// It is the node, and it has greeted us.
    Connected(ConnectTimings),
    /// There is nobody at this port, or a firewall says so.
    ConnectionRefused,
    /// Nothing came in time.
    TimedOut {
        /// What we waited for.
        phase: ConnectPhase,
    },
    /// There is no way to the host: a router, or the proxy, says so.
    HostUnreachable {
        /// What it said.
        reason: String,
    },
    /// The host's name does not resolve. Whether that is its owner's fault or our resolver's is not known.
    ResolveFailed {
        /// What the resolver said.
        reason: String,
    },
    /// The connection was closed during the handshake, and before the other side had even seen our
    /// first message whole; or it broke while the other side was answering.
    ClosedDuringHandshake,
    /// Something other than a Lightning node answered.
    NotLightning,
    /// There is a Lightning node, by all signs, and it is another one.
    WrongKey,
    /// It is the node: it closed the connection before it greeted us. It may be full, or not want us.
    RejectedByPeer,
    /// It is the node: it demands what we do not know, or its greeting is none.
    Incompatible,
    /// It is the node, and it is on other chains than the one asked for.
    WrongNetwork {
        /// Those that it says it is on.
        chains: Vec<Chain>,
    },
    /// Our proxy does not do what it should.
    ProxyError {
        /// In which way.
        reason: String,
    },
    /// We could not even begin: we have no network, no route to it, or no more file descriptors.
    LocalError {
        /// What the system said.
        reason: String,
    },
}

/// What an attempt was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ConnectPhase {
    /// The address that a name has.
    Resolve,
    /// The TCP connection.
    Connect,
    /// A connection through the proxy.
    Proxy,
    /// The other side's part of the BOLT 8 handshake, which proves who it is.
    Handshake,
    /// The `init` message, with which a Lightning connection begins.
    Init,
}

/// How long the parts of connecting took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectTimings {
    /// Resolving the name; 0 where there was none to resolve.
    #[cfg_attr(feature = "serde", serde(rename = "resolve_ns", serialize_with = "crate::nanos::serialize"))]
    pub resolve: Duration,
    /// The TCP connection, or all that the proxy did.
    #[cfg_attr(feature = "serde", serde(rename = "connect_ns", serialize_with = "crate::nanos::serialize"))]
    pub connect: Duration,
    /// The handshake: one way there and back.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "handshake_ns", serialize_with = "crate::nanos::serialize")
    )]
    pub handshake: Duration,
    /// From there to the node's `init`: another way there and back.
    #[cfg_attr(feature = "serde", serde(rename = "init_ns", serialize_with = "crate::nanos::serialize"))]
    pub init: Duration,
}

impl ConnectTimings {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.resolve + self.connect + self.handshake + self.init
    }
}

/// The kinds of [`Outcome`], to count them by. In the order in which an attempt can come to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[allow(missing_docs, reason = "they are documented at `Outcome`")]
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

/// What an outcome says of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there.
    Online,
    /// It is there, and of no use to us.
    Present,
    /// It is not there, and our network is fine.
    Offline,
    /// It is not there, if our network is fine.
    OfflineIfWeAreFine,
    /// Nothing.
    Unknown,
}

impl Outcome {
    /// Its kind.
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

    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Connected(_) => Verdict::Online,
            Self::ConnectionRefused | Self::WrongKey => Verdict::Offline,
            Self::TimedOut {
                phase:
                    ConnectPhase::Connect | ConnectPhase::Proxy | ConnectPhase::Handshake | ConnectPhase::Init,
            }
            | Self::HostUnreachable { .. }
            | Self::ClosedDuringHandshake
            | Self::NotLightning => Verdict::OfflineIfWeAreFine,
            Self::WrongNetwork { .. } | Self::Incompatible | Self::RejectedByPeer => Verdict::Present,
            Self::TimedOut { phase: ConnectPhase::Resolve }
            | Self::ResolveFailed { .. }
            | Self::ProxyError { .. }
            | Self::LocalError { .. } => Verdict::Unknown,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(took) => write!(f, "connected in {:.1?}", took.total()),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::TimedOut { phase: stage } => write!(f, "timed out: {stage}"),
            Self::HostUnreachable { reason } => write!(f, "unreachable: {reason}"),
            Self::ResolveFailed { reason } => write!(f, "the name does not resolve: {reason}"),
            Self::ClosedDuringHandshake => f.write_str("hung up during the handshake"),
            Self::NotLightning => f.write_str("something answers that is no Lightning node"),
            Self::WrongKey => f.write_str("wrong key: another node is there"),
            Self::RejectedByPeer => f.write_str("turned away: it closed the connection before its init"),
            Self::Incompatible => f.write_str("incompatible: it requires what we do not know"),
            Self::WrongNetwork { chains } => {
                f.write_str("wrong network: it is on ")?;
                for (i, chain) in chains.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{chain}")?;
                }
                Ok(())
            }
            Self::ProxyError { reason } => write!(f, "the proxy: {reason}"),
            Self::LocalError { reason } => write!(f, "our own system: {reason}"),
        }
    }
}

impl fmt::Display for ConnectPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the name was not resolved",
            Self::Connect => "no TCP connection came about",
            Self::Proxy => "the proxy brought no connection about",
            Self::Handshake => "somebody listens there and does not answer",
            Self::Init => "the node is there and sends no init",
        })
    }
}
