//! Time to answer a request with 5,000 peers. `handle_peers` measures the call that most requests start
//! with, `Handle::peers`, so that ratios can be compared across machines.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use criterion::{Criterion, criterion_group, criterion_main};
use fitness_actor::{Clock as _, SystemClock};
use fitness_web::Web;
use http_body_util::BodyExt as _;
use support::SimulatedNode;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const PEERS: usize = 5_000;

async fn get(router: &Router, path: &str) -> usize {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}");
    response.into_body().collect().await.unwrap().to_bytes().len()
}

fn pages(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (service, aliases) = runtime.block_on(async {
        let node = SimulatedNode::new(1, PEERS, 90, SystemClock::new().wall()).await;
        (node.service().start().await.unwrap(), node.aliases)
    });
    let handle = service.handle();
    let router =
        Web::builder(handle.clone()).aliases(move |node_id| aliases.get(node_id).cloned()).build().router();
    let node_id = handle.peers()[PEERS / 2].node_id;

    let mut group = criterion.benchmark_group("pages");
    group.bench_function("handle_peers", |bench| bench.iter(|| black_box(handle.peers().len())));
    let paths = [
        ("peers", "/peers".to_owned()),
        ("peers_by_availability", "/peers?sort=availability".to_owned()),
        ("peers_by_alias", "/peers?sort=alias".to_owned()),
        ("peers_search", "/peers?q=river".to_owned()),
        ("peer", format!("/peers/{node_id}")),
        ("coverage", "/coverage".to_owned()),
        ("api_peers", "/api/v1/peers".to_owned()),
        ("metrics", "/metrics".to_owned()),
    ];
    for (name, path) in paths {
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(runtime.block_on(get(&router, &path))));
        });
    }
    group.finish();
    runtime.block_on(service.shutdown()).unwrap();
}

criterion_group!(benches, pages);
criterion_main!(benches);
