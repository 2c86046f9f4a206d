//! Recommendations, in the API and on the dashboard.

use std::sync::Arc;

use axum::http::StatusCode;
use fitness_actor::Archive;
use fitness_advice::{PeerKind, Policy, Reason};
use fitness_core::{Event, HashSeed, NodeId, Timestamp, Tracker, TrackerConfig, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store as _};
use fitness_web::Web;
use serde_json::Value;

use crate::client::*;
use crate::support::OBSERVER;

const DAY: u64 = 86_400;

fn at(secs: u64) -> Timestamp {
    START.after_secs(secs)
}

const ALWAYS_ONLINE: u8 = 1;
const OFTEN_OFFLINE: u8 = 2;
const LONG_OFFLINE: u8 = 3;
const NEW: u8 = 4;
const FLAPPING: u8 = 5;
const PHONE: u8 = 6;

/// Returns an archive of 60 days. `OFTEN_OFFLINE` is online for 70% of each day, `LONG_OFFLINE` for the first
/// ten days only; `NEW` is tracked for one day; `FLAPPING` disconnects every hour for 9 s; `PHONE` is online
/// for 6 h a day.
async fn archive_of_60_days() -> Archive {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    let mut events: Vec<(u64, Event)> = Vec::new();
    for number in [ALWAYS_ONLINE, OFTEN_OFFLINE, LONG_OFFLINE, FLAPPING, PHONE] {
        events.push((0, Event::Watch { node_id: node_id(number) }));
        events.push((0, peer_online(number)));
    }
    for day in 0..60 {
        let start = day * DAY;
        events.push((start + 7 * DAY / 10, peer_offline(OFTEN_OFFLINE)));
        events.push((start + DAY - 1, peer_online(OFTEN_OFFLINE)));
        events.push((start + DAY / 4, peer_offline(PHONE)));
        events.push((start + DAY - 1, peer_online(PHONE)));
        for hour in 1..20 {
            events.push((start + hour * 3_600, peer_offline(FLAPPING)));
            events.push((start + hour * 3_600 + 9, peer_online(FLAPPING)));
        }
    }
    events.push((10 * DAY, peer_offline(LONG_OFFLINE)));
    events.push((59 * DAY, Event::Watch { node_id: node_id(NEW) }));
    events.push((59 * DAY, peer_online(NEW)));
    events.sort_by_key(|(secs, _)| *secs);
    events.iter().for_each(|(secs, event)| tracker.apply(at(*secs), event));
    let (store, mut changes) = (MemoryStore::default(), UnsavedChanges::default());
    while tracker.drain_changes(usize::MAX, &mut changes) {}
    let observer = Some(tracker.observer_record(at(60 * DAY)));
    store.commit(&OBSERVER, Arc::new(Batch { changes, observer, ..Batch::default() })).await.unwrap();
    Archive::open(OBSERVER, Arc::new(store)).await.unwrap()
}

fn entries(response: &Value) -> &[Value] {
    response["advice"].as_array().unwrap()
}

fn recommendations(response: &Value) -> Vec<&str> {
    entries(response).iter().map(|entry| entry["recommendation"].as_str().unwrap()).collect()
}

/// The recommendation for a peer, and the rules behind it.
fn recommendation(response: &Value, number: u8) -> (&str, Vec<&str>) {
    let id = node_id(number).to_string();
    let entry = entries(response).iter().find(|entry| entry["node_id"] == id).unwrap();
    let rules = entry["reasons"].as_array().unwrap().iter().map(|reason| reason["rule"].as_str().unwrap());
    (entry["recommendation"].as_str().unwrap(), rules.collect())
}

#[tokio::test]
async fn recommendations_have_reasons_and_scores() {
    let archive = archive_of_60_days().await;
    let router = router(archive.handle());
    let response = get_json(&router, "advice").await;
    assert_eq!(
        (&response["total"], &response["pending"], &response["window"]),
        (&6.into(), &0.into(), &"90d".into())
    );
    assert_eq!(response["at_ns"], archive.as_of().as_nanos());
    let threshold = "availability_low";
    let long_offline = Reason::LongOffline { offline_ns: 0, limit_ns: 0 }.rule();
    let insufficient_data = Reason::InsufficientData { observed_ns: 0, needed_ns: 0 }.rule();
    assert_eq!(recommendation(&response, ALWAYS_ONLINE), ("keep", vec![]));
    assert_eq!(recommendation(&response, OFTEN_OFFLINE), ("close", vec![threshold]));
    let (long_offline_advice, rules) = recommendation(&response, LONG_OFFLINE);
    assert_eq!((long_offline_advice, &rules[..2]), ("close", &[long_offline, threshold][..]));
    assert_eq!(recommendation(&response, NEW), ("insufficient_data", vec![insufficient_data]));
    assert_eq!(recommendation(&response, FLAPPING), ("review", vec!["flapping"]));
    assert_eq!(recommendation(&response, PHONE).0, "close", "its kind is not configured");

    // Most urgent first, then by score.
    assert_eq!(
        recommendations(&response),
        ["close", "close", "close", "review", "insufficient_data", "keep"]
    );
    let scores: Vec<f64> =
        entries(&response).iter().map(|entry| entry["score"]["value"].as_f64().unwrap()).collect();
    assert!(scores[..3].is_sorted(), "{scores:?}");
    let best = entries(&response).last().unwrap();
    let score = &best["score"];
    let low = score["availability_bounds"]["low"].as_f64().unwrap();
    let product = low * score["stability"].as_f64().unwrap() * 100.0;
    assert!((score["value"].as_f64().unwrap() - product).abs() < 1e-9, "{score}");
    assert_eq!((&best["alias"], &score["availability"]), (&"<i>one</i>".into(), &1.0.into()));
}

#[tokio::test]
async fn recommendations_are_filtered_and_paged() {
    let archive = archive_of_60_days().await;
    let router = router(archive.handle());
    let all = get_json(&router, "advice").await;
    let page = get_json(&router, "advice?recommendation=close&limit=1&offset=1").await;
    assert_eq!((&page["total"], entries(&page).len()), (&3.into(), 1));
    assert_eq!(entries(&page)[0], entries(&all)[1]);
    for (query, parameter) in
        [("recommendation=maybe", "recommendation"), ("limit=0", "limit"), ("limit=1001", "limit")]
    {
        let response = get(&router, &format!("/api/v1/advice?{query}")).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(response.json()["detail"].as_str().unwrap().contains(parameter), "{}", response.body);
    }
}

#[tokio::test]
async fn policy_and_peer_kinds_are_applied() {
    let archive = archive_of_60_days().await;
    let mut policy =
        Policy { availability_threshold: None, outlier: None, max_flaps_7d: None, ..Policy::default() };
    policy.ignore.insert(node_id(LONG_OFFLINE));
    let kind = |peer: &NodeId| if *peer == node_id(PHONE) { PeerKind::Mobile } else { PeerKind::Routing };
    let web = Web::builder(archive.handle()).policy(policy).peer_kinds(kind).build();
    let response = get_json(&web.router(), "advice").await;
    assert_eq!(recommendations(&response), ["insufficient_data", "keep", "keep", "keep", "keep", "ignored"]);
    assert_eq!(recommendation(&response, PHONE).1, [Reason::NotCompared.rule()]);
}

#[tokio::test]
async fn page_shows_the_same_recommendations_as_the_api() {
    let archive = archive_of_60_days().await;
    let router = router(archive.handle());
    let body = get(&router, "/advice").await.body;
    let rows: Vec<&str> = body.split("id=\"advice-").skip(1).collect();
    let response = get_json(&router, "advice").await;
    assert_eq!(rows.len(), 6);
    for (row, entry) in rows.iter().zip(entries(&response)) {
        assert!(row.starts_with(entry["node_id"].as_str().unwrap()), "{row}");
        for reason in entry["reasons"].as_array().unwrap() {
            let text = reason["text"].as_str().unwrap().replace('<', "&lt;").replace('>', "&gt;");
            assert!(row.contains(&text), "{row}");
        }
    }
    let best = rows.last().unwrap();
    assert!(best.contains(&fitness_words::ratio_percent(1.0)), "{best}");
    assert!(best.contains("&lt;i&gt;one&lt;/i&gt;"), "{best}");

    assert_eq!(
        get(&router, "/advice?page=2").await.body.matches("id=\"advice-").count(),
        6,
        "page is clamped"
    );
    assert_eq!(get(&router, "/advice?page=x").await.status, StatusCode::BAD_REQUEST);
    let empty = Archive::open(OBSERVER, Arc::new(MemoryStore::default())).await.unwrap();
    let response = get(&Web::builder(empty.handle()).build().router(), "/advice").await;
    assert_eq!(response.status, StatusCode::OK);
    assert!(!response.body.contains("<table"), "{}", response.body);
}
