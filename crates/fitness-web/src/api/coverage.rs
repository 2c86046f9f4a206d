//! Monitoring coverage: how long peers have been monitored, and the gaps in between.

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{StandardWindow, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Coverage, Gap};
use super::problem::{BadRequest, Problem, QueryParams, Unavailable};
use super::{default_entry_limit, entry_limit};
use crate::state::State;
use crate::time_range::{TimeRange, WindowName};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CoverageParams {
    /// Return gaps that overlap this window, which ends now. By default all gaps are returned.
    #[param(inline)]
    window: Option<WindowName>,
    /// Return gaps from this time on. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// Return gaps up to this time. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// Maximum number of gaps to return.
    #[serde(default = "default_entry_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

/// Monitoring coverage and monitoring gaps.
#[derive(Serialize, ToSchema)]
pub(super) struct CoverageDetail {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// `null` before the first event.
    #[schema(required)]
    coverage: Option<Coverage>,
    /// Send this value as `from_ns` to get the next page; `null` on the last page.
    #[schema(required, value_type = Option<u64>)]
    next_from_ns: Option<Timestamp>,
    /// Monitoring gaps, oldest first.
    gaps: Vec<Gap>,
}

/// Get the monitoring coverage and list monitoring gaps
#[utoipa::path(
    get,
    path = "/coverage",
    tag = "service",
    params(CoverageParams),
    responses(
        (status = 200, body = CoverageDetail, description = "Coverage and gaps"),
        BadRequest,
        Unavailable,
    ),
)]
pub(super) async fn coverage(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<CoverageParams>,
) -> Result<Json<CoverageDetail>, Problem> {
    let limit = entry_limit(params.limit)?;
    let range = TimeRange { window: params.window, from_ns: params.from_ns, to_ns: params.to_ns };
    let at_ns = state.now();
    let (from, to) = range.resolve(at_ns, StandardWindow::Lifetime).map_err(Problem::bad_request)?;
    let gaps = state.handle.gaps(from, to).await.map_err(|err| Problem::store_error(&err))?;
    Ok(Json(CoverageDetail {
        at_ns,
        coverage: state.handle.coverage().map(Coverage::from),
        next_from_ns: gaps.get(limit).map(|gap| gap.from),
        gaps: gaps.iter().take(limit).map(Gap::from).collect(),
    }))
}
