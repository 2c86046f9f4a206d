//! The JSON API.

use std::collections::BTreeSet;

use axum::http::{Method, Request, StatusCode, header};
use fitness_core::{ChannelId, Event};
use serde_json::{Value, json as literal};

use crate::client::*;

/// A service with four peers: 1 is always online, 2 was offline twice, 3 is offline, and 4 is unobserved.
async fn service_with_peers() -> (fitness_actor::Service, axum::Router) {
    let service = start_service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    (1..=3).for_each(|number| handle.record(channel_opened(number, true)));
    handle.record(Event::ChannelUsable { channel_id: ChannelId([1; 32]), usable: true });
    handle.record(Event::Watch { node_id: node_id(4) });
    advance(100).await;
    handle.record(peer_offline(2));
    advance(10).await;
    handle.record(peer_online(2));
    advance(20).await;
    handle.record(peer_offline(2));
    handle.record(peer_offline(3));
    advance(30).await;
    handle.record(peer_online(2));
    advance(40).await;
    (service, router)
}

fn field_names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn responses_contain_all_values_of_the_reports() {
    let (service, router) = service_with_peers().await;
    let report = service.handle().peer(&node_id(2)).unwrap();
    let mut expected = serde_json::to_value(&report).unwrap();
    let channels = expected.as_object_mut().unwrap().remove("channels").unwrap();
    expected["channel_count"] = 1.into();
    let list = get_json(&router, "peers").await;
    assert_eq!(list["peers"][1], expected);
    assert_eq!((&list["total"], &list["at_ns"]), (&4.into(), &START.after_secs(200).as_nanos().into()));

    let detail = get_json(&router, &format!("peers/{}", node_id(2))).await;
    assert_eq!(detail["channels"], channels);
    assert_eq!(detail["uptime_ns"], expected["uptime_ns"]);

    let listed = get_json(&router, &format!("channels?node_id={}", node_id(2))).await;
    assert_eq!(listed["channels"], channels);
    let id = channels[0]["channel_id"].as_str().unwrap();
    assert_eq!(
        get_json(&router, &format!("channels/{id}")).await["availability"],
        channels[0]["availability"]
    );

    let health = get_json(&router, "health").await;
    let mut expected = serde_json::to_value(service.handle().health()).unwrap();
    // The JSON contains totals instead of the histogram, and a clearer name.
    let store = expected["store"].as_object_mut().unwrap();
    let durations = store.remove("commit_durations").unwrap();
    store.insert("total_commit_time_ns".to_owned(), durations["sum_ns"].clone());
    store.insert("longest_commit_time_ns".to_owned(), durations["longest_ns"].clone());
    let in_flight = store.remove("in_flight").or_else(|| store.remove("commit_in_flight")).unwrap();
    store.insert("commit_in_flight".to_owned(), in_flight);
    assert_eq!(health, expected);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn imported_totals_are_reported() {
    let service = start_service_with(store_with_import().await).await;
    let router = router(service.handle());
    service.handle().record(peer_online(7));
    advance(500).await;
    let detail = get_json(&router, &format!("peers/{}", node_id(7))).await;
    let imported = literal!({
        "source": "lnd",
        "at_ns": START.as_nanos(),
        "observed_ns": 1_000 * SECOND_NS,
        "uptime_ns": 900 * SECOND_NS,
        "flap_count": 4,
    });
    assert_eq!((&detail["imported"], &detail["observed_ns"]), (&imported, &(1_500 * SECOND_NS).into()));
    let report = serde_json::to_value(service.handle().peer(&node_id(7)).unwrap()).unwrap();
    assert_eq!(report["imported"], imported);
    assert_eq!(get_json(&router, "peers").await["peers"][0]["imported"], imported);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn field_names_are_documented_in_json_md() {
    let (service, router) = service_with_peers().await;
    let documented = include_str!("../../../../docs/reference/json.md");
    let is_documented = |name: &str| documented.contains(&format!("`{name}`"));
    let peers = get_json(&router, "peers?window=7d").await;
    // Fields for paging, which only the API has.
    let api_only = ["channel_count", "total", "offset", "limit", "next_from_ns"];
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut add = |value: &Value| used.extend(field_names(value).into_iter().map(String::from));
    add(&peers);
    add(&peers["peers"][0]);
    add(&peers["peers"][1]["window"]);
    add(&peers["peers"][1]["window"]["outages"]);
    add(&get_json(&router, "channels").await["channels"][0]);
    let id = node_id(2);
    add(&get_json(&router, &format!("peers/{id}/timeline")).await["timeline"][0]);
    add(&get_json(&router, &format!("peers/{id}/buckets")).await["buckets"][0]);
    add(&get_json(&router, &format!("peers/{id}/windows")).await);
    add(&get_json(&router, "coverage").await);
    add(&get_json(&router, "coverage").await["coverage"]);
    used.retain(|name| !api_only.contains(&name.as_str()));
    let undocumented: Vec<_> = used.iter().filter(|name| !is_documented(name)).collect();
    assert!(undocumented.is_empty(), "not in docs/reference/json.md: {undocumented:?}");
    assert!(used.len() > 40, "{used:?}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peers_are_filtered_sorted_and_paged() {
    let (service, router) = service_with_peers().await;
    let ids = async |query: &str| -> Vec<u8> {
        let list = get_json(&router, &format!("peers?{query}")).await;
        let peers = list["peers"].as_array().unwrap();
        let number = |peer: &Value| u8::from_str_radix(&peer["node_id"].as_str().unwrap()[2..4], 16).unwrap();
        peers.iter().map(number).collect()
    };
    assert_eq!(ids("").await, [1, 2, 3, 4]);
    assert_eq!(ids("order=desc").await, [4, 3, 2, 1]);
    assert_eq!(ids("sort=availability").await, [3, 2, 1, 4], "unknown values last");
    assert_eq!(
        ids("sort=availability&order=desc").await,
        [1, 2, 3, 4],
        "unknown values last in both directions"
    );
    assert_eq!(ids("sort=disconnects&order=desc").await, [2, 3, 1, 4], "ties are sorted by node id");
    assert_eq!(ids("sort=alias").await, [1, 2, 3, 4]);
    assert_eq!(ids("presence=online").await, [1, 2]);
    assert_eq!(ids("presence=offline").await, [3]);
    assert_eq!(ids("presence=unobserved").await, [4]);
    assert_eq!(ids("limit=2&offset=1").await, [2, 3]);
    assert_eq!(ids("offset=9").await, [0; 0]);
    assert_eq!(ids("q=%3CI%3E").await, [1], "alias, case-insensitive");
    assert_eq!(ids("q=0302").await, [2], "node id");
    assert_eq!(ids("q=030303").await, [3]);
    assert_eq!(ids(&format!("q={}", "02".repeat(16))).await, [2], "channel id or outpoint");
    let list = get_json(&router, "peers?limit=2&offset=1").await;
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&4.into(), &2.into(), &1.into()));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn channels_are_sorted_and_paged() {
    let (service, router) = service_with_peers().await;
    let ids = async |query: &str| -> Vec<u8> {
        let list = get_json(&router, &format!("channels?{query}")).await;
        let channels = list["channels"].as_array().unwrap();
        let number =
            |channel: &Value| u8::from_str_radix(&channel["channel_id"].as_str().unwrap()[..2], 16).unwrap();
        channels.iter().map(number).collect()
    };
    assert_eq!(ids("").await, [1, 2, 3]);
    assert_eq!(ids("sort=availability").await, [3, 2, 1]);
    assert_eq!(ids("sort=usable").await, [1, 2, 3], "unknown values last");
    assert_eq!(ids("sort=opened_at_ns&order=desc&limit=1&offset=1").await, [2]);
    assert_eq!(ids("q=03").await, [3]);
    assert_eq!(ids(&format!("node_id={}", node_id(4))).await, [0; 0]);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn windows_timelines_and_buckets_match_the_history() {
    let (service, router) = service_with_peers().await;
    let id = node_id(2);
    let windows = get_json(&router, &format!("peers/{id}/windows")).await;
    assert_eq!(windows["24h"]["outages"]["disconnects"], 2);
    assert_eq!(windows["24h"]["uptime_ns"], 160 * SECOND_NS);
    assert_eq!(windows["lifetime"], windows["7d"]);

    let from = START.after_secs(105).as_nanos();
    let to = START.after_secs(115).as_nanos();
    let window = get_json(&router, &format!("peers/{id}/window?from_ns={from}&to_ns={to}")).await;
    assert_eq!(window["window"]["uptime_ns"], 5 * SECOND_NS);
    assert_eq!(window["window"]["length_ns"], 10 * SECOND_NS);

    let timeline = get_json(&router, &format!("peers/{id}/timeline")).await;
    let presences: Vec<&Value> =
        timeline["timeline"].as_array().unwrap().iter().map(|interval| &interval["presence"]).collect();
    assert_eq!(presences, ["online", "offline", "online", "offline", "online"]);
    assert_eq!(timeline["next_from_ns"], Value::Null);

    // Pages add up to the whole timeline.
    let (mut pages, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = get_json(&router, &format!("peers/{id}/timeline?{query}")).await;
        pages.extend(page["timeline"].as_array().unwrap().clone());
        let Some(next) = page["next_from_ns"].as_u64() else { break };
        query = format!("limit=2&from_ns={next}");
    }
    assert_eq!(Value::from(pages), timeline["timeline"]);

    let buckets = get_json(&router, &format!("peers/{id}/buckets?width=hour&window=24h")).await;
    assert_eq!(buckets["buckets"].as_array().unwrap().len(), 1);
    assert_eq!(buckets["buckets"][0]["uptime_ns"], 160 * SECOND_NS);

    let channel = "02".repeat(32);
    assert_eq!(get_json(&router, &format!("channels/{channel}/windows")).await, windows);
    assert_eq!(get_json(&router, &format!("channels/{channel}/timeline")).await, timeline);
    assert_eq!(
        get_json(&router, &format!("channels/{channel}/window?window=24h")).await["window"],
        windows["24h"]
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn coverage_and_gaps_are_reported() {
    let (service, router) = service_with_peers().await;
    let handle = service.handle();
    handle.record(Event::ObservationPaused);
    advance(3).await;
    handle.record(Event::ObservationResumed);
    advance(3).await;
    handle.record(Event::ObservationPaused);
    advance(4).await;
    let coverage = get_json(&router, "coverage").await;
    assert_eq!(coverage["coverage"]["starts"], 1);
    assert_eq!(coverage["coverage"]["paused"], literal!({"count": 1, "length_ns": 3 * SECOND_NS}));
    let gaps = coverage["gaps"].as_array().unwrap();
    assert_eq!((gaps.len(), &gaps[0]["cause"], &gaps[1]["ongoing"]), (2, &"paused".into(), &true.into()));

    let first = get_json(&router, "coverage?limit=1").await;
    let rest = get_json(&router, &format!("coverage?from_ns={}", first["next_from_ns"])).await;
    assert_eq!(first["gaps"][0], gaps[0]);
    assert_eq!(rest["gaps"], Value::from(vec![gaps[1].clone()]));
    let timeline = get_json(&router, &format!("peers/{}/timeline", node_id(1))).await;
    let causes: Vec<&Value> =
        timeline["timeline"].as_array().unwrap().iter().map(|interval| &interval["cause"]).collect();
    assert!(causes.contains(&&"paused".into()), "{timeline}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invalid_requests_are_rejected_with_the_reason() {
    let (service, router) = service_with_peers().await;
    let id = node_id(1);
    let (unknown, closed) = (node_id(9), "09".repeat(32));
    let cases = [
        ("peers?sort=height".to_owned(), 400, "sort"),
        ("peers?order=up".to_owned(), 400, "order"),
        ("peers?limit=0".to_owned(), 400, "1000"),
        ("peers?limit=1001".to_owned(), 400, "1001"),
        ("peers?limit=-1".to_owned(), 400, "limit"),
        ("peers?offset=x".to_owned(), 400, "offset"),
        ("channels?offset=2147483648".to_owned(), 400, "2147483647"),
        ("peers?window=1d".to_owned(), 400, "24h"),
        ("peers?presence=away".to_owned(), 400, "presence"),
        ("peers?size=5".to_owned(), 400, "size"),
        ("peers/xyz".to_owned(), 400, "66"),
        (format!("peers/{unknown}"), 404, &unknown.to_string()),
        (format!("peers/{unknown}/windows"), 404, &unknown.to_string()),
        (format!("peers/{id}/window?from_ns=2&to_ns=1"), 400, "to_ns"),
        (format!("peers/{id}/window?window=7d&from_ns=1"), 400, "window"),
        (format!("peers/{id}/window?from_ns=99999999999999999999999"), 400, "from_ns"),
        (format!("peers/{id}/window?to_ns=9223372036854775808"), 400, "9223372036854775807"),
        (format!("peers/{id}/timeline?limit=10001"), 400, "10000"),
        (format!("peers/{id}/buckets?width=week"), 400, "width"),
        ("channels/0909".to_owned(), 400, "64"),
        (format!("channels/{closed}"), 404, &closed),
        (format!("channels/{closed}/timeline"), 404, &closed),
        ("channels?node_id=7".to_owned(), 400, "node_id"),
        ("coverage?limit=0".to_owned(), 400, "limit"),
        ("nothing".to_owned(), 404, "openapi.json"),
        (String::new(), 404, "openapi.json"),
    ];
    for (path, status, expected) in &cases {
        let response = get(&router, &format!("/api/v1/{path}")).await;
        assert_eq!(response.status.as_u16(), *status, "{path}: {}", response.body);
        assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json", "{path}");
        let problem = response.json();
        assert_eq!(problem["status"], *status);
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{path}: {problem}");
    }
    let post = Request::builder().method(Method::POST).uri("/api/v1/peers").body(axum::body::Body::empty());
    let response = send(&router, post.unwrap()).await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.header(header::ALLOW).contains("GET") && response.json()["detail"].is_string());
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn extreme_timestamps_are_accepted() {
    let (service, router) = service_with_peers().await;
    let id = node_id(1);
    for query in
        ["from_ns=0&to_ns=0", "from_ns=0", "to_ns=9223372036854775807", "from_ns=9223372036854775807"]
    {
        for endpoint in ["window", "timeline", "buckets"] {
            get_json(&router, &format!("peers/{id}/{endpoint}?{query}")).await;
        }
        get_json(&router, &format!("coverage?{query}")).await;
    }
    let far = i64::MAX;
    let window = get_json(&router, &format!("peers/{id}/window?from_ns={far}")).await;
    assert_eq!(window["window"]["length_ns"], 0);
    service.shutdown().await.unwrap();
}
