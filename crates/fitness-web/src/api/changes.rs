//! Changes as they happen, as server-sent events.

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

use super::model::text;
use super::peer_asked;
use super::problem::{Asked, BadRequest, NoStore, Problem};
use crate::state::State;

/// How often a stream on which nothing happens says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a browser waits before it asks again, once a stream has ended.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesAsked {
    /// Only what concerns this peer, or all of them.
    #[param(value_type = Option<text::NodeId>)]
    node_id: Option<String>,
}

/// Changes from now on, as server-sent events.
///
/// `hello` comes first; `change` for each, as JSON with the kind in `change`; and `missed`, with a `count`,
/// where you were too slow for that many of them: ask anew then.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "service",
    params(ChangesAsked),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "It ends with the service; that of a store at rest has no changes and does not end"),
        BadRequest,
        NoStore,
    ),
)]
pub(super) async fn changes(
    Extract(state): Extract<State>,
    Asked(asked): Asked<ChangesAsked>,
) -> Result<Response, Problem> {
    let about = peer_asked(asked.node_id.as_deref())?;
    let permit = state.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many live streams are open as are allowed; close one",
        )
    })?;
    // Before the greeting: whoever has that and then asks misses nothing.
    let is_at_rest = state.handle.health().archived;
    let changes = state.handle.subscribe();
    let live = Live { changes, state, about, greeted: false, is_at_rest, _permit: permit };
    let sse = Sse::new(live.into_stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // Proxies that gather answers would hold back what is live.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

struct Live {
    state: State,
    changes: Subscription,
    about: Option<NodeId>,
    greeted: bool,
    /// Nothing happens in a store at rest.
    is_at_rest: bool,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut live| async { Some((Ok(live.next().await?), live)) })
    }

    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Event::default().event("ready").retry(RETRY).data("{}"));
        }
        if self.is_at_rest {
            // Whoever listened to a stream that ended would ask again, and again.
            self.state.closed().await;
            return None;
        }
        loop {
            let next = tokio::select! {
                biased;
                () = self.state.closed() => None,
                next = self.changes.next() => next,
            };
            match next? {
                Ok(change) if !self.concerns(&change) => {}
                Ok(change) => {
                    if let Ok(event) = Event::default().event("change").json_data(&change) {
                        return Some(event);
                    }
                }
                Err(ChangesLagged { skipped: count }) => {
                    return Some(Event::default().event("lagged").data(format!("{{\"skipped\":{count}}}")));
                }
            }
        }
    }

    fn concerns(&self, change: &Change) -> bool {
        let who = match change {
            Change::Presence { node_id, .. }
            | Change::ChannelOpened { node_id, .. }
            | Change::ChannelUsable { node_id, .. }
            | Change::Watched { node_id, .. } => Some(*node_id),
            Change::ChannelClosed { report, .. } => Some(report.node_id),
            Change::FundingChanged { channel_id, .. } => {
                self.state.handle.channel(channel_id).map(|channel| channel.node_id)
            }
            _ => None,
        };
        match (self.about, who) {
            (Some(about), Some(who)) => about == who,
            _ => true,
        }
    }
}
