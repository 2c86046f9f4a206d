//! State shared by all request handlers.

use std::sync::Arc;

use fitness_actor::Handle;
use fitness_advice::Policy;
use fitness_core::{NodeId, Timestamp};
use fitness_words::sanitize;
use tokio::sync::{Semaphore, watch};

use crate::Token;
use crate::advice::PeerKindFn;
use crate::summary_cache::SummaryCache;

pub(crate) type State = Arc<Shared>;

/// Returns the alias of a peer.
pub(crate) type AliasFn = Box<dyn Fn(&NodeId) -> Option<String> + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) aliases: Option<AliasFn>,
    pub(crate) token: Option<Token>,
    /// The rules behind the recommendations.
    pub(crate) policy: Policy,
    pub(crate) peer_kind: Option<PeerKindFn>,
    /// Host names that are accepted in addition to the loopback names.
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) max_metrics_peers: usize,
    pub(crate) summaries: SummaryCache,
    /// One permit for each live stream that may still be opened.
    pub(crate) stream_permits: Arc<Semaphore>,
    /// Becomes `true` when all live streams must end.
    pub(crate) streams_closed: watch::Sender<bool>,
}

impl Shared {
    /// Returns the alias of a peer, sanitized for display.
    pub(crate) fn alias(&self, node_id: &NodeId) -> Option<String> {
        sanitize(&self.aliases.as_ref()?(node_id)?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.handle.now()
    }

    /// Completes when all live streams must end.
    pub(crate) async fn wait_for_stream_close(&self) {
        // An error is impossible: `self` owns the sender.
        let _ = self.streams_closed.subscribe().wait_for(|closed| *closed).await;
    }
}
