//! Authentication.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use fitness_web::{Token, Web};

use crate::client::*;

const SECRET: &str = "correct-horse-battery-staple";

async fn service_with_token() -> (fitness_actor::Service, Router) {
    let service = start_service().await;
    service.handle().record(channel_opened(1, true));
    let web = Web::builder(service.handle()).token(Token::new(SECRET).unwrap()).build();
    let router = Router::new().nest("/fitness", web.router());
    (service, router)
}

async fn get_with_header(router: &Router, path: &str, name: header::HeaderName, value: &str) -> Response {
    send(router, Request::get(path).header(name, value).body(Body::empty()).unwrap()).await
}

async fn log_in(router: &Router, form: &str) -> Response {
    let request = Request::post("/fitness/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()));
    send(router, request.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_requests_are_rejected() {
    let (service, router) = service_with_token().await;
    let peers = format!("/fitness/peers/{}", node_id(1));
    for path in ["/fitness", "/fitness/peers", &peers, "/fitness/coverage", "/fitness/nothing"] {
        let response = get(&router, path).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(response.body.contains("<form") && response.body.contains("type=\"password\""), "{path}");
        assert!(
            !response.body.contains("<table") && !response.body.contains("<dl"),
            "{path}: {}",
            response.body
        );
    }
    for path in ["peers", "health", "changes", "openapi.json", "nothing"] {
        let response = get(&router, &format!("/fitness/api/v1/{path}")).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(response.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
        assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json");
    }
    assert_eq!(get(&router, "/fitness/metrics").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        get(&router, "/fitness/assets/style.css").await.status,
        StatusCode::OK,
        "the login form needs its style sheet"
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bearer_token_is_accepted() {
    let (service, router) = service_with_token().await;
    let status = async |value: &str| {
        get_with_header(&router, "/fitness/api/v1/peers", header::AUTHORIZATION, value).await.status.as_u16()
    };
    assert_eq!(status(&format!("Bearer {SECRET}")).await, 200);
    assert_eq!(status(&format!("bearer {SECRET}")).await, 200, "schemes are case-insensitive");
    for wrong in
        ["Bearer", "Bearer ", "Bearer correct-horse-battery-stapl", SECRET, &format!("Basic {SECRET}")]
    {
        assert_eq!(status(wrong).await, 401, "{wrong}");
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn login_sets_a_session_cookie() {
    let (service, router) = service_with_token().await;
    let wrong = log_in(&router, "token=wrong&next=coverage").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.headers.get(header::SET_COOKIE).is_none());
    assert!(!wrong.body.contains("wrong"), "the submitted token is not echoed");

    let right = log_in(&router, &format!("token={SECRET}&next=coverage%3Fwindow%3D7d")).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.header(header::LOCATION), "./coverage?window=7d");
    let cookie = right.header(header::SET_COOKIE);
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(SECRET), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    assert_eq!(
        get_with_header(&router, "/fitness/peers", header::COOKIE, session).await.status,
        StatusCode::OK
    );
    assert_eq!(
        get_with_header(&router, "/fitness/metrics", header::COOKIE, session).await.status,
        StatusCode::OK
    );

    let forged = session.replace('.', ".0");
    assert_eq!(
        get_with_header(&router, "/fitness/peers", header::COOKIE, &forged).await.status,
        StatusCode::UNAUTHORIZED
    );
    advance(31 * 24 * 3600).await;
    assert_eq!(
        get_with_header(&router, "/fitness/peers", header::COOKIE, session).await.status,
        StatusCode::UNAUTHORIZED,
        "expired after 30 days"
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn login_and_logout_redirect_to_local_pages_only() {
    let (service, router) = service_with_token().await;
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "..%2F..%2Fx", "javascript%3Aalert(1)"] {
        let response = log_in(&router, &format!("token={SECRET}&next={next}")).await;
        assert_eq!(response.header(header::LOCATION), "./peers", "{next}");
    }
    for path in ["/fitness/login", "/fitness/logout"] {
        let response = get(&router, path).await;
        assert_eq!((response.status, response.header(header::LOCATION)), (StatusCode::SEE_OTHER, "./peers"));
    }
    let logout = send(&router, Request::post("/fitness/logout").body(Body::empty()).unwrap()).await;
    assert_eq!((logout.status, logout.header(header::LOCATION)), (StatusCode::SEE_OTHER, "./peers"));
    assert!(logout.header(header::SET_COOKIE).contains("Max-Age=0"));
    service.shutdown().await.unwrap();
}
