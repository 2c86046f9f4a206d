//! Response compression.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::client::*;

#[tokio::test(start_paused = true)]
async fn pages_are_compressed_and_streams_are_not() {
    let service = start_service().await;
    (1..=100).for_each(|number| service.handle().record(channel_opened(number, true)));
    advance(100).await;
    let router = router(service.handle());
    let get_gzip = async |path: &str| {
        let request = Request::get(path).header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let plain = get(&router, "/peers").await;
    assert_eq!(plain.header(header::CONTENT_ENCODING), "");
    let response = get_gzip("/peers").await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(response.headers()[header::VARY], "accept-encoding");
    let compressed = response.into_body().collect().await.unwrap().to_bytes();
    assert!(compressed.len() * 5 < plain.body.len(), "{} of {} bytes", compressed.len(), plain.body.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let stream = get_gzip("/api/v1/changes").await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(!stream.headers().contains_key(header::CONTENT_ENCODING));
    service.shutdown().await.unwrap();
}
