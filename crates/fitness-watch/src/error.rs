//! Errors that prevent a watcher from starting.

use fitness_core::NodeId;

/// An error that prevents a watcher from starting. The service's state is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The watcher was started outside a tokio runtime.
    #[error("cannot start the watcher outside a tokio runtime")]
    NoRuntime,
    /// No targets were given.
    #[error("no nodes to watch: give at least one, as NODE_ID@HOST:PORT")]
    NoTargets,
    /// A target has an onion address, and no proxy is configured.
    #[error("{node_id} has an onion address, which requires a SOCKS5 proxy such as Tor's at 127.0.0.1:9050")]
    OnionWithoutProxy {
        /// The node.
        node_id: NodeId,
    },
    /// The operating system provides no random numbers, so no connection would be secure.
    #[error("cannot read random numbers from the operating system")]
    RandomnessUnavailable {
        /// The operating system's error.
        source: getrandom::Error,
    },
    /// The identity's seed does not yield a valid key.
    #[error("the identity seed does not yield a valid key; use another seed")]
    InvalidSeed,
}
