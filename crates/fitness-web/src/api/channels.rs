//! Channels.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{ChannelId, ChannelReport, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Channel, schema};
use super::parse_node_id;
use super::problem::{BadRequest, IdParam, NotFound, Problem, QueryParams};
use crate::listing::{Order, channel_matches, page, page_bounds};
use crate::state::State;

/// Maximum number of channels in one response.
const MAX_CHANNELS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChannelListParams {
    /// Return only channels whose id or funding outpoint starts with this text.
    q: Option<String>,
    /// Return only channels with this peer.
    #[param(value_type = Option<schema::NodeId>)]
    node_id: Option<String>,
    /// Sort key. Unknown values sort last.
    #[serde(default)]
    #[param(inline)]
    sort: ChannelSort,
    #[serde(default)]
    #[param(inline)]
    order: Order,
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

/// Sort key of channels.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChannelSort {
    #[default]
    ChannelId,
    NodeId,
    OpenedAtNs,
    ObservedNs,
    UptimeNs,
    Availability,
    Usable,
    UsableNs,
}

impl ChannelSort {
    fn compare(self, order: Order, left: &ChannelReport, right: &ChannelReport) -> Ordering {
        let by_number = |key: &dyn Fn(&ChannelReport) -> Option<u64>| {
            order.compare_none_last(key(left), key(right), Ord::cmp)
        };
        let ordering = match self {
            Self::ChannelId => {
                order.compare_none_last(Some(left.channel_id), Some(right.channel_id), Ord::cmp)
            }
            Self::NodeId => order.compare_none_last(Some(left.node_id), Some(right.node_id), Ord::cmp),
            Self::OpenedAtNs => by_number(&|channel| Some(channel.opened_at.as_nanos())),
            Self::ObservedNs => by_number(&|channel| Some(channel.observed_ns)),
            Self::UptimeNs => by_number(&|channel| Some(channel.uptime_ns)),
            Self::Availability => {
                order.compare_none_last(left.availability, right.availability, f64::total_cmp)
            }
            Self::Usable => by_number(&|channel| channel.usable.map(u64::from)),
            Self::UsableNs => by_number(&|channel| Some(channel.usable_ns)),
        };
        ordering.then(left.channel_id.cmp(&right.channel_id))
    }
}

/// Open channels.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelList {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Number of matching channels, on all pages.
    total: usize,
    offset: u32,
    limit: u32,
    channels: Vec<Channel>,
}

/// List open channels
#[utoipa::path(
    get,
    path = "/channels",
    operation_id = "channels",
    tag = "channels",
    params(ChannelListParams),
    responses((status = 200, body = ChannelList, description = "Channels"), BadRequest),
)]
pub(super) async fn list(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ChannelListParams>,
) -> Result<Json<ChannelList>, Problem> {
    let (offset, limit) =
        page_bounds(params.offset, params.limit, MAX_CHANNELS).map_err(Problem::bad_request)?;
    let node_id = parse_node_id(params.node_id.as_deref())?;
    let at_ns = state.now();
    let query = params.q.as_deref().unwrap_or_default().trim().to_lowercase();
    let peers = match node_id {
        Some(node_id) => state.handle.peer(&node_id).into_iter().collect(),
        None => state.handle.peers(),
    };
    let channels = peers.into_iter().flat_map(|peer| peer.channels);
    let mut channels: Vec<_> = channels.filter(|channel| channel_matches(channel, &query)).collect();
    channels.sort_by(|left, right| params.sort.compare(params.order, left, right));
    let total = channels.len();
    let channels = page(channels, offset, limit);
    let channels = channels.iter().map(Channel::from).collect();
    Ok(Json(ChannelList { at_ns, total, offset: params.offset, limit: params.limit, channels }))
}

/// A channel.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelDetail {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(flatten)]
    channel: Channel,
}

/// Get a channel
///
/// Returns the totals over the channel's lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}",
    operation_id = "channel",
    tag = "channels",
    params(("channel_id" = schema::ChannelId, Path, description = "Channel id")),
    responses((status = 200, body = ChannelDetail, description = "The channel"), BadRequest, NotFound),
)]
pub(super) async fn detail(
    Extract(state): Extract<State>,
    IdParam(channel_id): IdParam<ChannelId>,
) -> Result<Json<ChannelDetail>, Problem> {
    let report = state.handle.channel(&channel_id).ok_or_else(|| not_found(&channel_id))?;
    Ok(Json(ChannelDetail { at_ns: state.now(), channel: Channel::from(&report) }))
}

pub(super) fn not_found(channel_id: &ChannelId) -> Problem {
    Problem::not_found(format!("no open channel {channel_id}"))
}
