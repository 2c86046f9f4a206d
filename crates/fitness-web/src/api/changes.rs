//! Live stream of changes as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fitness_actor::{ChangesLagged, Subscription};
use fitness_core::{Change, NodeId};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::model::schema;
use super::parse_node_id;
use super::problem::{BadRequest, Problem, QueryParams, Unavailable};
use crate::state::State;

/// Interval of the comments that are sent on an idle stream.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long a browser waits before it reconnects after the stream has ended.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesParams {
    /// Send only changes that affect this peer, including those that affect all peers.
    #[param(value_type = Option<schema::NodeId>)]
    node_id: Option<String>,
}

/// Stream changes as server-sent events
///
/// The stream starts with a `ready` event. Each change is sent as a `change` event: a JSON object whose
/// `change` field contains the kind. A `lagged` event with the number of `skipped` changes is sent to clients
/// that read too slowly; they must query the current state again.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "service",
    params(ChangesParams),
    responses(
        (
            status = 200,
            body = String,
            content_type = "text/event-stream",
            description = "The stream ends when the service stops. The stream of an archive contains no \
                changes and does not end.",
        ),
        BadRequest,
        Unavailable,
    ),
)]
pub(super) async fn changes(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ChangesParams>,
) -> Result<Response, Problem> {
    let node_id = parse_node_id(params.node_id.as_deref())?;
    let permit = state.stream_permits.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many live streams: close one and retry")
    })?;
    // Subscribe before `ready` is sent: a client that queries the state after `ready` misses no change.
    let is_archive = state.handle.health().archived;
    let changes = state.handle.subscribe();
    let stream = ChangeStream { changes, state, node_id, is_ready: false, is_archive, _permit: permit };
    let sse = Sse::new(stream.into_stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL));
    // Tells nginx not to buffer the stream.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

struct ChangeStream {
    state: State,
    changes: Subscription,
    /// The peer whose changes are sent; `None` for all peers.
    node_id: Option<NodeId>,
    /// Whether the `ready` event has been sent.
    is_ready: bool,
    /// Whether the data comes from an archive, which never changes.
    is_archive: bool,
    _permit: OwnedSemaphorePermit,
}

impl ChangeStream {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut stream| async { Some((Ok(stream.next().await?), stream)) })
    }

    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.is_ready, true) {
            return Some(Event::default().event("ready").retry(RECONNECT_DELAY).data("{}"));
        }
        if self.is_archive {
            // If the stream ended at once, browsers would reconnect again and again.
            self.state.wait_for_stream_close().await;
            return None;
        }
        loop {
            let next = tokio::select! {
                biased;
                () = self.state.wait_for_stream_close() => None,
                next = self.changes.next() => next,
            };
            match next? {
                Ok(change) if !self.is_relevant(&change) => {}
                Ok(change) => {
                    if let Ok(event) = Event::default().event("change").json_data(&change) {
                        return Some(event);
                    }
                }
                Err(ChangesLagged { skipped }) => {
                    return Some(Event::default().event("lagged").data(format!("{{\"skipped\":{skipped}}}")));
                }
            }
        }
    }

    /// Returns whether a change affects the requested peer.
    fn is_relevant(&self, change: &Change) -> bool {
        let affected = match change {
            Change::Presence { node_id, .. }
            | Change::ChannelOpened { node_id, .. }
            | Change::ChannelUsable { node_id, .. }
            | Change::Watched { node_id, .. } => Some(*node_id),
            Change::ChannelClosed { report, .. } => Some(report.node_id),
            Change::FundingChanged { channel_id, .. } => {
                self.state.handle.channel(channel_id).map(|channel| channel.node_id)
            }
            // Other changes, such as monitoring gaps, affect all peers.
            _ => None,
        };
        match (self.node_id, affected) {
            (Some(node_id), Some(affected)) => node_id == affected,
            _ => true,
        }
    }
}
