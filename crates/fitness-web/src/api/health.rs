//! Health of the service.

use axum::Json;
use axum::extract::State as Extract;

use super::model::Health;
use crate::state::State;

/// Get the health of the service
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, body = Health, description = "Health of the service")),
)]
pub(super) async fn health(Extract(state): Extract<State>) -> Json<Health> {
    Json(state.handle.health().into())
}
