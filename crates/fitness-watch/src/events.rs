//! A stream of connection attempts and disconnects.

use std::time::Duration;

use fitness_core::{NodeId, Timestamp};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::report::{Attempt, DisconnectReason};

/// How many events are buffered for a slow reader.
const CAPACITY: usize = 1_024;

/// An event of a watched node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WatchEvent {
    /// An attempt to connect to the node finished.
    #[non_exhaustive]
    Dialled {
        /// The node.
        node_id: NodeId,
        /// The attempt and its outcome.
        #[cfg_attr(feature = "serde", serde(flatten))]
        attempt: Attempt,
    },
    /// The connection to the node ended.
    #[non_exhaustive]
    Disconnected {
        /// The node.
        node_id: NodeId,
        /// When the connection ended.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// Why the connection ended.
        reason: DisconnectReason,
        /// How long the node had been connected.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "connected_for_ns", serialize_with = "crate::nanos::serialize")
        )]
        connected_for: Duration,
    },
}

impl WatchEvent {
    /// Returns the node that the event is about.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Dialled { node_id, .. } | Self::Disconnected { node_id, .. } => *node_id,
        }
    }
}

/// A stream of [`WatchEvent`]s, in the order in which they happen, starting with the subscription.
///
/// Up to 1,024 events are buffered. A reader that falls further behind loses the oldest ones and receives a
/// [`WatchLagged`] with their number.
#[derive(Debug)]
pub struct WatchEvents {
    receiver: broadcast::Receiver<WatchEvent>,
}

/// The error that a reader receives when it was too slow and lost events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{skipped} watch events were skipped because the reader was too slow")]
pub struct WatchLagged {
    /// The number of lost events. The next event is the oldest one that is still buffered.
    pub skipped: u64,
}

impl WatchEvents {
    /// Waits for the next event. Returns `None` once the watcher has stopped and all events were read.
    ///
    /// Cancel-safe: dropping the future of a call loses no event.
    ///
    /// # Errors
    ///
    /// [`WatchLagged`] if events were lost because this reader was too slow.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, WatchLagged>> {
        match self.receiver.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(skipped)) => Some(Err(WatchLagged { skipped })),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Sends events to all subscribers.
#[derive(Debug)]
pub(crate) struct EventSender(broadcast::Sender<WatchEvent>);

impl EventSender {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    pub(crate) fn send(&self, event: WatchEvent) {
        // Fails only if there are no subscribers.
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self) -> WatchEvents {
        WatchEvents { receiver: self.0.subscribe() }
    }
}
