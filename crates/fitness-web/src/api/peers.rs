//! Peers.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::State as Extract;
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp, WindowStats};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{Channel, Peer, text};
use super::problem::{Asked, BadRequest, Id, NoStore, NotFound, Problem};
use crate::listing::{Listed, Order, PeerState, page, part, select};
use crate::range::WindowName;
use crate::state::{Shared, State};

/// How many histories are read at the same time for one answer.
const AT_A_TIME: usize = 8;

/// The most peers that one answer lists.
const MOST_PEERS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAsked {
    /// Only peers of this state.
    #[param(inline)]
    presence: Option<PeerState>,
    /// Only peers that are called so, or whose id, or that of one of their channels, begins so.
    q: Option<String>,
    /// What they are sorted by; what is not known comes last.
    #[serde(default)]
    #[param(inline)]
    sort: PeerSort,
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
    /// Tells each peer in this window, too.
    #[param(inline)]
    window: Option<WindowName>,
}

const fn usual_limit() -> u32 {
    100
}

/// What peers are sorted by.
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
    fn compare(self, order: Order, one: &Listed, other: &Listed) -> Ordering {
        let by = |of: &dyn Fn(&PeerReport) -> Option<u64>| {
            order.known(of(&one.report), of(&other.report), Ord::cmp)
        };
        let ordering = match self {
            Self::NodeId => order.known(Some(one.report.node_id), Some(other.report.node_id), Ord::cmp),
            Self::Alias => order.known(one.small.as_ref(), other.small.as_ref(), Ord::cmp),
            Self::Presence => by(&|peer| peer.presence.is_online().map(u64::from)),
            Self::PresenceSinceNs => by(&|peer| Some(peer.presence_since.as_nanos())),
            Self::Availability => {
                order.known(one.report.availability, other.report.availability, f64::total_cmp)
            }
            Self::ObservedNs => by(&|peer| Some(peer.observed_ns)),
            Self::UptimeNs => by(&|peer| Some(peer.uptime_ns)),
            Self::FlapCount => by(&|peer| Some(peer.flap_count.into())),
            Self::LastFlapNs => by(&|peer| peer.last_flap.map(Timestamp::as_nanos)),
            Self::Disconnects => by(&|peer| Some(peer.disconnects.into())),
            Self::TrackedSinceNs => by(&|peer| Some(peer.tracked_since.as_nanos())),
            Self::ChannelCount => by(&|peer| Some(peer.channels.len() as u64)),
        };
        ordering.then(one.report.node_id.cmp(&other.report.node_id))
    }
}

/// Peers that are followed.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerList {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// How many there are in all that match.
    total: usize,
    offset: u32,
    limit: u32,
    peers: Vec<Peer>,
}

/// The peers that are followed.
#[utoipa::path(
    get,
    path = "/peers",
    operation_id = "peers",
    tag = "peers",
    params(ListAsked),
    responses((status = 200, body = PeerList, description = "Peers"), BadRequest, NoStore),
)]
pub(super) async fn list(
    Extract(state): Extract<State>,
    Asked(asked): Asked<ListAsked>,
) -> Result<Json<PeerList>, Problem> {
    let (offset, limit) = part(asked.offset, asked.limit, MOST_PEERS).map_err(Problem::bad_request)?;
    let at_ns = state.now();
    let by_label = matches!(asked.sort, PeerSort::Alias);
    let query = asked.q.as_deref().unwrap_or_default();
    let mut listed = select(&state, state.handle.peers(), asked.presence, query, by_label);
    listed.sort_by(|one, other| asked.sort.compare(asked.order, one, other));
    let total = listed.len();
    let listed = page(listed, offset, limit);

    let (state, window) = (&state, asked.window);
    let answers = listed.into_iter().map(|peer| async move {
        let stats = match window {
            Some(window) => window_of(state, &peer.report.node_id, window.into()).await?,
            None => None,
        };
        let name = peer.name.or_else(|| state.name(&peer.report.node_id));
        Ok(Peer::new(&peer.report, name, stats))
    });
    let peers = stream::iter(answers).buffered(AT_A_TIME).try_collect().await?;
    Ok(Json(PeerList { at_ns, total, offset: asked.offset, limit: asked.limit, peers }))
}

async fn window_of(
    state: &Shared,
    node_id: &NodeId,
    span: StandardWindow,
) -> Result<Option<WindowStats>, Problem> {
    state.handle.peer_stats(node_id, span).await.map_err(|err| Problem::store(&err))
}

/// A peer and its channels.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerDetail {
    /// The moment of the question.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    #[serde(flatten)]
    peer: Peer,
    /// Its open channels, oldest first.
    channels: Vec<Channel>,
}

/// One peer with its channels, for as long as there is a history of it.
#[utoipa::path(
    get,
    path = "/peers/{node_id}",
    operation_id = "peer",
    tag = "peers",
    params(("node_id" = text::NodeId, Path, description = "The peer")),
    responses((status = 200, body = PeerDetail, description = "The peer"), BadRequest, NotFound),
)]
pub(super) async fn one(
    Extract(state): Extract<State>,
    Id(node_id): Id<NodeId>,
) -> Result<Json<PeerDetail>, Problem> {
    let report = state.handle.peer(&node_id).ok_or_else(|| unknown(&node_id))?;
    let peer = Peer::new(&report, state.name(&node_id), None);
    let channels = report.channels.iter().map(Channel::from).collect();
    Ok(Json(PeerDetail { at_ns: state.now(), peer, channels }))
}

pub(super) fn unknown(node_id: &NodeId) -> Problem {
    Problem::not_found(format!(
        "peer {node_id} is not known: no channel was open with it, and it is not watched"
    ))
}
