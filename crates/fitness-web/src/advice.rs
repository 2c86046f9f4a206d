//! Recommendations for all tracked peers, computed from cached summaries.

use fitness_advice::{Advice, Evidence, PeerKind, Policy, advise};
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp};

use crate::state::Shared;
use crate::summary_cache::SummaryCache;

/// Returns the kind of a peer.
pub(crate) type PeerKindFn = Box<dyn Fn(&NodeId) -> PeerKind + Send + Sync>;

/// Recommendations for all tracked peers.
pub(crate) struct Evaluation {
    /// When the recommendations were computed.
    pub(crate) at: Timestamp,
    /// The window that they are based on.
    pub(crate) window: StandardWindow,
    /// Most urgent first; peers with the same recommendation are ordered by score, lowest first.
    pub(crate) advice: Vec<Advice>,
    /// Number of peers without a recommendation because their history is still loading.
    pub(crate) pending: usize,
    /// Why a history could not be read, if one could not.
    pub(crate) failure: Option<String>,
}

/// Returns the window to evaluate. The rules need at least 90 days of history.
const fn evaluation_window(policy: &Policy) -> StandardWindow {
    match policy.window {
        StandardWindow::Lifetime => StandardWindow::Lifetime,
        _ => StandardWindow::Quarter,
    }
}

impl Evaluation {
    /// Evaluates all tracked peers.
    ///
    /// # Errors
    ///
    /// A message for the user if there are more peers than the cache holds: peers are compared with each
    /// other, so all summaries are needed at once.
    pub(crate) async fn compute(state: &Shared) -> Result<Self, String> {
        let (at, peers): (_, Vec<PeerReport>) = (state.now(), state.handle.peers());
        let capacity = SummaryCache::capacity();
        if peers.len() > capacity {
            return Err(format!(
                "too many peers for recommendations: {} (the limit is {capacity})",
                peers.len()
            ));
        }
        let window = evaluation_window(&state.policy);
        let loaded = state.summaries.load(&peers, window, at).await;
        let kind_of = |node_id: &NodeId| {
            state.peer_kind.as_ref().map_or_else(PeerKind::default, |peer_kind| peer_kind(node_id))
        };
        let evidence: Vec<Evidence> = peers
            .iter()
            .filter_map(|peer| loaded.get(&peer.node_id)?.evidence.clone())
            .map(|evidence| {
                let kind = kind_of(&evidence.node_id);
                evidence.with_kind(kind)
            })
            .collect();
        let mut advice = advise(&evidence, &state.policy);
        advice.sort_by(Advice::by_severity);
        Ok(Self { at, window, advice, pending: loaded.pending, failure: loaded.failure })
    }
}
