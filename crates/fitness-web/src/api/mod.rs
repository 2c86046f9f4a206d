//! The JSON API: what the service knows, for programs. Its description comes from this code.
#![allow(unused_qualifications, reason = "the macros that describe the API write them")]

mod advice;
mod changes;
mod channels;
mod coverage;
mod document;
mod health;
mod histories;
mod model;
mod peers;
mod problem;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use fitness_core::NodeId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::document::openapi;
pub(crate) use self::problem::Problem;
use crate::state::State;

/// The most entries that one answer lists.
const MOST: usize = 10_000;

/// How many entries are listed, where that can be.
fn limit(asked: u32) -> Result<usize, Problem> {
    let limit = asked as usize;
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(format!("`limit` is from 1 to {MOST}, not {limit}")))
}

/// How many are where nobody asks for a number.
const fn usual_limit() -> u32 {
    1_000
}

/// The peer that a query names, if it names one.
fn peer_asked(node_id: Option<&str>) -> Result<Option<NodeId>, Problem> {
    let parse = |text: &str| text.parse().map_err(|err| Problem::bad_request(format!("`node_id`: {err}")));
    node_id.map(parse).transpose()
}

/// The routes, and their description.
fn described() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(document::begin())
        .routes(routes!(peers::list))
        .routes(routes!(peers::one))
        .routes(routes!(histories::peer_windows))
        .routes(routes!(histories::peer_window))
        .routes(routes!(histories::peer_timeline))
        .routes(routes!(histories::peer_buckets))
        .routes(routes!(channels::list))
        .routes(routes!(channels::one))
        .routes(routes!(histories::channel_windows))
        .routes(routes!(histories::channel_window))
        .routes(routes!(histories::channel_timeline))
        .routes(routes!(histories::channel_buckets))
        .routes(routes!(advice::advice))
        .routes(routes!(coverage::coverage))
        .routes(routes!(health::health))
        .routes(routes!(changes::changes))
}

pub(crate) fn router() -> Router<State> {
    let (router, _) = described().split_for_parts();
    router
        .route("/openapi.json", get(document::document))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the API only answers questions: use GET")
        })
        .fallback(async || nothing_here())
}

pub(crate) fn nothing_here() -> Problem {
    Problem::not_found("there is nothing here; /api/v1/openapi.json says what there is")
}
