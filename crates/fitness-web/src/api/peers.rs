//! Peers.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp, WindowStats};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Channel, Peer, schema};
use super::problem::{BadRequest, IdParam, NotFound, Problem, QueryParams, Unavailable};
use crate::listing::{ListedPeer, Order, PresenceFilter, page, page_bounds, select};
use crate::state::{Shared, State};
use crate::time_range::WindowName;

/// Number of histories that are read concurrently for one response.
const CONCURRENT_READS: usize = 8;

/// Maximum number of peers in one response.
const MAX_PEERS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PeerListParams {
    /// Return only peers with this presence.
    #[param(inline)]
    presence: Option<PresenceFilter>,
    /// Return only peers whose alias contains this text, or whose node id, channel id or funding outpoint
    /// starts with it.
    q: Option<String>,
    /// Sort key. Unknown values sort last.
    #[serde(default)]
    #[param(inline)]
    sort: PeerSort,
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
    /// Include each peer's statistics for this window.
    #[param(inline)]
    window: Option<WindowName>,
}

const fn default_limit() -> u32 {
    100
}

/// Sort key of peers.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PeerSort {
    #[default]
    NodeId,
    Alias,
    Presence,
    PresenceSinceNs,
    Availability,
    ObservedNs,
    UptimeNs,
    FlapCount,
    LastFlapNs,
    Disconnects,
    TrackedSinceNs,
    ChannelCount,
}

impl PeerSort {
    fn compare(self, order: Order, left: &ListedPeer, right: &ListedPeer) -> Ordering {
        let (left_report, right_report) = (&left.report, &right.report);
        let by_number = |key: &dyn Fn(&PeerReport) -> Option<u64>| {
            order.compare_none_last(key(left_report), key(right_report), Ord::cmp)
        };
        let ordering = match self {
            Self::NodeId => {
                order.compare_none_last(Some(left_report.node_id), Some(right_report.node_id), Ord::cmp)
            }
            Self::Alias => order.compare_none_last(
                left.lowercase_alias.as_ref(),
                right.lowercase_alias.as_ref(),
                Ord::cmp,
            ),
            Self::Presence => by_number(&|peer| peer.presence.is_online().map(u64::from)),
            Self::PresenceSinceNs => by_number(&|peer| Some(peer.presence_since.as_nanos())),
            Self::Availability => {
                order.compare_none_last(left_report.availability, right_report.availability, f64::total_cmp)
            }
            Self::ObservedNs => by_number(&|peer| Some(peer.observed_ns)),
            Self::UptimeNs => by_number(&|peer| Some(peer.uptime_ns)),
            Self::FlapCount => by_number(&|peer| Some(peer.flap_count.into())),
            Self::LastFlapNs => by_number(&|peer| peer.last_flap.map(Timestamp::as_nanos)),
            Self::Disconnects => by_number(&|peer| Some(peer.disconnects.into())),
            Self::TrackedSinceNs => by_number(&|peer| Some(peer.tracked_since.as_nanos())),
            Self::ChannelCount => by_number(&|peer| Some(peer.channels.len() as u64)),
        };
        ordering.then(left_report.node_id.cmp(&right_report.node_id))
    }
}

/// Tracked peers.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerList {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Number of matching peers, on all pages.
    total: usize,
    offset: u32,
    limit: u32,
    peers: Vec<Peer>,
}

/// List tracked peers
#[utoipa::path(
    get,
    path = "/peers",
    operation_id = "peers",
    tag = "peers",
    params(PeerListParams),
    responses((status = 200, body = PeerList, description = "Peers"), BadRequest, Unavailable),
)]
pub(super) async fn list(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<PeerListParams>,
) -> Result<Json<PeerList>, Problem> {
    let (offset, limit) =
        page_bounds(params.offset, params.limit, MAX_PEERS).map_err(Problem::bad_request)?;
    let at_ns = state.now();
    let by_alias = matches!(params.sort, PeerSort::Alias);
    let query = params.q.as_deref().unwrap_or_default();
    let mut listed = select(&state, state.handle.peers(), params.presence, query, by_alias);
    listed.sort_by(|left, right| params.sort.compare(params.order, left, right));
    let total = listed.len();
    let listed = page(listed, offset, limit);

    let (state, window) = (&state, params.window);
    let entries = listed.into_iter().map(|peer| async move {
        let stats = match window {
            Some(window) => window_stats(state, &peer.report.node_id, window.into()).await?,
            None => None,
        };
        let alias = peer.alias.or_else(|| state.alias(&peer.report.node_id));
        Ok(Peer::new(&peer.report, alias, stats))
    });
    let peers = stream::iter(entries).buffered(CONCURRENT_READS).try_collect().await?;
    Ok(Json(PeerList { at_ns, total, offset: params.offset, limit: params.limit, peers }))
}

async fn window_stats(
    state: &Shared,
    node_id: &NodeId,
    window: StandardWindow,
) -> Result<Option<WindowStats>, Problem> {
    state.handle.peer_stats(node_id, window).await.map_err(|err| Problem::store_error(&err))
}

/// A peer and its channels.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerDetail {
    /// When the values were read.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(flatten)]
    peer: Peer,
    /// Open channels, oldest first.
    channels: Vec<Channel>,
}

/// Get a peer with its channels
///
/// Peers that are no longer tracked are returned as well, while their history is kept.
#[utoipa::path(
    get,
    path = "/peers/{node_id}",
    operation_id = "peer",
    tag = "peers",
    params(("node_id" = schema::NodeId, Path, description = "Node id of the peer")),
    responses((status = 200, body = PeerDetail, description = "The peer"), BadRequest, NotFound),
)]
pub(super) async fn detail(
    Extract(state): Extract<State>,
    IdParam(node_id): IdParam<NodeId>,
) -> Result<Json<PeerDetail>, Problem> {
    let report = state.handle.peer(&node_id).ok_or_else(|| not_found(&node_id))?;
    let peer = Peer::new(&report, state.alias(&node_id), None);
    let channels = report.channels.iter().map(Channel::from).collect();
    Ok(Json(PeerDetail { at_ns: state.now(), peer, channels }))
}

pub(super) fn not_found(node_id: &NodeId) -> Problem {
    Problem::not_found(format!("unknown peer {node_id}: it never had a channel and is not watched"))
}
