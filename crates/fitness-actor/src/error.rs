//! What can go wrong with the service itself. The handle's `record` and its questions cannot fail.

use std::sync::Arc;
use std::time::Duration;

use fitness_store::StoreError;

/// Why the service did not start. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// What earlier processes stored could not be read.
    #[error("the history could not be loaded: {source}")]
    Load {
        /// What the store said.
        source: StoreError,
    },

    /// Another service stores for the same observer, or the store could not tell.
    #[error("the history could not be claimed: {source}")]
    Claim {
        /// What the store said.
        source: StoreError,
    },

    /// The operating system has no randomness to give, which the hash tables need: peers choose
    /// their own keys.
    #[error("the operating system gave no random bytes: {source}")]
    Random {
        /// What the system said.
        source: getrandom::Error,
    },

    /// There is no tokio runtime here.
    #[error("the service has to be started within a tokio runtime")]
    NoRuntime,
}

/// Why not everything that was recorded is stored. It is kept, and will be tried again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The store refused.
    #[error("{source}")]
    Store {
        /// What it said.
        source: Arc<StoreError>,
    },

    /// The store did not answer in time.
    #[error("the store did not answer within {timeout:?}")]
    TimedOut {
        /// How long it was given.
        timeout: Duration,
    },

    /// The service does not run any more.
    #[error("the service has stopped")]
    Stopped,
}

/// Why a shutdown left something behind that was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The store did not take the last changes within the time that it was given.
    #[error(
        "the changes of {unstored_peers} peers are lost, as the store did not take them within {timeout:?}"
    )]
    NotFlushed {
        /// How many peers have changes that are not known to be stored. Their stored records are
        /// whole, and as they were at the last commit.
        unstored_peers: usize,
        /// How long the store was given.
        timeout: Duration,
        /// The last thing that went wrong.
        #[source]
        source: FlushError,
    },

    /// The task that stores had ended before: its runtime was shut down, or the store panicked.
    #[error("the changes of {unstored_peers} peers are lost, as the service had stopped before")]
    AlreadyStopped {
        /// How many peers have changes that are not known to be stored.
        unstored_peers: usize,
    },
}
