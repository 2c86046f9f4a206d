//! The source of the data: a service's address, or a router in this process. Both provide the same API.

mod http;
mod in_process;

use std::convert::Infallible;
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http_body_util::Empty;
use serde::de::DeserializeOwned;
use tower::Service;

use self::http::Http;
use self::in_process::InProcess;
use crate::api::{Change, ErrorResponse};
use crate::text;

/// The largest response that is accepted, in bytes.
const MAX_RESPONSE_LEN: usize = 64 << 20;

/// The source of the data.
pub struct Source {
    transport: Box<dyn Transport>,
    location: String,
    is_remote: bool,
}

impl Source {
    /// Uses the service at `address`, such as `http://127.0.0.1:8080`. Include the path if the service's
    /// router is mounted under one. Requests contain `token` if there is one.
    ///
    /// Sends no request.
    ///
    /// # Errors
    ///
    /// [`SourceError::InvalidAddress`] or [`SourceError::InvalidToken`]. Neither contains the token or a
    /// password.
    pub fn service(address: &str, token: Option<&str>) -> Result<Self, SourceError> {
        let http = Http::new(address, token)?;
        Ok(Self { location: http.address(), transport: Box::new(http), is_remote: true })
    }

    /// Uses stored history without a running service. `router` is a router over an archive, and `location` is
    /// shown to the user. The data does not change.
    pub fn archive<S, B>(router: S, location: impl Into<String>) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self { transport: Box::new(InProcess(router)), location: location.into(), is_remote: false }
    }

    /// Returns the address or path to show to the user.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Whether the source can become unreachable.
    pub(crate) const fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// Fetches `path`, which is relative to `/api/v1/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SourceError> {
        let ApiResponse { status, body } = self.transport.get(path).await?;
        match status {
            _ if status.is_success() => serde_json::from_slice(&body).map_err(|error| {
                SourceError::InvalidResponse { path: path.to_owned(), reason: error.to_string() }
            }),
            _ => Err(SourceError::from_status(status, &body)),
        }
    }

    /// Opens the stream of changes.
    pub(crate) async fn changes(&self) -> Result<BoxStream<'static, ChangeEvent>, SourceError> {
        self.transport.changes().await
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Sends requests to the API.
trait Transport: Send + Sync {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ApiResponse, SourceError>>;

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, ChangeEvent>, SourceError>>;
}

struct ApiResponse {
    status: StatusCode,
    body: Bytes,
}

/// An event of the stream of changes.
#[derive(Debug)]
pub(crate) enum ChangeEvent {
    /// One peer changed, or all of them.
    Change(Change),
    /// Changes were lost, so all data has to be fetched again.
    Lagged,
    /// The stream failed. This is its last event.
    Failed(SourceError),
}

/// A failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The address of the service is invalid.
    #[error("{reason}; give the address of a service, such as http://127.0.0.1:8080")]
    InvalidAddress {
        /// Why the address is invalid.
        reason: String,
    },
    /// The token contains a character that is not allowed in an HTTP header.
    #[error("invalid character in the token: expected visible ASCII characters")]
    InvalidToken,
    /// The service does not respond.
    #[error("no response from {address}: {reason}")]
    Unreachable {
        /// The address of the service.
        address: String,
        /// The cause.
        reason: String,
        /// How long no data had been received before the failure was noticed.
        idle_for: Duration,
    },
    /// The service requires a token, or rejected the one that was sent.
    #[error("the service requires a valid token; give it with --token-file or in LDK_FITNESS_TOKEN")]
    Unauthorized,
    /// The service responded with an error status.
    #[error("{status}: {detail}")]
    HttpStatus {
        /// The HTTP status.
        status: StatusCode,
        /// The service's error message.
        detail: String,
    },
    /// The response is too large or not the expected JSON.
    #[error(
        "unexpected response to /api/v1/{path}: {reason}; is this an ldk-fitness service of this release?"
    )]
    InvalidResponse {
        /// The requested path, relative to `/api/v1/`.
        path: String,
        /// Why the response is invalid.
        reason: String,
    },
}

impl SourceError {
    fn from_status(status: StatusCode, body: &[u8]) -> Self {
        if status == StatusCode::UNAUTHORIZED {
            return Self::Unauthorized;
        }
        let response = serde_json::from_slice::<ErrorResponse>(body).ok();
        let detail = response.and_then(|response| text::sanitize(&response.detail));
        let detail = detail.unwrap_or_else(|| "no ldk-fitness service at this address?".to_owned());
        Self::HttpStatus { status, detail }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::HttpStatus { status: StatusCode::NOT_FOUND, .. })
    }

    /// Returns how long no data had been received before the failure was noticed.
    pub(crate) const fn idle_for(&self) -> Duration {
        match self {
            Self::Unreachable { idle_for, .. } => *idle_for,
            _ => Duration::ZERO,
        }
    }

    /// Whether the service responded.
    pub(crate) const fn is_response(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}
