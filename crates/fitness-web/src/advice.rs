//! What is recommended of all peers that are followed, from the summaries that their list has.

use fitness_advice::{Advice, Evidence, PeerKind, Policy, advise};
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp};

use crate::state::Shared;
use crate::summaries::Summaries;

/// Says what sort of peer one is.
pub(crate) type Kinds = Box<dyn Fn(&NodeId) -> PeerKind + Send + Sync>;

/// What is recommended.
pub(crate) struct Advised {
    /// The moment of the question.
    pub(crate) at: Timestamp,
    /// The window that they were judged by.
    pub(crate) span: StandardWindow,
    /// The gravest first, and of those the least reliable.
    pub(crate) advice: Vec<Advice>,
    /// How many are not judged yet, since their histories are still being read.
    pub(crate) missing: usize,
    /// Why one of those cannot be, where that is so.
    pub(crate) failure: Option<String>,
}

/// The window that peers are judged by. A shorter one does not reach back as far as the rules do.
const fn span(policy: &Policy) -> StandardWindow {
    match policy.window {
        StandardWindow::Lifetime => StandardWindow::Lifetime,
        _ => StandardWindow::Quarter,
    }
}

impl Advised {
    /// Judges everybody.
    ///
    /// # Errors
    ///
    /// That they are too many to be held against each other, in words.
    pub(crate) async fn now(state: &Shared) -> Result<Self, String> {
        let (at, peers): (_, Vec<PeerReport>) = (state.now(), state.handle.peers());
        if peers.len() > Summaries::capacity() {
            let most = Summaries::capacity();
            return Err(format!(
                "peers are judged beside each other, up to {most} of them, not {}",
                peers.len()
            ));
        }
        let span = span(&state.policy);
        let gathered = state.summaries.gather(&peers, span, at).await;
        let kind =
            |node_id: &NodeId| state.kinds.as_ref().map_or_else(PeerKind::default, |kinds| kinds(node_id));
        let evidence: Vec<Evidence> = peers
            .iter()
            .filter_map(|peer| gathered.get(&peer.node_id)?.evidence.clone())
            .map(|evidence| {
                let kind = kind(&evidence.node_id);
                evidence.with_kind(kind)
            })
            .collect();
        let mut advice = advise(&evidence, &state.policy);
        advice.sort_by(Advice::by_severity);
        Ok(Self { at, span, advice, missing: gathered.missing, failure: gathered.failure })
    }
}
