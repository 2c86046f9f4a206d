//! A router over an archive in this process: the same API without a socket.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use tower::{Service, ServiceExt as _};

use super::{ApiResponse, ChangeEvent, MAX_RESPONSE_LEN, SourceError, Transport};

pub(super) struct InProcess<S>(pub(super) S);

impl<S, B> Transport for InProcess<S>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ApiResponse, SourceError>> {
        async move {
            let invalid = |reason: String| SourceError::InvalidResponse { path: path.to_owned(), reason };
            let request = Request::get(format!("/api/v1/{path}"))
                .body(Empty::new())
                .map_err(|error| invalid(error.to_string()))?;
            let Ok(response) = self.0.clone().oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE_LEN).collect().await;
            let body = body.map_err(|error| invalid(error.to_string()))?;
            Ok(ApiResponse { status: parts.status, body: body.to_bytes() })
        }
        .boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, ChangeEvent>, SourceError>> {
        // An archive does not change.
        async { Ok(stream::pending().boxed()) }.boxed()
    }
}
