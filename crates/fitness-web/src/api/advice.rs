//! What to close and what to keep.

use axum::Json;
use axum::extract::State as Extract;
use fitness_advice::{Advice as CoreAdvice, Score as CoreScore, Verdict as CoreVerdict};
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
    verdict: Option<Verdict>,
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
pub(super) enum Verdict {
    /// Its money would be better off elsewhere.
    Close,
    /// It is to be looked at.
    Watch,
    /// Too little is known of it.
    TooEarly,
    /// Nothing speaks against it.
    Keep,
    /// It was not judged, as it was asked for.
    Ignored,
}

impl Verdict {
    fn of(verdict: CoreVerdict) -> Self {
        match verdict {
            CoreVerdict::Close => Self::Close,
            CoreVerdict::Watch => Self::Watch,
            CoreVerdict::TooEarly => Self::TooEarly,
            CoreVerdict::Keep => Self::Keep,
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
    missing: usize,
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
    label: Option<String>,
    verdict: Verdict,
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
    at_best: f64,
    /// Uptime over observed time, from 0 to 1.
    availability: f64,
    /// The lower 95 % bound of the availability.
    low: f64,
    /// The upper one.
    high: f64,
    /// What disconnects leave of it, from 0 to 1.
    stability: f64,
    /// What unusable channels leave of it, from 0 to 1.
    usability: f64,
    /// What it is made from.
    observed_ns: u64,
}

impl From<CoreScore> for Score {
    fn from(score: CoreScore) -> Self {
        Self {
            value: score.value,
            at_best: score.at_best,
            availability: score.availability,
            low: score.bounds.low,
            high: score.bounds.high,
            stability: score.stability,
            usability: score.usability,
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
            label: state.name(&advice.node_id),
            verdict: Verdict::of(advice.verdict),
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
    advice.retain(|advice| asked.verdict.is_none_or(|asked| asked == Verdict::of(advice.verdict)));
    Ok(Json(AdviceList {
        at_ns: advised.at,
        window: advised.span.into(),
        total: advice.len(),
        offset: asked.offset,
        limit: asked.limit,
        missing: advised.missing,
        advice: page(advice, offset, limit).iter().map(|advice| Advice::new(&state, advice)).collect(),
    }))
}
