//! Who may ask, where there is a token.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use fitness_web::{Token, Web};

use crate::ask::*;

const SECRET: &str = "correct-horse-battery-staple";

async fn guarded() -> (fitness_actor::Service, Router) {
    let service = service().await;
    service.handle().record(opened(1, true));
    let web = Web::builder(service.handle()).token(Token::new(SECRET).unwrap()).build();
    let router = Router::new().nest("/fitness", web.router());
    (service, router)
}

async fn with(router: &Router, path: &str, name: header::HeaderName, value: &str) -> Answer {
    send(router, Request::get(path).header(name, value).body(Body::empty()).unwrap()).await
}

async fn log_in(router: &Router, form: &str) -> Answer {
    let request = Request::post("/fitness/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()));
    send(router, request.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_to_who_does_not_know_it() {
    let (service, router) = guarded().await;
    let peers = format!("/fitness/peers/{}", peer(1));
    for path in ["/fitness", "/fitness/peers", &peers, "/fitness/coverage", "/fitness/nothing"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.body.contains("<form") && answer.body.contains("type=\"password\""), "{path}");
        assert!(!answer.body.contains("<table") && !answer.body.contains("<dl"), "{path}: {}", answer.body);
    }
    for path in ["peers", "health", "changes", "openapi.json", "nothing"] {
        let answer = get(&router, &format!("/fitness/api/v1/{path}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    }
    assert_eq!(get(&router, "/fitness/metrics").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        get(&router, "/fitness/assets/style.css").await.status,
        StatusCode::OK,
        "the form has its style"
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_program_sends_it() {
    let (service, router) = guarded().await;
    let ask = async |value: &str| {
        with(&router, "/fitness/api/v1/peers", header::AUTHORIZATION, value).await.status.as_u16()
    };
    assert_eq!(ask(&format!("Bearer {SECRET}")).await, 200);
    assert_eq!(ask(&format!("bearer {SECRET}")).await, 200, "schemes are told apart by their letters alone");
    for wrong in
        ["Bearer", "Bearer ", "Bearer correct-horse-battery-stapl", SECRET, &format!("Basic {SECRET}")]
    {
        assert_eq!(ask(wrong).await, 401, "{wrong}");
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_told_it_once() {
    let (service, router) = guarded().await;
    let wrong = log_in(&router, "token=wrong&next=coverage").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.headers.get(header::SET_COOKIE).is_none());
    assert!(!wrong.body.contains("wrong"), "what was given is not shown again");

    let right = log_in(&router, &format!("token={SECRET}&next=coverage%3Fwindow%3D7d")).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.header(header::LOCATION), "./coverage?window=7d");
    let cookie = right.header(header::SET_COOKIE);
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(SECRET), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    assert_eq!(with(&router, "/fitness/peers", header::COOKIE, session).await.status, StatusCode::OK);
    assert_eq!(with(&router, "/fitness/metrics", header::COOKIE, session).await.status, StatusCode::OK);

    // Of the cookie not a character may be other.
    let forged = session.replace('.', ".0");
    assert_eq!(
        with(&router, "/fitness/peers", header::COOKIE, &forged).await.status,
        StatusCode::UNAUTHORIZED
    );
    pass(31 * 24 * 3600).await;
    assert_eq!(
        with(&router, "/fitness/peers", header::COOKIE, session).await.status,
        StatusCode::UNAUTHORIZED,
        "it is over after a month"
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_leads_nowhere_but_back() {
    let (service, router) = guarded().await;
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "..%2F..%2Fx", "javascript%3Aalert(1)"] {
        let answer = log_in(&router, &format!("token={SECRET}&next={next}")).await;
        assert_eq!(answer.header(header::LOCATION), "./peers", "{next}");
    }
    for path in ["/fitness/login", "/fitness/logout"] {
        let answer = get(&router, path).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "./peers"));
    }
    let out = send(&router, Request::post("/fitness/logout").body(Body::empty()).unwrap()).await;
    assert_eq!((out.status, out.header(header::LOCATION)), (StatusCode::SEE_OTHER, "./peers"));
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    service.shutdown().await.unwrap();
}
