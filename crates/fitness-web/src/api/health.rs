//! How the service is doing.

use axum::Json;
use axum::extract::State as Extract;

use super::model::Health;
use crate::state::State;

/// How the service is doing.
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, body = Health, description = "How the service is doing")),
)]
pub(super) async fn health(Extract(state): Extract<State>) -> Json<Health> {
    Json(state.handle.health().into())
}
