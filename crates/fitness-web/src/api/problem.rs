//! Error responses as problem documents (RFC 9457), and extractors that reject with them.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoResponses, ToSchema};

/// An error response.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The reason phrase of the status code.
    #[schema(examples("Not Found"))]
    title: &'static str,
    /// What went wrong and how to fix it.
    #[schema(examples("no open channel 9f…"))]
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status: status.as_u16(), title, detail: detail.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Reports that the store could not be read.
    pub(crate) fn store_error(err: &impl std::fmt::Display) -> Self {
        tracing::warn!(error = %err, "request failed: store could not be read");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("cannot read the history: {err}"))
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status(), [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response()
    }
}

/// Extracts the query parameters. Rejects invalid and unknown ones with a [`Problem`] that names them.
pub(crate) struct QueryParams<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// Extracts the id in the path.
pub(crate) struct IdParam<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for IdParam<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        text.parse().map(Self).map_err(|err| Problem::bad_request(format!("invalid id in the path: {err}")))
    }
}

/// Invalid request.
#[derive(IntoResponses)]
#[response(status = 400, content_type = "application/problem+json")]
pub(crate) struct BadRequest(#[expect(dead_code, reason = "only its description is used")] Problem);

/// Not found.
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFound(#[expect(dead_code, reason = "only its description is used")] Problem);

/// The store cannot be read, or there are too many live streams.
#[derive(IntoResponses)]
#[response(status = 503, content_type = "application/problem+json")]
pub(crate) struct Unavailable(#[expect(dead_code, reason = "only its description is used")] Problem);
