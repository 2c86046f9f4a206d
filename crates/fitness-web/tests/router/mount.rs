//! Under any prefix every link leads somewhere, and nothing is asked of anybody else.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{StatusCode, header};
use fitness_web::Web;
use url::Url;

use crate::ask::*;

/// What a page refers to, as a browser would resolve it.
fn links(page: &Url, body: &str) -> Vec<Url> {
    let attributes = ["href=\"", "src=\"", "action=\"", "data-live=\""];
    let found = attributes.iter().flat_map(|attribute| body.split(attribute).skip(1));
    let links = found.filter_map(|rest| rest.split('"').next()).map(|link| link.replace("&amp;", "&"));
    links.map(|link| page.join(&link).unwrap()).collect()
}

/// Goes wherever a page leads, and where those lead; returns where that was.
async fn walk(router: &Router, start: &str) -> BTreeSet<String> {
    let here = Url::parse("http://here.example").unwrap();
    let mut to_see = vec![here.join(start).unwrap()];
    let mut seen = BTreeSet::new();
    while let Some(mut url) = to_see.pop() {
        url.set_fragment(None);
        let path = url[url::Position::BeforePath..].to_owned();
        // Streams do not end, and what logs in and out is not asked for with GET.
        if path.contains("/changes") || !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(router, &path).await;
        if answer.status == StatusCode::TEMPORARY_REDIRECT {
            to_see.push(url.join(answer.header(header::LOCATION)).unwrap());
            continue;
        }
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        if answer.header(header::CONTENT_TYPE).starts_with("text/html") {
            for link in links(&url, &answer.body) {
                assert_eq!(link.origin(), here.origin(), "{path} leads to {link}");
                to_see.push(link);
            }
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn every_link_leads_somewhere_wherever_the_router_is_mounted() {
    let service = service().await;
    let handle = service.handle();
    (1..=5).for_each(|number| handle.record(opened(number, number % 2 == 0)));
    pass(60).await;
    let web = Web::builder(service.handle()).build();
    let mounts = [
        (web.router(), "/", ""),
        (Router::new().nest("/fitness", web.router()), "/fitness", "/fitness"),
        (Router::new().nest("/a/wallet/", web.router()), "/a/wallet/", "/a/wallet"),
        (Router::new().nest_service("/a/wallet", web.router()), "/a/wallet/", "/a/wallet"),
        (Router::new().nest_service("/a/wallet", web.router()), "/a/wallet", "/a/wallet"),
    ];
    for (router, start, prefix) in mounts {
        let seen = walk(&router, start).await;
        for path in ["/coverage", &format!("/peers/{}", peer(3)), "/metrics", "/api/v1/openapi.json"] {
            assert!(seen.contains(&format!("{prefix}{path}")), "{path} is not linked: {seen:?}");
        }
        assert!(seen.iter().all(|path| path.starts_with(prefix)), "{seen:?}");
        assert!(seen.len() > 40, "{}", seen.len());
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_strict() {
    let service = service().await;
    let router = router(service.handle());
    for path in [
        "/",
        "/peers",
        "/coverage",
        "/advice",
        "/nothing",
        "/api/v1/peers",
        "/api/v1/nothing",
        "/metrics",
        "/assets/app.js",
        "/peers?sort=x",
    ] {
        let answer = get(&router, path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer", "{path}");
        let kept = answer.header(header::CACHE_CONTROL);
        assert_eq!(kept.contains("immutable"), path.starts_with("/assets"), "{path}: {kept}");
        assert_eq!(kept.contains("no-store"), !path.starts_with("/assets"), "{path}: {kept}");
        for inline in ["<script>", " style=\"", "<style", " onclick", "javascript:"] {
            assert!(!answer.body.contains(inline), "{path} has {inline}");
        }
    }
    service.shutdown().await.unwrap();
}
