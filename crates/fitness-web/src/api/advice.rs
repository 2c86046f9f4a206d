//! What to close and what to keep.

use axum::Json;
use axum::extract::State as Extract;
use fitness_advice::{Advice as CoreAdvice, Recommendation as CoreRecommendation, Score as CoreScore};
use fitness_core::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::text;
use super::problem::{Asked, BadRequest, NoStore, Problem};
use crate::advice::Advised;
use crate::listing::{page, part};
use crate::range::WindowName;
use crate::state::{Shared, State};

/// The most peers that one answer lists.
const MOST_PEERS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AdviceAsked {
    /// Only peers of which this is recommended.
    #[param(inline)]
    recommendation: Option<Recommendation>,
    /// How many are passed over.
    #[serde(default)]
    #[param(minimum = 0, maximum = 2147483647)]
    offset: u32,
    /// How many are listed.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

const fn usual_limit() -> u32 {
    100
}

/// What is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recommendation {
    /// Its money would be better off elsewhere.
    Close,
    /// It is to be looked at.
    Review,
    /// Too little is known of it.
    InsufficientData,
    /// Nothing speaks against it.
    Keep,
    /// It was not judged, as it was asked for.
    Ignored,
}

impl Recommendation {
    fn of(verdict: CoreRecommendation) -> Self {
        match verdict {
            CoreRecommendation::Close => Self::Close,
            CoreRecommendation::Review => Self::Review,
            CoreRecommendation::InsufficientData => Self::InsufficientData,
            CoreRecommendation::Keep => Self::Keep,
            // One that is newer than this has nothing to say against the peer either.
            _ => Self::Ignored,
        }
    }
}

/// What is recommended of each peer: the gravest first, and of those the least reliable.
#[derive(Serialize, ToSchema)]
pub(super) struct AdviceList {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// The window that they were judged by.
    window: WindowName,
    /// How many there are in all that match.
    total: usize,
    offset: u32,
    limit: u32,
    /// How many are not judged yet, since their histories are still being read: ask again.
    pending: usize,
    advice: Vec<Advice>,
}

/// What is recommended of a peer, and why.
#[derive(Serialize, ToSchema)]
struct Advice {
    #[schema(value_type = text::NodeId)]
    node_id: NodeId,
    /// What it is called, where that is known: anything that it likes to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alias: Option<String>,
    recommendation: Recommendation,
    /// Every rule that it broke, the gravest first.
    reasons: Vec<Reason>,
    /// `null` while nothing was observed.
    #[schema(required)]
    score: Option<Score>,
}

/// A rule, and how it was broken.
#[derive(Serialize, ToSchema)]
struct Reason {
    /// `threshold`, `outlier`, `flapping`, `gone`, `too_early`, `apart` or `ignored`.
    rule: &'static str,
    /// The same in words, with the numbers.
    text: String,
}

/// What can be relied on.
#[derive(Serialize, ToSchema)]
struct Score {
    /// From 0 to 100: 100 times `low`, `stability` and `usability`.
    value: f64,
    /// What it may turn out to be.
    upper_bound: f64,
    /// Uptime over observed time, from 0 to 1.
    availability: f64,
    /// The lower 95 % bound of the availability.
    low: f64,
    /// The upper one.
    high: f64,
    /// What disconnects leave of it, from 0 to 1.
    stability: f64,
    /// What unusable channels leave of it, from 0 to 1.
    usable_ratio: f64,
    /// What it is made from.
    observed_ns: u64,
}

impl From<CoreScore> for Score {
    fn from(score: CoreScore) -> Self {
        Self {
            value: score.value,
            upper_bound: score.upper_bound,
            availability: score.availability,
            low: score.availability_bounds.low,
            high: score.availability_bounds.high,
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
            alias: state.name(&advice.node_id),
            recommendation: Recommendation::of(advice.recommendation),
            reasons: advice.reasons.iter().map(reason).collect(),
            score: advice.score.map(Score::from),
        }
    }
}

/// What to close, what to look at and what to keep, by the last 90 days. It is never done: it is recommended.
#[utoipa::path(
    get,
    path = "/advice",
    tag = "peers",
    params(AdviceAsked),
    responses((status = 200, body = AdviceList, description = "Advice"), BadRequest, NoStore),
)]
pub(super) async fn advice(
    Extract(state): Extract<State>,
    Asked(asked): Asked<AdviceAsked>,
) -> Result<Json<AdviceList>, Problem> {
    let (offset, limit) = part(asked.offset, asked.limit, MOST_PEERS).map_err(Problem::bad_request)?;
    let advised = Advised::now(&state).await.map_err(Problem::bad_request)?;
    let mut advice = advised.advice;
    advice.retain(|advice| {
        asked.recommendation.is_none_or(|asked| asked == Recommendation::of(advice.recommendation))
    });
    Ok(Json(AdviceList {
        at_ns: advised.at,
        window: advised.span.into(),
        total: advice.len(),
        offset: asked.offset,
        limit: asked.limit,
        pending: advised.missing,
        advice: page(advice, offset, limit).iter().map(|advice| Advice::new(&state, advice)).collect(),
    }))
}
