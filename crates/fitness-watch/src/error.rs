//! Why a watcher does not start.

use fitness_core::NodeId;

/// Why a watcher does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It was to start outside a tokio runtime.
    #[error("there is no tokio runtime: start the watcher within one")]
    NoRuntime,
    /// There is nobody to watch.
    #[error("there is nobody to watch: name at least one node, as NODE@HOST:PORT")]
    NoTargets,
    /// An onion service is to be watched, and there is no proxy.
    #[error("{node_id} is at an onion service: that takes a SOCKS5 proxy, such as Tor's at 127.0.0.1:9050")]
    OnionWithoutProxy {
        /// The node.
        node_id: NodeId,
    },
    /// The system has no random numbers, so no connection could be secure.
    #[error("the system has no random numbers")]
    RandomnessUnavailable {
        /// What it says.
        source: getrandom::Error,
    },
    /// No key grows from the identity's seed.
    #[error("no key grows from the identity's seed: use another one")]
    InvalidSeed,
}
