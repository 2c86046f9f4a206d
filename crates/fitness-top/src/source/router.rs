//! The router of a service that tells of a store at rest, in this process: same answers, no socket.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use tower::{Service, ServiceExt as _};

use super::{Answer, Ask, LONGEST, News, SourceError};

pub(super) struct InProcess<S>(pub(super) S);

impl<S, B> Ask for InProcess<S>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Answer, SourceError>> {
        async move {
            let malformed = |reason: String| SourceError::InvalidResponse { path: path.to_owned(), reason };
            let request = Request::get(format!("/api/v1/{path}"))
                .body(Empty::new())
                .map_err(|error| malformed(error.to_string()))?;
            let Ok(response) = self.0.clone().oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body =
                Limited::new(body, LONGEST).collect().await.map_err(|error| malformed(error.to_string()))?;
            Ok(Answer { status: parts.status, body: body.to_bytes() })
        }
        .boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, News>, SourceError>> {
        // Nothing changes any more.
        async { Ok(stream::pending().boxed()) }.boxed()
    }
}
