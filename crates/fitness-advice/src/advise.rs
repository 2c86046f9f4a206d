//! What to close and what to keep.

use std::cmp::Ordering;

use fitness_core::NodeId;

use crate::{Evidence, PeerKind, Policy, Quartiles, Reason, Score};

/// What is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Recommendation {
    /// Its money would be better off elsewhere.
    Close,
    /// It is to be looked at: something is wrong with its connection, or between us.
    Review,
    /// Too little is known of it. One that is young and [gone](Policy::long_offline_after_ns) is to be looked at, though.
    InsufficientData,
    /// Nothing speaks against it.
    Keep,
    /// It was not judged, as it was asked for.
    Ignored,
}

/// What is recommended for one peer, and why.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Advice {
    /// The peer.
    pub node_id: NodeId,
    /// What to do.
    pub recommendation: Recommendation,
    /// Why: every rule that it broke, the gravest first. Empty where nothing speaks against it.
    pub reasons: Vec<Reason>,
    /// Its score; `None` while nothing was observed.
    pub score: Option<Score>,
}

impl Advice {
    /// The order in which advice is read: the gravest first, of those the least reliable, and who has no score
    /// last.
    #[must_use]
    pub fn by_severity(&self, other: &Self) -> Ordering {
        let value = |advice: &Self| advice.score.map_or(f64::INFINITY, |score| score.value);
        self.recommendation.cmp(&other.recommendation).then(value(self).total_cmp(&value(other)))
    }
}

/// Judges peers by `policy`, in the order of `peers`.
///
/// Each is held against the others, so all are to be passed in. Those that are ignored, too young, private
/// or mobile are no part of that comparison. Where the log dropped something, a peer is given the benefit
/// of the doubt.
#[must_use]
pub fn advise(peers: &[Evidence], policy: &Policy) -> Vec<Advice> {
    let compared = peers.iter().filter(|peer| is_compared(peer, policy));
    let among = compared.clone().count();
    let quartiles = Quartiles::of(compared.filter_map(|peer| peer.stats.window.availability));
    peers.iter().map(|peer| judge(peer, policy, quartiles, among)).collect()
}

fn is_compared(peer: &Evidence, policy: &Policy) -> bool {
    peer.kind == PeerKind::Routing
        && peer.observed_ns >= policy.min_observed_ns
        && peer.stats.window.availability.is_some()
        && !policy.ignore.contains(&peer.node_id)
}

fn judge(peer: &Evidence, policy: &Policy, quartiles: Option<Quartiles>, among: usize) -> Advice {
    let advice = |verdict, reasons| Advice {
        node_id: peer.node_id,
        recommendation: verdict,
        reasons,
        score: peer.score(),
    };
    if policy.ignore.contains(&peer.node_id) {
        return advice(Recommendation::Ignored, vec![Reason::Ignored]);
    }
    let mut reasons: Vec<Reason> = gone(peer, policy).into_iter().collect();
    if peer.observed_ns < policy.min_observed_ns {
        let verdict =
            if reasons.is_empty() { Recommendation::InsufficientData } else { Recommendation::Review };
        reasons.push(Reason::InsufficientData {
            observed_ns: peer.observed_ns,
            needed_ns: policy.min_observed_ns,
        });
        return advice(verdict, reasons);
    }
    if peer.kind != PeerKind::Routing {
        let verdict = if reasons.is_empty() { Recommendation::Keep } else { Recommendation::Close };
        reasons.push(Reason::NotCompared);
        return advice(verdict, reasons);
    }
    reasons.extend(below_threshold(peer, policy));
    reasons.extend(outlier(peer, policy, quartiles, among));
    let is_bad = !reasons.is_empty();
    reasons.extend(flapping(peer, policy));
    let verdict = match (is_bad, reasons.is_empty()) {
        (true, _) => Recommendation::Close,
        (false, false) => Recommendation::Review,
        (false, true) => Recommendation::Keep,
    };
    advice(verdict, reasons)
}

fn gone(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let (offline_ns, limit_ns) = (peer.offline_ns, policy.long_offline_after_ns?);
    (offline_ns >= limit_ns).then_some(Reason::LongOffline { offline_ns, limit_ns })
}

/// Its availability if all that the log dropped was in its favour.
// Lengths of time become a ratio.
#[allow(clippy::cast_precision_loss)]
fn upper_bound(peer: &Evidence) -> Option<f64> {
    let window = &peer.stats.window;
    let availability = window.availability?;
    let doubt = window.uptime_error_ns.saturating_add(window.observed_error_ns);
    Some((availability + doubt as f64 / window.observed_ns as f64).min(1.0))
}

fn below_threshold(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let (availability, threshold) = (peer.stats.window.availability?, policy.availability_threshold?);
    let observed_ns = peer.stats.window.observed_ns;
    (upper_bound(peer)? <= threshold).then_some(Reason::AvailabilityLow {
        availability,
        threshold,
        observed_ns,
    })
}

fn outlier(peer: &Evidence, policy: &Policy, quartiles: Option<Quartiles>, among: usize) -> Option<Reason> {
    let (availability, style, quartiles) = (peer.stats.window.availability?, policy.outlier?, quartiles?);
    let first_quartile = quartiles.first;
    let fence = quartiles.lower_fence(style.iqr_multiplier()).min(first_quartile - policy.outlier_margin);
    (upper_bound(peer)? < fence).then_some(Reason::Outlier {
        availability,
        lower_fence: fence,
        first_quartile,
        compared_peers: among,
    })
}

fn flapping(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let limit = policy.max_flaps_7d?;
    let changes = peer.flaps_7d;
    (changes > limit).then_some(Reason::Flapping { flaps: changes, limit })
}
