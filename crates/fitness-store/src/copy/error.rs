//! Why a copy was not made, or not to its end.

use fitness_core::NodeId;

use crate::StoreError;

/// Why a copy was not made, or not to its end.
///
/// What the source has is as it was, whatever happened. What was written to the target stays there, and the same
/// copy goes on with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// One of the stores did not do what it was asked.
    ///
    /// [`StoreError::Claimed`] and [`StoreError::Locked`] say that a service is running on it.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// Source and target are the same store.
    #[error("both are the same store; name another to copy to")]
    SameStore,

    /// The source has no history of an observer that was asked for.
    #[error("the source has no history of node {observer}; it has {}", several(available))]
    UnknownObserver {
        /// Who was asked for.
        observer: NodeId,
        /// Whose histories it has.
        available: Vec<NodeId>,
    },

    /// The target has another history of the same observer. Nothing was written.
    #[error(
        "the target has another history of node {observer}, which would be lost; copy to another store, \
         or ask for it to be overwritten"
    )]
    TargetExists {
        /// The observer.
        observer: NodeId,
    },

    /// A service wrote to the source while it was copied. Its observer is not listed in the target.
    #[error(
        "the history of node {observer} was written to while it was copied; stop its node, and copy again"
    )]
    SourceChanged {
        /// The observer.
        observer: NodeId,
    },

    /// What was read back is not what was written. Unless it was overwritten, its observer is not listed in the target.
    #[error(
        "{item} of node {observer} was read back, and is not what was copied; copy again, or to another store"
    )]
    VerificationFailed {
        /// The observer.
        observer: NodeId,
        /// Which record.
        item: String,
    },
}

impl CopyError {
    /// Whether the same copy may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

fn several(ids: &[NodeId]) -> String {
    let names: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
