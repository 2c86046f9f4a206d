//! Links under any mount prefix, and security headers.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{StatusCode, header};
use fitness_web::Web;
use url::Url;

use crate::client::*;

/// Returns the links of a page, resolved as a browser does.
fn links(page: &Url, body: &str) -> Vec<Url> {
    let attributes = ["href=\"", "src=\"", "action=\"", "data-live=\""];
    let found = attributes.iter().flat_map(|attribute| body.split(attribute).skip(1));
    let links = found.filter_map(|rest| rest.split('"').next()).map(|link| link.replace("&amp;", "&"));
    links.map(|link| page.join(&link).unwrap()).collect()
}

/// Follows all links from a page. Returns the visited paths.
async fn crawl(router: &Router, start: &str) -> BTreeSet<String> {
    let base = Url::parse("http://dashboard.example").unwrap();
    let mut queue = vec![base.join(start).unwrap()];
    let mut visited = BTreeSet::new();
    while let Some(mut url) = queue.pop() {
        url.set_fragment(None);
        let path = url[url::Position::BeforePath..].to_owned();
        // The stream does not end.
        if path.contains("/changes") || !visited.insert(path.clone()) {
            continue;
        }
        let response = get(router, &path).await;
        if response.status == StatusCode::TEMPORARY_REDIRECT {
            queue.push(url.join(response.header(header::LOCATION)).unwrap());
            continue;
        }
        assert_eq!(response.status, StatusCode::OK, "{path}");
        if response.header(header::CONTENT_TYPE).starts_with("text/html") {
            for link in links(&url, &response.body) {
                assert_eq!(link.origin(), base.origin(), "{path} leads to {link}");
                queue.push(link);
            }
        }
    }
    visited
}

#[tokio::test(start_paused = true)]
async fn all_links_work_under_any_prefix() {
    let service = start_service().await;
    let handle = service.handle();
    (1..=5).for_each(|number| handle.record(channel_opened(number, number % 2 == 0)));
    advance(60).await;
    let web = Web::builder(service.handle()).build();
    let mounts = [
        (web.router(), "/", ""),
        (Router::new().nest("/fitness", web.router()), "/fitness", "/fitness"),
        (Router::new().nest("/a/wallet/", web.router()), "/a/wallet/", "/a/wallet"),
        (Router::new().nest_service("/a/wallet", web.router()), "/a/wallet/", "/a/wallet"),
        (Router::new().nest_service("/a/wallet", web.router()), "/a/wallet", "/a/wallet"),
    ];
    for (router, start, prefix) in mounts {
        let visited = crawl(&router, start).await;
        for path in ["/coverage", &format!("/peers/{}", node_id(3)), "/metrics", "/api/v1/openapi.json"] {
            assert!(visited.contains(&format!("{prefix}{path}")), "{path} is not linked: {visited:?}");
        }
        assert!(visited.iter().all(|path| path.starts_with(prefix)), "{visited:?}");
        assert!(visited.len() > 40, "{}", visited.len());
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_responses_have_security_headers() {
    let service = start_service().await;
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
        let response = get(&router, path).await;
        let policy = response.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(response.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(response.header(header::REFERRER_POLICY), "no-referrer", "{path}");
        let cache_control = response.header(header::CACHE_CONTROL);
        assert_eq!(
            cache_control.contains("immutable"),
            path.starts_with("/assets"),
            "{path}: {cache_control}"
        );
        assert_eq!(
            cache_control.contains("no-store"),
            !path.starts_with("/assets"),
            "{path}: {cache_control}"
        );
        for inline in ["<script>", " style=\"", "<style", " onclick", "javascript:"] {
            assert!(!response.body.contains(inline), "{path} has {inline}");
        }
    }
    service.shutdown().await.unwrap();
}
