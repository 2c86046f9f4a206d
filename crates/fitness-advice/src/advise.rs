//! Recommendations: which channels to close and which to keep.

use std::cmp::Ordering;

use fitness_core::NodeId;

use crate::{Evidence, PeerKind, Policy, Quartiles, Reason, Score};

/// What to do about a peer's channels. Ordered by severity, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Recommendation {
    /// Close the channels and use the funds for another peer.
    Close,
    /// Review the peer: its connection has a problem.
    Review,
    /// The peer was not observed for long enough to be evaluated. If it has been offline for
    /// [`Policy::long_offline_after_ns`], the recommendation is [`Recommendation::Review`] instead.
    InsufficientData,
    /// No issues found.
    Keep,
    /// The peer is on the ignore list and was not evaluated.
    Ignored,
}

/// The recommendation for one peer, and the reasons for it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Advice {
    /// The peer.
    pub node_id: NodeId,
    /// What to do.
    pub recommendation: Recommendation,
    /// Every rule that the peer broke, the most severe first. Empty if no issues were found.
    pub reasons: Vec<Reason>,
    /// The peer's score; `None` while no time was observed.
    pub score: Option<Score>,
}

impl Advice {
    /// Orders advice for display: the most urgent recommendation first, then the lowest score. Peers without
    /// a score come last among those with the same recommendation.
    #[must_use]
    pub fn by_severity(&self, other: &Self) -> Ordering {
        let value = |advice: &Self| advice.score.map_or(f64::INFINITY, |score| score.value);
        self.recommendation.cmp(&other.recommendation).then(value(self).total_cmp(&value(other)))
    }
}

/// Evaluates `peers` by `policy`. Returns one [`Advice`] for each peer, in the same order.
///
/// Pass all peers at once, because each one is compared with the others. Peers that are ignored, private,
/// mobile or not observed for long enough are left out of the comparison. Where the log is incomplete, a peer
/// gets the benefit of the doubt.
#[must_use]
pub fn advise(peers: &[Evidence], policy: &Policy) -> Vec<Advice> {
    let compared = peers.iter().filter(|peer| is_compared(peer, policy));
    let compared_peers = compared.clone().count();
    let quartiles = Quartiles::of(compared.filter_map(|peer| peer.stats.window.availability));
    peers.iter().map(|peer| evaluate(peer, policy, quartiles, compared_peers)).collect()
}

fn is_compared(peer: &Evidence, policy: &Policy) -> bool {
    peer.kind == PeerKind::Routing
        && peer.observed_ns >= policy.min_observed_ns
        && peer.stats.window.availability.is_some()
        && !policy.ignore.contains(&peer.node_id)
}

fn evaluate(peer: &Evidence, policy: &Policy, quartiles: Option<Quartiles>, compared_peers: usize) -> Advice {
    let advice = |recommendation, reasons| Advice {
        node_id: peer.node_id,
        recommendation,
        reasons,
        score: peer.score(),
    };
    if policy.ignore.contains(&peer.node_id) {
        return advice(Recommendation::Ignored, vec![Reason::Ignored]);
    }
    let mut reasons: Vec<Reason> = long_offline(peer, policy).into_iter().collect();
    if peer.observed_ns < policy.min_observed_ns {
        let recommendation =
            if reasons.is_empty() { Recommendation::InsufficientData } else { Recommendation::Review };
        reasons.push(Reason::InsufficientData {
            observed_ns: peer.observed_ns,
            needed_ns: policy.min_observed_ns,
        });
        return advice(recommendation, reasons);
    }
    if peer.kind != PeerKind::Routing {
        let recommendation = if reasons.is_empty() { Recommendation::Keep } else { Recommendation::Close };
        reasons.push(Reason::NotCompared);
        return advice(recommendation, reasons);
    }
    reasons.extend(availability_low(peer, policy));
    reasons.extend(outlier(peer, policy, quartiles, compared_peers));
    let is_unreliable = !reasons.is_empty();
    reasons.extend(flapping(peer, policy));
    let recommendation = match (is_unreliable, reasons.is_empty()) {
        (true, _) => Recommendation::Close,
        (false, false) => Recommendation::Review,
        (false, true) => Recommendation::Keep,
    };
    advice(recommendation, reasons)
}

fn long_offline(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let (offline_ns, limit_ns) = (peer.offline_ns, policy.long_offline_after_ns?);
    (offline_ns >= limit_ns).then_some(Reason::LongOffline { offline_ns, limit_ns })
}

/// Returns the highest availability that is possible if everything that the log dropped counts in the peer's
/// favour.
#[allow(clippy::cast_precision_loss, reason = "the ratio of two durations needs no more precision")]
fn highest_availability(peer: &Evidence) -> Option<f64> {
    let window = &peer.stats.window;
    let availability = window.availability?;
    let error_ns = window.uptime_error_ns.saturating_add(window.observed_error_ns);
    Some((availability + error_ns as f64 / window.observed_ns as f64).min(1.0))
}

fn availability_low(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let (availability, threshold) = (peer.stats.window.availability?, policy.availability_threshold?);
    let observed_ns = peer.stats.window.observed_ns;
    (highest_availability(peer)? <= threshold).then_some(Reason::AvailabilityLow {
        availability,
        threshold,
        observed_ns,
    })
}

fn outlier(
    peer: &Evidence,
    policy: &Policy,
    quartiles: Option<Quartiles>,
    compared_peers: usize,
) -> Option<Reason> {
    let (availability, sensitivity, quartiles) =
        (peer.stats.window.availability?, policy.outlier?, quartiles?);
    let first_quartile = quartiles.first;
    let lower_fence =
        quartiles.lower_fence(sensitivity.iqr_multiplier()).min(first_quartile - policy.outlier_margin);
    (highest_availability(peer)? < lower_fence).then_some(Reason::Outlier {
        availability,
        lower_fence,
        first_quartile,
        compared_peers,
    })
}

fn flapping(peer: &Evidence, policy: &Policy) -> Option<Reason> {
    let limit = policy.max_flaps_7d?;
    let flaps = peer.flaps_7d;
    (flaps > limit).then_some(Reason::Flapping { flaps, limit })
}
