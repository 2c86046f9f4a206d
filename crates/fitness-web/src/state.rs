//! What all requests share.

use std::sync::Arc;

use fitness_actor::Handle;
use fitness_advice::Policy;
use fitness_core::{NodeId, Timestamp};
use fitness_words::sanitize;
use tokio::sync::{Semaphore, watch};

use crate::Token;
use crate::advice::Kinds;
use crate::summaries::Summaries;

/// What all requests share.
pub(crate) type State = Arc<Shared>;

/// Says what a peer is called.
pub(crate) type Names = Box<dyn Fn(&NodeId) -> Option<String> + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) names: Option<Names>,
    pub(crate) token: Option<Token>,
    /// By which rules peers are judged.
    pub(crate) policy: Policy,
    pub(crate) kinds: Option<Kinds>,
    /// Names under which we may be asked, besides those of this machine.
    pub(crate) hosts: Vec<String>,
    pub(crate) max_metrics_peers: usize,
    pub(crate) summaries: Summaries,
    /// Live streams that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
    /// Whether live streams are to end.
    pub(crate) closing: watch::Sender<bool>,
}

impl Shared {
    /// What a peer calls itself, as far as that is harmless.
    pub(crate) fn name(&self, node_id: &NodeId) -> Option<String> {
        sanitize(&self.names.as_ref()?(node_id)?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.handle.now()
    }

    /// Waits until live streams are to end.
    pub(crate) async fn closed(&self) {
        // The sender is ours, so there always is one.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}
