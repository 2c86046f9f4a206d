//! Errors of the service. [`Handle::record`](crate::Handle::record) and queries answered from memory cannot
//! fail.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use fitness_store::StoreError;

/// Why the service did not start. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The stored history could not be read.
    #[error("cannot load the stored history")]
    Load {
        /// The error of the store.
        source: StoreError,
    },

    /// Another service writes for the same observer, or the store could not rule that out.
    #[error("cannot claim the stored history")]
    Claim {
        /// The error of the store.
        source: StoreError,
    },

    /// The operating system returned no random bytes. The hash tables need a random seed because peers choose
    /// their own keys.
    #[error("cannot get random bytes from the operating system")]
    Random {
        /// The error of the operating system.
        source: getrandom::Error,
    },

    /// [`ServiceBuilder::start`](crate::ServiceBuilder::start) was called outside a tokio runtime.
    #[error("no tokio runtime: start the service within one")]
    NoRuntime,
}

/// Why some of the recorded changes are not stored yet. The changes are kept, and are retried while the
/// service runs.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The commit failed.
    #[error("cannot store the changes")]
    Store {
        /// The error of the store.
        source: Arc<StoreError>,
    },

    /// The store did not respond in time.
    #[error("the store did not respond within {timeout:?}")]
    TimedOut {
        /// The timeout.
        timeout: Duration,
    },

    /// The service no longer runs.
    #[error("the service has stopped")]
    Stopped,
}

/// Why changes were left unstored at shutdown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The last changes could not be stored within the shutdown timeout.
    #[error("changes of {unstored_peers} peers were not stored within {timeout:?}")]
    NotFlushed {
        /// The number of peers with changes that are not known to be stored. Their stored records are intact,
        /// as of the last successful commit.
        unstored_peers: usize,
        /// The shutdown timeout.
        timeout: Duration,
        /// The last error.
        source: FlushError,
    },

    /// The service's task had already ended: its runtime was shut down, or the store panicked.
    #[error("changes of {unstored_peers} peers were not stored: the service had already stopped")]
    AlreadyStopped {
        /// The number of peers with changes that are not known to be stored.
        unstored_peers: usize,
    },
}

/// Returns the message of an error followed by those of its sources. Omits a source that the text already
/// contains.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_chained_and_not_repeated() {
        let store_error = Arc::new(StoreError::Locked { location: "fitness.redb".into() });
        let store_text = store_error.to_string();
        let error = ShutdownError::NotFlushed {
            unstored_peers: 3,
            timeout: Duration::from_secs(10),
            source: FlushError::Store { source: store_error },
        };
        assert!(!error.to_string().contains(&store_text), "{error}");
        let text = with_sources(&error);
        assert_eq!(text.matches(&store_text).count(), 1, "{text}");
    }
}
