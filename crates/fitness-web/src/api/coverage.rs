//! Our own sessions: how long we have watched, and when and why we could not tell.

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{StandardWindow, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Coverage, Gap};
use super::problem::{Asked, BadRequest, NoStore, Problem};
use super::{limit, usual_limit};
use crate::range::{Range, WindowName};
use crate::state::State;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CoverageAsked {
    /// Gaps that touch this window, which ends now; where neither this nor an end is asked for, all of them.
    #[param(inline)]
    window: Option<WindowName>,
    /// Gaps from here on, instead.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// Gaps until here.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// How many gaps are listed at most.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

/// Our own sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// `null` before the first event.
    #[schema(required)]
    coverage: Option<Coverage>,
    /// Ask again from here for the gaps that are left; `null` where there are none.
    #[schema(required, value_type = Option<u64>)]
    next_ns: Option<Timestamp>,
    /// Oldest first.
    gaps: Vec<Gap>,
}

/// How long we have watched, and when and why we could not tell.
#[utoipa::path(
    get,
    path = "/coverage",
    tag = "service",
    params(CoverageAsked),
    responses((status = 200, body = Sessions, description = "Our own sessions"), BadRequest, NoStore),
)]
pub(super) async fn coverage(
    Extract(state): Extract<State>,
    Asked(asked): Asked<CoverageAsked>,
) -> Result<Json<Sessions>, Problem> {
    let limit = limit(asked.limit)?;
    let range = Range { window: asked.window, from_ns: asked.from_ns, to_ns: asked.to_ns };
    let at_ns = state.now();
    let (from, to) = range.ends(at_ns, StandardWindow::Lifetime).map_err(Problem::bad_request)?;
    let gaps = state.handle.gaps(from, to).await.map_err(|err| Problem::store(&err))?;
    Ok(Json(Sessions {
        at_ns,
        coverage: state.handle.coverage().map(Coverage::from),
        next_ns: gaps.get(limit).map(|gap| gap.from),
        gaps: gaps.iter().take(limit).map(Gap::from).collect(),
    }))
}
