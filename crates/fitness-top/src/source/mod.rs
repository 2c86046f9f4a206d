//! Where the data comes from: a service's address, or its router in this process. Both answer the same.

mod http;
mod router;

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
use self::router::InProcess;
use crate::api::{Changed, Problem};
use crate::text;

/// The longest answer that is taken.
const LONGEST: usize = 64 << 20;

/// Where the data comes from.
pub struct Source {
    ask: Box<dyn Ask>,
    place: String,
    is_remote: bool,
}

impl Source {
    /// A service that answers at `address`, such as `http://127.0.0.1:8080`, a path included where its
    /// router is mounted under one. It is asked with `token` where there is one.
    ///
    /// Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`SourceError::InvalidAddress`] or [`SourceError::InvalidToken`]; neither tells the token or a password.
    pub fn service(address: &str, token: Option<&str>) -> Result<Self, SourceError> {
        let http = Http::new(address, token)?;
        Ok(Self { place: http.place(), ask: Box::new(http), is_remote: true })
    }

    /// A store at rest, called `place`, through the router of a service that only tells of it: nothing
    /// will change there.
    pub fn archive<S, B>(router: S, place: impl Into<String>) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self { ask: Box::new(InProcess(router)), place: place.into(), is_remote: false }
    }

    /// What is asked, for who reads it.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whether it can go away.
    pub(crate) const fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// The answer to `path`, counted from `/api/v1/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SourceError> {
        let Answer { status, body } = self.ask.get(path).await?;
        match status {
            _ if status.is_success() => serde_json::from_slice(&body).map_err(|error| {
                SourceError::InvalidResponse { path: path.to_owned(), reason: error.to_string() }
            }),
            _ => Err(SourceError::status(status, &body)),
        }
    }

    /// Changes from now on.
    pub(crate) async fn changes(&self) -> Result<BoxStream<'static, News>, SourceError> {
        self.ask.changes().await
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Something that can be asked.
trait Ask: Send + Sync {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Answer, SourceError>>;

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, News>, SourceError>>;
}

struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// What a live stream tells.
#[derive(Debug)]
pub(crate) enum News {
    /// This is different from before, for one peer or for all.
    Change(Changed),
    /// Too much happened: all has to be asked anew.
    Missed,
    /// It broke. Nothing comes after it.
    Broke(SourceError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// An address that is none.
    #[error("{reason}; give the address of a service, such as http://127.0.0.1:8080")]
    InvalidAddress {
        /// What is wrong with it.
        reason: String,
    },
    /// A token that cannot be sent.
    #[error("the token has a character that cannot be sent; it is made of visible ASCII characters")]
    InvalidToken,
    /// Nobody answers.
    #[error("no answer from {address}: {reason}")]
    Unreachable {
        /// Who was asked.
        address: String,
        /// What went wrong.
        reason: String,
        /// For how long nothing had been heard before that was noticed.
        idle_for: Duration,
    },
    /// The service does not know us.
    #[error("the service asks for its token; give it by --token-file or LDK_FITNESS_TOKEN")]
    Unauthorized,
    /// The service answers, and does not tell.
    #[error("{status}: {detail}")]
    HttpStatus {
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
    /// An answer that is none of ours.
    #[error("the answer to /api/v1/{path} is not that of an ldk-fitness of this release: {reason}")]
    InvalidResponse {
        /// What was asked.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl SourceError {
    fn status(status: StatusCode, body: &[u8]) -> Self {
        if status == StatusCode::UNAUTHORIZED {
            return Self::Unauthorized;
        }
        let said = serde_json::from_slice(body).ok().and_then(|said: Problem| text::harmless(&said.detail));
        let detail = said.unwrap_or_else(|| "is this the address of an ldk-fitness?".to_owned());
        Self::HttpStatus { status, detail }
    }

    /// Whether it has nothing, and not whether it does not work.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::HttpStatus { status: StatusCode::NOT_FOUND, .. })
    }

    /// For how long nothing had been heard before it was noticed.
    pub(crate) const fn silence(&self) -> Duration {
        match self {
            Self::Unreachable { idle_for: silence, .. } => *silence,
            _ => Duration::ZERO,
        }
    }

    /// Whether somebody answered.
    pub(crate) const fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}
