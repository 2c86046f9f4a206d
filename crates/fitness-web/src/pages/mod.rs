//! The dashboard: pages that are whole without a script, and live with one.

mod advice;
mod coverage;
mod days;
mod filter;
mod index;
mod layout;
mod parts;
mod peer;
mod svg;
mod text;

use axum::Router;
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use serde::de::DeserializeOwned;

pub(crate) use self::layout::login;
use crate::api;
use crate::root::Root;
use crate::state::State;

/// Where all peers are, counted from the root.
pub(crate) const HOME: &str = "peers";

pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/", get(home))
        .route("/peers", get(index::page))
        .route("/peers/{node_id}", get(peer::page))
        .route("/advice", get(advice::page))
        .route("/coverage", get(coverage::page))
        .fallback(fallback)
}

/// All peers. They have a path of their own, because how the root is written is for whoever mounts the
/// router to say.
async fn home(root: Root) -> Redirect {
    Redirect::temporary(&root.link(HOME))
}

async fn fallback(root: Root, uri: Uri) -> Response {
    // The root of what is nested is no path of its own.
    if uri.path().starts_with("/api/") {
        return api::nothing_here().into_response();
    }
    layout::refusal(&root, StatusCode::NOT_FOUND, "There is no such page.")
}

/// The query of a page, or what is wrong with it.
fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, String> {
    Query::<T>::try_from_uri(uri).map(|Query(asked)| asked).map_err(|err| err.body_text())
}
