//! The error type of a copy.

use fitness_core::NodeId;

use crate::StoreError;

/// The error of a copy that did not complete.
///
/// The source is never changed. Records already written to the target stay there, and running the same
/// copy again resumes with them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// An operation of one of the stores failed.
    ///
    /// [`StoreError::Claimed`] and [`StoreError::Locked`] mean that a service is running on that store.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// Source and target are the same store.
    #[error("source and target are the same store; choose another target")]
    SameStore,

    /// The source has no history of a requested observer.
    #[error("no history of node {observer} in the source, which has {}", list_or_none(available))]
    UnknownObserver {
        /// The requested observer.
        observer: NodeId,
        /// The observers whose histories the source has.
        available: Vec<NodeId>,
    },

    /// The target already has a different history of the observer. That history was not changed.
    #[error(
        "the target already has a different history of node {observer}; \
         choose another target, or allow overwriting"
    )]
    TargetExists {
        /// The observer.
        observer: NodeId,
    },

    /// A service wrote to the source during the copy. The target does not list the observer, unless it
    /// was being overwritten.
    #[error("the history of node {observer} changed during the copy; stop its service and copy again")]
    SourceChanged {
        /// The observer.
        observer: NodeId,
    },

    /// A record read back from the target differs from the source. The target does not list the observer,
    /// unless it was being overwritten.
    #[error(
        "verification failed: {item} of node {observer} differs from the source; \
         copy again, or choose another target"
    )]
    VerificationFailed {
        /// The observer.
        observer: NodeId,
        /// The first record that differs.
        item: String,
    },
}

impl CopyError {
    /// Returns whether the same copy may succeed later without intervention.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

fn list_or_none(ids: &[NodeId]) -> String {
    let ids: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}
