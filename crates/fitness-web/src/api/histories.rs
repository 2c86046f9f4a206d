//! What a peer, or the peer of a channel, has been through: windows, the timeline, hours and days.

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{BucketWidth, ChannelId, NodeId, PeerHistory, StandardWindow, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Interval, Sums, Window, text};
use super::problem::{Asked, BadRequest, Id, NoStore, NotFound, Problem};
use super::{channels, limit, peers, usual_limit};
use crate::range::{Range, WindowName};
use crate::state::{Shared, State};

/// Whose history it is.
#[derive(Clone, Copy)]
enum Subject {
    Peer(NodeId),
    Channel(ChannelId),
}

impl Subject {
    /// Its history, no more of it than is needed from `from` on.
    async fn history(self, state: &Shared, from: Timestamp) -> Result<PeerHistory, Problem> {
        match self {
            Self::Peer(node_id) => {
                let history = state.handle.history_since(&node_id, from).await;
                history.map_err(|err| Problem::store(&err))?.ok_or_else(|| peers::unknown(&node_id))
            }
            Self::Channel(channel_id) => {
                let history = state.handle.channel_history(&channel_id).await;
                history.map_err(|err| Problem::store(&err))?.ok_or_else(|| channels::unknown(&channel_id))
            }
        }
    }

    async fn windows(self, state: &Shared) -> Result<Json<Windows>, Problem> {
        let history = self.history(state, Timestamp::EPOCH).await?;
        let over = |span| Window::from(history.stats_over(span));
        Ok(Json(Windows {
            at_ns: history.end(),
            day: over(StandardWindow::Day),
            week: over(StandardWindow::Week),
            month: over(StandardWindow::Month),
            quarter: over(StandardWindow::Quarter),
            lifetime: over(StandardWindow::Lifetime),
        }))
    }

    async fn window(self, state: &Shared, asked: RangeAsked) -> Result<Json<OneWindow>, Problem> {
        let range = Range { window: asked.window, from_ns: asked.from_ns, to_ns: asked.to_ns };
        let (from, to) = range.ends(state.now(), StandardWindow::Lifetime).map_err(Problem::bad_request)?;
        let history = self.history(state, from).await?;
        Ok(Json(OneWindow { at_ns: history.end(), window: history.stats(from, to).into() }))
    }

    async fn timeline(self, state: &Shared, asked: TimelineAsked) -> Result<Json<Timeline>, Problem> {
        let range = Range { window: asked.window, from_ns: asked.from_ns, to_ns: asked.to_ns };
        let (from, to) = range.ends(state.now(), StandardWindow::Month).map_err(Problem::bad_request)?;
        let limit = limit(asked.limit)?;
        let gaps = state.handle.gaps(from, to).await.map_err(|err| Problem::store(&err))?;
        let history = self.history(state, from).await?;
        let timeline = history.timeline_with_gaps(from, to, &gaps);
        let next_ns = timeline.get(limit).map(|interval| interval.from);
        let timeline = timeline.iter().take(limit).map(Interval::from).collect();
        Ok(Json(Timeline { at_ns: history.end(), next_ns, timeline }))
    }

    async fn buckets(self, state: &Shared, asked: BucketsAsked) -> Result<Json<Buckets>, Problem> {
        let range = Range { window: asked.window, from_ns: asked.from_ns, to_ns: asked.to_ns };
        let (from, to) = range.ends(state.now(), StandardWindow::Month).map_err(Problem::bad_request)?;
        let limit = limit(asked.limit)?;
        let history = self.history(state, from).await?;
        let width = match asked.width {
            Width::Hour => BucketWidth::Hour,
            Width::Day => BucketWidth::Day,
        };
        let buckets = history.calendar_buckets(from, to, width, limit + 1);
        let next_ns = buckets.get(limit).map(|bucket| bucket.from);
        let buckets = buckets.into_iter().take(limit).map(Sums::from).collect();
        Ok(Json(Buckets { at_ns: history.end(), next_ns, buckets }))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeAsked {
    /// A usual window that ends now; where neither this nor an end is asked for, the lifetime.
    #[param(inline)]
    window: Option<WindowName>,
    /// Where it begins, instead; cut to the lifetime.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// Where it ends; cut to now.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineAsked {
    /// A usual window that ends now; where neither this nor an end is asked for, 30 days.
    #[param(inline)]
    window: Option<WindowName>,
    /// Where it begins, instead; cut to the lifetime.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// Where it ends; cut to now.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// How many intervals are listed at most.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BucketsAsked {
    /// How wide they are.
    #[serde(default)]
    #[param(inline)]
    width: Width,
    /// A usual window that ends now; where neither this nor an end is asked for, 30 days.
    #[param(inline)]
    window: Option<WindowName>,
    /// Where they begin, instead; cut to the lifetime.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    from_ns: Option<u64>,
    /// Where they end; cut to now.
    #[serde(default, deserialize_with = "crate::range::moment")]
    #[param(minimum = 0, maximum = 9223372036854775807_i64)]
    to_ns: Option<u64>,
    /// How many are listed at most.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: u32,
}

/// How wide buckets are, as hours and days begin in UTC.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Width {
    Hour,
    #[default]
    Day,
}

/// The usual windows.
#[derive(Serialize, ToSchema)]
pub(super) struct Windows {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(rename = "24h")]
    day: Window,
    #[serde(rename = "7d")]
    week: Window,
    #[serde(rename = "30d")]
    month: Window,
    #[serde(rename = "90d")]
    quarter: Window,
    lifetime: Window,
}

/// A window.
#[derive(Serialize, ToSchema)]
pub(super) struct OneWindow {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    window: Window,
}

/// Intervals that meet.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeline {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Ask again from here for the intervals that are left; `null` where there are none.
    #[schema(required, value_type = Option<u64>)]
    next_ns: Option<Timestamp>,
    timeline: Vec<Interval>,
}

/// Hours or days, as they begin in UTC, the first and the last cut.
#[derive(Serialize, ToSchema)]
pub(super) struct Buckets {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Ask again from here for those that are left; `null` where there are none.
    #[schema(required, value_type = Option<u64>)]
    next_ns: Option<Timestamp>,
    buckets: Vec<Sums>,
}

/// The usual windows of a peer.
#[utoipa::path(
    get,
    path = "/peers/{node_id}/windows",
    tag = "peers",
    params(("node_id" = text::NodeId, Path, description = "The peer")),
    responses((status = 200, body = Windows, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn peer_windows(
    Extract(state): Extract<State>,
    Id(node_id): Id<NodeId>,
) -> Result<Json<Windows>, Problem> {
    Subject::Peer(node_id).windows(&state).await
}

/// One window of a peer.
#[utoipa::path(
    get,
    path = "/peers/{node_id}/window",
    tag = "peers",
    params(("node_id" = text::NodeId, Path, description = "The peer"), RangeAsked),
    responses((status = 200, body = OneWindow, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn peer_window(
    Extract(state): Extract<State>,
    Id(node_id): Id<NodeId>,
    Asked(asked): Asked<RangeAsked>,
) -> Result<Json<OneWindow>, Problem> {
    Subject::Peer(node_id).window(&state, asked).await
}

/// What the peer was when, and where that is not known, why.
#[utoipa::path(
    get,
    path = "/peers/{node_id}/timeline",
    tag = "peers",
    params(("node_id" = text::NodeId, Path, description = "The peer"), TimelineAsked),
    responses((status = 200, body = Timeline, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn peer_timeline(
    Extract(state): Extract<State>,
    Id(node_id): Id<NodeId>,
    Asked(asked): Asked<TimelineAsked>,
) -> Result<Json<Timeline>, Problem> {
    Subject::Peer(node_id).timeline(&state, asked).await
}

/// Hours or days, as they begin in UTC of a peer.
#[utoipa::path(
    get,
    path = "/peers/{node_id}/buckets",
    tag = "peers",
    params(("node_id" = text::NodeId, Path, description = "The peer"), BucketsAsked),
    responses((status = 200, body = Buckets, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn peer_buckets(
    Extract(state): Extract<State>,
    Id(node_id): Id<NodeId>,
    Asked(asked): Asked<BucketsAsked>,
) -> Result<Json<Buckets>, Problem> {
    Subject::Peer(node_id).buckets(&state, asked).await
}

/// The usual windows of a channel, cut to its lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/windows",
    tag = "channels",
    params(("channel_id" = text::ChannelId, Path, description = "The channel")),
    responses((status = 200, body = Windows, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn channel_windows(
    Extract(state): Extract<State>,
    Id(channel_id): Id<ChannelId>,
) -> Result<Json<Windows>, Problem> {
    Subject::Channel(channel_id).windows(&state).await
}

/// One window of a channel, cut to its lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/window",
    tag = "channels",
    params(("channel_id" = text::ChannelId, Path, description = "The channel"), RangeAsked),
    responses((status = 200, body = OneWindow, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn channel_window(
    Extract(state): Extract<State>,
    Id(channel_id): Id<ChannelId>,
    Asked(asked): Asked<RangeAsked>,
) -> Result<Json<OneWindow>, Problem> {
    Subject::Channel(channel_id).window(&state, asked).await
}

/// What the peer of a channel was when, since the channel was opened.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/timeline",
    tag = "channels",
    params(("channel_id" = text::ChannelId, Path, description = "The channel"), TimelineAsked),
    responses((status = 200, body = Timeline, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn channel_timeline(
    Extract(state): Extract<State>,
    Id(channel_id): Id<ChannelId>,
    Asked(asked): Asked<TimelineAsked>,
) -> Result<Json<Timeline>, Problem> {
    Subject::Channel(channel_id).timeline(&state, asked).await
}

/// Hours or days, as they begin in UTC of a channel, cut to its lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}/buckets",
    tag = "channels",
    params(("channel_id" = text::ChannelId, Path, description = "The channel"), BucketsAsked),
    responses((status = 200, body = Buckets, description = "The answer"), BadRequest, NotFound, NoStore),
)]
pub(super) async fn channel_buckets(
    Extract(state): Extract<State>,
    Id(channel_id): Id<ChannelId>,
    Asked(asked): Asked<BucketsAsked>,
) -> Result<Json<Buckets>, Problem> {
    Subject::Channel(channel_id).buckets(&state, asked).await
}
