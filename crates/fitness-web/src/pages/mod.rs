//! The dashboard. Pages work without JavaScript; the script adds live updates.

mod advice;
mod availability_chart;
mod components;
mod coverage;
mod filter;
mod layout;
mod peer;
mod peers;
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

/// Path of the list of peers, relative to the dashboard root.
pub(crate) const HOME: &str = "peers";

pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/", get(redirect_to_home))
        .route("/peers", get(peers::page))
        .route("/peers/{node_id}", get(peer::page))
        .route("/advice", get(advice::page))
        .route("/coverage", get(coverage::page))
        .fallback(fallback)
}

/// Redirects `/` to the list of peers. The list has its own path because the URL of the root, with or without
/// a trailing slash, depends on how the router is mounted.
async fn redirect_to_home(root: Root) -> Redirect {
    Redirect::temporary(&root.link(HOME))
}

async fn fallback(root: Root, uri: Uri) -> Response {
    // The nested API router does not match its own root, `/api/v1/`.
    if uri.path().starts_with("/api/") {
        return api::not_found().into_response();
    }
    layout::error_page(&root, StatusCode::NOT_FOUND, "This page does not exist.")
}

/// Parses the query of a page.
///
/// # Errors
///
/// A message for the user.
fn parse_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, String> {
    Query::<T>::try_from_uri(uri).map(|Query(query)| query).map_err(|err| err.body_text())
}
