//! Channels.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{ChannelId, ChannelReport, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Channel, text};
use super::peer_asked;
use super::problem::{Asked, BadRequest, Id, NotFound, Problem};
use crate::listing::{Order, is_channel, page, part};
use crate::state::State;

/// The most channels that one answer lists.
const MOST_CHANNELS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAsked {
    /// Only channels whose id or funding outpoint begins so.
    q: Option<String>,
    /// Only channels with this peer.
    #[param(value_type = Option<text::NodeId>)]
    node_id: Option<String>,
    /// What they are sorted by; what is not known comes last.
    #[serde(default)]
    #[param(inline)]
    sort: ChannelSort,
    #[serde(default)]
    #[param(inline)]
    order: Order,
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

/// What channels are sorted by.
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
    fn compare(self, order: Order, one: &ChannelReport, other: &ChannelReport) -> Ordering {
        let by = |of: &dyn Fn(&ChannelReport) -> Option<u64>| order.known(of(one), of(other), Ord::cmp);
        let ordering = match self {
            Self::ChannelId => order.known(Some(one.channel_id), Some(other.channel_id), Ord::cmp),
            Self::NodeId => order.known(Some(one.node_id), Some(other.node_id), Ord::cmp),
            Self::OpenedAtNs => by(&|channel| Some(channel.opened_at.as_nanos())),
            Self::ObservedNs => by(&|channel| Some(channel.observed_ns)),
            Self::UptimeNs => by(&|channel| Some(channel.uptime_ns)),
            Self::Availability => order.known(one.availability, other.availability, f64::total_cmp),
            Self::Usable => by(&|channel| channel.usable.map(u64::from)),
            Self::UsableNs => by(&|channel| Some(channel.usable_ns)),
        };
        ordering.then(one.channel_id.cmp(&other.channel_id))
    }
}

/// Open channels.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelList {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// How many there are in all that match.
    total: usize,
    offset: u32,
    limit: u32,
    channels: Vec<Channel>,
}

/// The channels that are open.
#[utoipa::path(
    get,
    path = "/channels",
    operation_id = "channels",
    tag = "channels",
    params(ListAsked),
    responses((status = 200, body = ChannelList, description = "Channels"), BadRequest),
)]
pub(super) async fn list(
    Extract(state): Extract<State>,
    Asked(asked): Asked<ListAsked>,
) -> Result<Json<ChannelList>, Problem> {
    let (offset, limit) = part(asked.offset, asked.limit, MOST_CHANNELS).map_err(Problem::bad_request)?;
    let peer = peer_asked(asked.node_id.as_deref())?;
    let at_ns = state.now();
    let query = asked.q.as_deref().unwrap_or_default().trim().to_lowercase();
    let peers = match peer {
        Some(node_id) => state.handle.peer(&node_id).into_iter().collect(),
        None => state.handle.peers(),
    };
    let channels = peers.into_iter().flat_map(|peer| peer.channels);
    let mut channels: Vec<_> = channels.filter(|channel| is_channel(channel, &query)).collect();
    channels.sort_by(|one, other| asked.sort.compare(asked.order, one, other));
    let total = channels.len();
    let channels = page(channels, offset, limit);
    let channels = channels.iter().map(Channel::from).collect();
    Ok(Json(ChannelList { at_ns, total, offset: asked.offset, limit: asked.limit, channels }))
}

/// A channel.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelDetail {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(flatten)]
    channel: Channel,
}

/// One channel, over its lifetime.
#[utoipa::path(
    get,
    path = "/channels/{channel_id}",
    operation_id = "channel",
    tag = "channels",
    params(("channel_id" = text::ChannelId, Path, description = "The channel")),
    responses((status = 200, body = ChannelDetail, description = "The channel"), BadRequest, NotFound),
)]
pub(super) async fn one(
    Extract(state): Extract<State>,
    Id(channel_id): Id<ChannelId>,
) -> Result<Json<ChannelDetail>, Problem> {
    let report = state.handle.channel(&channel_id).ok_or_else(|| unknown(&channel_id))?;
    Ok(Json(ChannelDetail { at_ns: state.now(), channel: Channel::from(&report) }))
}

pub(super) fn unknown(channel_id: &ChannelId) -> Problem {
    Problem::not_found(format!("channel {channel_id} is not open"))
}
