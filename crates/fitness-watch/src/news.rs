//! Being told of attempts and connections as they come.

use std::time::Duration;

use fitness_core::{NodeId, Timestamp};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::report::{Attempt, DisconnectReason};

/// How much is kept for a reader that is slow.
const CAPACITY: usize = 1_024;

/// What happened with a node that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WatchEvent {
    /// It was dialled.
    #[non_exhaustive]
    Dialled {
        /// The node.
        node_id: NodeId,
        /// How that went.
        #[cfg_attr(feature = "serde", serde(flatten))]
        attempt: Attempt,
    },
    /// Its connection came to an end.
    #[non_exhaustive]
    Disconnected {
        /// The node.
        node_id: NodeId,
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// How.
        reason: DisconnectReason,
        /// How long it had lasted.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "connected_for_ns", serialize_with = "crate::nanos::serialize")
        )]
        connected_for: Duration,
    },
}

impl WatchEvent {
    /// Whom it is about.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Dialled { node_id, .. } | Self::Disconnected { node_id, .. } => *node_id,
        }
    }
}

/// A stream of [`News`], in the order in which they happen, from its making on.
///
/// 1,024 wait for a reader at most. One that is slower loses the oldest, and is told how many.
#[derive(Debug)]
pub struct WatchEvents {
    news: broadcast::Receiver<WatchEvent>,
}

/// A reader was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{skipped} events were missed")]
pub struct WatchLagged {
    /// How many it lost. The next that it gets are the oldest that were kept.
    pub skipped: u64,
}

impl WatchEvents {
    /// Waits for what happens next; `None` once the watcher has stopped and all was read.
    ///
    /// Cancel-safe: a call whose future is dropped takes nothing.
    ///
    /// # Errors
    ///
    /// [`WatchLagged`] where some were lost because this reader was too slow.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, WatchLagged>> {
        match self.news.recv().await {
            Ok(news) => Some(Ok(news)),
            Err(RecvError::Lagged(count)) => Some(Err(WatchLagged { skipped: count })),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Where news are told.
#[derive(Debug)]
pub(crate) struct Herald(broadcast::Sender<WatchEvent>);

impl Herald {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    pub(crate) fn tell(&self, news: WatchEvent) {
        // Where nobody listens there is nobody to tell.
        let _ = self.0.send(news);
    }

    pub(crate) fn feed(&self) -> WatchEvents {
        WatchEvents { news: self.0.subscribe() }
    }
}
