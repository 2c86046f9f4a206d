//! Recommendations: which peers to close, to review and to keep.

use axum::Json;
use axum::extract::State as Extract;
use fitness_advice::{Advice as CoreAdvice, Recommendation as CoreRecommendation, Score as CoreScore};
use fitness_core::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::schema;
use super::problem::{BadRequest, Problem, QueryParams, Unavailable};
use crate::advice::Evaluation;
use crate::listing::{page, page_bounds};
use crate::state::{Shared, State};
use crate::time_range::WindowName;

/// Maximum number of peers in one response.
const MAX_PEERS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AdviceParams {
    /// Return only peers with this recommendation.
    #[param(inline)]
    recommendation: Option<Recommendation>,
    /// Number of entries to skip.
    #[serde(default)]
    #[param(minimum = 0, maximum = 2147483647)]
    offset: u32,
    /// Maximum number of entries to return.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

const fn default_limit() -> u32 {
    100
}

/// A recommendation for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recommendation {
    /// Close the channels with the peer.
    Close,
    /// Review the peer: something is wrong with its connection.
    Review,
    /// There is not enough data for a recommendation.
    InsufficientData,
    /// Keep the peer: no issues found.
    Keep,
    /// The peer is on the ignore list and was not evaluated.
    Ignored,
}

impl Recommendation {
    fn of(recommendation: CoreRecommendation) -> Self {
        match recommendation {
            CoreRecommendation::Close => Self::Close,
            CoreRecommendation::Review => Self::Review,
            CoreRecommendation::InsufficientData => Self::InsufficientData,
            CoreRecommendation::Keep => Self::Keep,
            // `Ignored`, and recommendations that a later version may add.
            _ => Self::Ignored,
        }
    }
}

/// Recommendations, most urgent first. Peers with the same recommendation are ordered by score, lowest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AdviceList {
    /// When the recommendations were computed.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// The window that the recommendations are based on.
    window: WindowName,
    /// Number of matching peers, on all pages.
    total: usize,
    offset: u32,
    limit: u32,
    /// Number of peers without a recommendation yet, because their history is still loading. Retry later to
    /// get them.
    pending: usize,
    advice: Vec<Advice>,
}

/// The recommendation for one peer, with reasons.
#[derive(Serialize, ToSchema)]
struct Advice {
    #[schema(value_type = schema::NodeId)]
    node_id: NodeId,
    /// Alias of the peer, if known. Peers choose their own aliases: treat it as untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alias: Option<String>,
    recommendation: Recommendation,
    /// Every rule that applies to the peer, most severe first.
    reasons: Vec<Reason>,
    /// `null` while nothing has been observed.
    #[schema(required)]
    score: Option<Score>,
}

/// A rule that applies to the peer.
#[derive(Serialize, ToSchema)]
struct Reason {
    /// `availability_low`, `outlier`, `flapping`, `long_offline`, `insufficient_data`, `not_compared` or `ignored`.
    rule: &'static str,
    /// Explanation with the measured values.
    text: String,
}

/// Reliability score.
#[derive(Serialize, ToSchema)]
struct Score {
    /// From 0 to 100: 100 × `availability_bounds.low` × `stability` × `usable_ratio`.
    value: f64,
    /// The highest score that is compatible with the observations.
    upper_bound: f64,
    /// Uptime divided by observed time, from 0 to 1.
    availability: f64,
    availability_bounds: AvailabilityBounds,
    /// Factor for disconnects, from 0 to 1; 1 without disconnects.
    stability: f64,
    /// Factor for unusable channels, from 0 to 1; 1 if all channels were always usable.
    usable_ratio: f64,
    /// Observed time that the score is based on.
    observed_ns: u64,
}

/// Lower and upper confidence bounds of the availability (Wilson score), one-sided at 95% each.
#[derive(Serialize, ToSchema)]
struct AvailabilityBounds {
    low: f64,
    high: f64,
}

impl From<CoreScore> for Score {
    fn from(score: CoreScore) -> Self {
        let bounds = score.availability_bounds;
        Self {
            value: score.value,
            upper_bound: score.upper_bound,
            availability: score.availability,
            availability_bounds: AvailabilityBounds { low: bounds.low, high: bounds.high },
            stability: score.stability,
            usable_ratio: score.usable_ratio,
            observed_ns: score.observed_ns,
        }
    }
}

impl Advice {
    fn new(state: &Shared, advice: &CoreAdvice) -> Self {
        let reason =
            |reason: &fitness_advice::Reason| Reason { rule: reason.rule(), text: reason.to_string() };
        Self {
            node_id: advice.node_id,
            alias: state.alias(&advice.node_id),
            recommendation: Recommendation::of(advice.recommendation),
            reasons: advice.reasons.iter().map(reason).collect(),
            score: advice.score.map(Score::from),
        }
    }
}

/// List recommendations for all tracked peers
///
/// Recommends which peers to close, to review and to keep, based on at least 90 days of history. These are
/// recommendations only: no channel is ever closed.
#[utoipa::path(
    get,
    path = "/advice",
    tag = "peers",
    params(AdviceParams),
    responses(
        (status = 200, body = AdviceList, description = "Recommendations"),
        BadRequest,
        Unavailable,
    ),
)]
pub(super) async fn advice(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<AdviceParams>,
) -> Result<Json<AdviceList>, Problem> {
    let (offset, limit) =
        page_bounds(params.offset, params.limit, MAX_PEERS).map_err(Problem::bad_request)?;
    let evaluation = Evaluation::compute(&state).await.map_err(Problem::bad_request)?;
    let mut advice = evaluation.advice;
    advice.retain(|advice| {
        params
            .recommendation
            .is_none_or(|recommendation| recommendation == Recommendation::of(advice.recommendation))
    });
    Ok(Json(AdviceList {
        at_ns: evaluation.at,
        window: evaluation.window.into(),
        total: advice.len(),
        offset: params.offset,
        limit: params.limit,
        pending: evaluation.pending,
        advice: page(advice, offset, limit).iter().map(|advice| Advice::new(&state, advice)).collect(),
    }))
}
