//! History of a peer, or of the peer of a channel: window statistics, timeline and buckets.

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{BucketWidth, ChannelId, NodeId, PeerHistory, StandardWindow, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{PresenceInterval, WindowReport, WindowStats, schema};
use super::problem::{BadRequest, IdParam, NotFound, Problem, QueryParams, Unavailable};
use super::{channels, default_entry_limit, entry_limit, peers};
use crate::state::{Shared, State};
use crate::time_range::{TimeRange, WindowName};

/// The peer or channel whose history is requested.
#[derive(Clone, Copy)]
enum Subject {
    Peer(NodeId),
    Channel(ChannelId),
}

impl Subject {
    /// Reads the history. What lies before `from` may be left out.
    async fn history(self, state: &Shared, from: Timestamp) -> Result<PeerHistory, Problem> {
        match self {
            Self::Peer(node_id) => {
                let history = state.handle.history_since(&node_id, from).await;
                history.map_err(|err| Problem::store_error(&err))?.ok_or_else(|| peers::not_found(&node_id))
            }
            Self::Channel(channel_id) => {
                let history = state.handle.channel_history(&channel_id).await;
                history
                    .map_err(|err| Problem::store_error(&err))?
                    .ok_or_else(|| channels::not_found(&channel_id))
            }
        }
    }

    async fn windows(self, state: &Shared) -> Result<Json<Windows>, Problem> {
        let history = self.history(state, Timestamp::EPOCH).await?;
        let over = |window| WindowStats::from(history.stats_over(window));
        Ok(Json(Windows {
            at_ns: history.end(),
            day: over(StandardWindow::Day),
            week: over(StandardWindow::Week),
            month: over(StandardWindow::Month),
            quarter: over(StandardWindow::Quarter),
            lifetime: over(StandardWindow::Lifetime),
        }))
    }

    async fn window(self, state: &Shared, params: RangeParams) -> Result<Json<WindowDetail>, Problem> {
        let range = TimeRange { window: params.window, from_ns: params.from_ns, to_ns: params.to_ns };
        let (from, to) =
            range.resolve(state.now(), StandardWindow::Lifetime).map_err(Problem::bad_request)?;
        let history = self.history(state, from).await?;
        Ok(Json(WindowDetail { at_ns: history.end(), window: history.stats(from, to).into() }))
    }

    async fn timeline(self, state: &Shared, params: TimelineParams) -> Result<Json<Timeline>, Problem> {
        let range = TimeRange { window: params.window, from_ns: params.from_ns, to_ns: params.to_ns };
        let (from, to) = range.resolve(state.now(), StandardWindow::Month).map_err(Problem::bad_request)?;
        let limit = entry_limit(params.limit)?;
        let gaps = state.handle.gaps(from, to).await.map_err(|err| Problem::store_error(&err))?;
        let history = self.history(state, from).await?;
        let timeline = history.timeline_with_gaps(from, to, &gaps);
        let next_from_ns = timeline.get(limit).map(|interval| interval.from);
        let timeline = timeline.iter().take(limit).map(PresenceInterval::from).collect();
        Ok(Json(Timeline { at_ns: history.end(), next_from_ns, timeline }))
    }

    async fn buckets(self, state: &Shared, params: BucketsParams) -> Result<Json<Buckets>, Problem> {
        let range = TimeRange { window: params.window, from_ns: params.from_ns, to_ns: params.to_ns };
        let (from, to) = range.resolve(state.now(), StandardWindow::Month).map_err(Problem::bad_request)?;
        let limit = entry_limit(params.limit)?;
        let history = self.history(state, from).await?;
        let width = match params.width {
            BucketSize::Hour => BucketWidth::Hour,
            BucketSize::Day => BucketWidth::Day,
        };
        let buckets = history.calendar_buckets(from, to, width, limit + 1);
        let next_from_ns = buckets.get(limit).map(|bucket| bucket.from);
        let buckets = buckets.into_iter().take(limit).map(WindowReport::from).collect();
        Ok(Json(Buckets { at_ns: history.end(), next_from_ns, buckets }))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeParams {
    /// A standard window, which ends now. The default is the lifetime.
    #[param(inline)]
    window: Option<WindowName>,
    /// Start of the range; limited to the lifetime. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// End of the range; limited to now. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineParams {
    /// A standard window, which ends now. The default is 30 days.
    #[param(inline)]
    window: Option<WindowName>,
    /// Start of the range; limited to the lifetime. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// End of the range; limited to now. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// Maximum number of intervals to return.
    #[serde(default = "default_entry_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BucketsParams {
    /// Length of a bucket.
    #[serde(default)]
    #[param(inline)]
    width: BucketSize,
    /// A standard window, which ends now. The default is 30 days.
    #[param(inline)]
    window: Option<WindowName>,
    /// Start of the range; limited to the lifetime. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// End of the range; limited to now. Cannot be combined with `window`.
    #[serde(default, deserialize_with = "crate::time_range::timestamp_param")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// Maximum number of buckets to return.
    #[serde(default = "default_entry_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

/// Length of a bucket: a calendar hour or a calendar day, in UTC.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BucketSize {
    Hour,
    #[default]
    Day,
}

/// Statistics for all standard windows.
#[derive(Serialize, ToSchema)]
pub(super) struct Windows {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(rename = "24h")]
    day: WindowStats,
    #[serde(rename = "7d")]
    week: WindowStats,
    #[serde(rename = "30d")]
    month: WindowStats,
    #[serde(rename = "90d")]
    quarter: WindowStats,
    lifetime: WindowStats,
}

/// Statistics for one window.
#[derive(Serialize, ToSchema)]
pub(super) struct WindowDetail {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    window: WindowStats,
}

/// Presence over time, as adjacent intervals.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeline {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Send this value as `from_ns` to get the next page; `null` on the last page.
    #[schema(required, value_type = Option<u64>)]
    next_from_ns: Option<Timestamp>,
    timeline: Vec<PresenceInterval>,
}

/// Totals by calendar hour or day, in UTC. The first and the last bucket may be shorter.
#[derive(Serialize, ToSchema)]
pub(super) struct Buckets {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Send this value as `from_ns` to get the next page; `null` on the last page.
    #[schema(required, value_type = Option<u64>)]
    next_from_ns: Option<Timestamp>,
    buckets: Vec<WindowReport>,
}

/// Get a peer's statistics for all standard windows
#[utoipa::path(
    get,
    path = "/peers/{node_id}/windows",
    tag = "peers",
    params(("node_id" = schema::NodeId, Path, description = "Node id of the peer")),
    responses((status = 200, body = Windows, description = "Statistics"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn peer_windows(
    Extract(state): Extract<State>,
    IdParam(node_id): IdParam<NodeId>,
) -> Result<Json<Windows>, Problem> {
    Subject::Peer(node_id).windows(&state).await
}

/// Get a peer's statistics for one window
#[utoipa::path(
    get,
    path = "/peers/{node_id}/window",
    tag = "peers",
    params(("node_id" = schema::NodeId, Path, description = "Node id of the peer"), RangeParams),
    responses((status = 200, body = WindowDetail, description = "Statistics"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn peer_window(
    Extract(state): Extract<State>,
    IdParam(node_id): IdParam<NodeId>,
    QueryParams(params): QueryParams<RangeParams>,
) -> Result<Json<WindowDetail>, Problem> {
    Subject::Peer(node_id).window(&state, params).await
}

/// Get a peer's timeline
///
/// Returns the presence of the peer over time. Unobserved intervals include the cause.
#[utoipa::path(
    get,
    path = "/peers/{node_id}/timeline",
    tag = "peers",
    params(("node_id" = schema::NodeId, Path, description = "Node id of the peer"), TimelineParams),
    responses((status = 200, body = Timeline, description = "Timeline"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn peer_timeline(
    Extract(state): Extract<State>,
    IdParam(node_id): IdParam<NodeId>,
    QueryParams(params): QueryParams<TimelineParams>,
) -> Result<Json<Timeline>, Problem> {
    Subject::Peer(node_id).timeline(&state, params).await
}

/// Get a peer's totals by hour or day
#[utoipa::path(
    get,
    path = "/peers/{node_id}/buckets",
    tag = "peers",
    params(("node_id" = schema::NodeId, Path, description = "Node id of the peer"), BucketsParams),
    responses((status = 200, body = Buckets, description = "Buckets"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn peer_buckets(
    Extract(state): Extract<State>,
    IdParam(node_id): IdParam<NodeId>,
    QueryParams(params): QueryParams<BucketsParams>,
) -> Result<Json<Buckets>, Problem> {
    Subject::Peer(node_id).buckets(&state, params).await
}

/// Get a channel's statistics for all standard windows
///
/// Windows are limited to the channel's lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/windows",
    tag = "channels",
    params(("channel_id" = schema::ChannelId, Path, description = "Channel id")),
    responses((status = 200, body = Windows, description = "Statistics"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn channel_windows(
    Extract(state): Extract<State>,
    IdParam(channel_id): IdParam<ChannelId>,
) -> Result<Json<Windows>, Problem> {
    Subject::Channel(channel_id).windows(&state).await
}

/// Get a channel's statistics for one window
///
/// The window is limited to the channel's lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/window",
    tag = "channels",
    params(("channel_id" = schema::ChannelId, Path, description = "Channel id"), RangeParams),
    responses((status = 200, body = WindowDetail, description = "Statistics"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn channel_window(
    Extract(state): Extract<State>,
    IdParam(channel_id): IdParam<ChannelId>,
    QueryParams(params): QueryParams<RangeParams>,
) -> Result<Json<WindowDetail>, Problem> {
    Subject::Channel(channel_id).window(&state, params).await
}

/// Get a channel's timeline
///
/// Returns the presence of the channel's peer over time, since the channel was first tracked.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/timeline",
    tag = "channels",
    params(("channel_id" = schema::ChannelId, Path, description = "Channel id"), TimelineParams),
    responses((status = 200, body = Timeline, description = "Timeline"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn channel_timeline(
    Extract(state): Extract<State>,
    IdParam(channel_id): IdParam<ChannelId>,
    QueryParams(params): QueryParams<TimelineParams>,
) -> Result<Json<Timeline>, Problem> {
    Subject::Channel(channel_id).timeline(&state, params).await
}

/// Get a channel's totals by hour or day
///
/// The range is limited to the channel's lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/buckets",
    tag = "channels",
    params(("channel_id" = schema::ChannelId, Path, description = "Channel id"), BucketsParams),
    responses((status = 200, body = Buckets, description = "Buckets"), BadRequest, NotFound, Unavailable),
)]
pub(super) async fn channel_buckets(
    Extract(state): Extract<State>,
    IdParam(channel_id): IdParam<ChannelId>,
    QueryParams(params): QueryParams<BucketsParams>,
) -> Result<Json<Buckets>, Problem> {
    Subject::Channel(channel_id).buckets(&state, params).await
}
