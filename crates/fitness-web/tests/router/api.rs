//! What the API answers is what the service knows, under the names of docs/JSON.md.

use std::collections::BTreeSet;

use axum::http::{Method, Request, StatusCode, header};
use fitness_core::{ChannelId, Event};
use serde_json::{Value, json as literal};

use crate::ask::*;

/// Three peers: one steady, one lost twice, one lost and gone.
async fn three() -> (fitness_actor::Service, axum::Router) {
    let service = service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    (1..=3).for_each(|number| handle.record(opened(number, true)));
    handle.record(Event::ChannelUsable { channel_id: ChannelId([1; 32]), usable: true });
    handle.record(Event::Watch { node_id: peer(4) });
    pass(100).await;
    handle.record(offline(2));
    pass(10).await;
    handle.record(online(2));
    pass(20).await;
    handle.record(offline(2));
    handle.record(offline(3));
    pass(30).await;
    handle.record(online(2));
    pass(40).await;
    (service, router)
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn entries_are_the_models_reports_and_nothing_is_lost() {
    let (service, router) = three().await;
    let report = service.handle().peer(&peer(2)).unwrap();
    let mut expected = serde_json::to_value(&report).unwrap();
    let channels = expected.as_object_mut().unwrap().remove("channels").unwrap();
    expected["channel_count"] = 1.into();
    let list = json(&router, "peers").await;
    assert_eq!(list["peers"][1], expected);
    assert_eq!((&list["total"], &list["at_ns"]), (&4.into(), &EPOCH.after_secs(200).as_nanos().into()));

    let one = json(&router, &format!("peers/{}", peer(2))).await;
    assert_eq!(one["channels"], channels);
    assert_eq!(one["uptime_ns"], expected["uptime_ns"]);

    let listed = json(&router, &format!("channels?node_id={}", peer(2))).await;
    assert_eq!(listed["channels"], channels);
    let id = channels[0]["channel_id"].as_str().unwrap();
    assert_eq!(json(&router, &format!("channels/{id}")).await["availability"], channels[0]["availability"]);

    let health = json(&router, "health").await;
    let mut expected = serde_json::to_value(service.handle().health()).unwrap();
    // A histogram is for the metrics; here stands what it comes to.
    let times = expected["store"].as_object_mut().unwrap().remove("commit_durations").unwrap();
    expected["store"]["commit_time_ns"] = times["sum_ns"].clone();
    expected["store"]["longest_commit_ns"] = times["longest_ns"].clone();
    assert_eq!(health, expected);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_another_program_had_counted_is_told_apart() {
    let service = service_on(taken_over_from_lnd().await).await;
    let router = router(service.handle());
    service.handle().record(online(7));
    pass(500).await;
    let one = json(&router, &format!("peers/{}", peer(7))).await;
    let taken = literal!({
        "source": "lnd",
        "at_ns": EPOCH.as_nanos(),
        "observed_ns": 1_000 * SECOND_NS,
        "uptime_ns": 900 * SECOND_NS,
        "flap_count": 4,
    });
    assert_eq!((&one["imported"], &one["observed_ns"]), (&taken, &(1_500 * SECOND_NS).into()));
    let report = serde_json::to_value(service.handle().peer(&peer(7)).unwrap()).unwrap();
    assert_eq!(report["imported"], taken, "by the names of the model");
    assert_eq!(json(&router, "peers").await["peers"][0]["imported"], taken);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_are_those_of_the_programs_documents() {
    let (service, router) = three().await;
    let documented = include_str!("../../../../docs/JSON.md");
    let is_documented = |name: &str| documented.contains(&format!("`{name}`"));
    let peers = json(&router, "peers?window=7d").await;
    // What is only here says how the answer is made up.
    let only_here = ["channel_count", "total", "offset", "limit", "next_ns"];
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut tell = |value: &Value| told.extend(names(value).into_iter().map(String::from));
    tell(&peers);
    tell(&peers["peers"][0]);
    tell(&peers["peers"][1]["window"]);
    tell(&peers["peers"][1]["window"]["outages"]);
    tell(&json(&router, "channels").await["channels"][0]);
    let id = peer(2);
    tell(&json(&router, &format!("peers/{id}/timeline")).await["timeline"][0]);
    tell(&json(&router, &format!("peers/{id}/buckets")).await["buckets"][0]);
    tell(&json(&router, &format!("peers/{id}/windows")).await);
    tell(&json(&router, "coverage").await);
    tell(&json(&router, "coverage").await["coverage"]);
    told.retain(|name| !only_here.contains(&name.as_str()));
    for name in &told {
        assert!(is_documented(name), "{name} is not in docs/JSON.md");
    }
    assert!(told.len() > 40, "{told:?}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peers_are_filtered_sorted_and_paged() {
    let (service, router) = three().await;
    let ids = async |query: &str| -> Vec<u8> {
        let list = json(&router, &format!("peers?{query}")).await;
        let peers = list["peers"].as_array().unwrap();
        let number = |peer: &Value| u8::from_str_radix(&peer["node_id"].as_str().unwrap()[2..4], 16).unwrap();
        peers.iter().map(number).collect()
    };
    assert_eq!(ids("").await, [1, 2, 3, 4]);
    assert_eq!(ids("order=desc").await, [4, 3, 2, 1]);
    assert_eq!(ids("sort=availability").await, [3, 2, 1, 4], "what is not known comes last");
    assert_eq!(ids("sort=availability&order=desc").await, [1, 2, 3, 4], "in both directions");
    assert_eq!(
        ids("sort=disconnects&order=desc").await,
        [2, 3, 1, 4],
        "of equals the first by id comes first"
    );
    assert_eq!(ids("sort=label").await, [1, 2, 3, 4]);
    assert_eq!(ids("state=online").await, [1, 2]);
    assert_eq!(ids("state=offline").await, [3]);
    assert_eq!(ids("state=unobserved").await, [4]);
    assert_eq!(ids("limit=2&offset=1").await, [2, 3]);
    assert_eq!(ids("offset=9").await, [0; 0]);
    assert_eq!(ids("q=%3CI%3E").await, [1], "its name, however it is written");
    assert_eq!(ids("q=0302").await, [2], "its id");
    assert_eq!(ids("q=030303").await, [3]);
    assert_eq!(ids(&format!("q={}", "02".repeat(16))).await, [2], "its channel, and its outpoint");
    let list = json(&router, "peers?limit=2&offset=1").await;
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&4.into(), &2.into(), &1.into()));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn channels_are_sorted_and_paged() {
    let (service, router) = three().await;
    let ids = async |query: &str| -> Vec<u8> {
        let list = json(&router, &format!("channels?{query}")).await;
        let channels = list["channels"].as_array().unwrap();
        let number =
            |channel: &Value| u8::from_str_radix(&channel["channel_id"].as_str().unwrap()[..2], 16).unwrap();
        channels.iter().map(number).collect()
    };
    assert_eq!(ids("").await, [1, 2, 3]);
    assert_eq!(ids("sort=availability").await, [3, 2, 1]);
    assert_eq!(ids("sort=usable").await, [1, 2, 3], "the others were not told");
    assert_eq!(ids("sort=opened_at_ns&order=desc&limit=1&offset=1").await, [2]);
    assert_eq!(ids("q=03").await, [3]);
    assert_eq!(ids(&format!("node_id={}", peer(4))).await, [0; 0]);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn windows_timelines_and_buckets_are_those_of_the_history() {
    let (service, router) = three().await;
    let id = peer(2);
    let windows = json(&router, &format!("peers/{id}/windows")).await;
    assert_eq!(windows["24h"]["outages"]["count"], 2);
    assert_eq!(windows["24h"]["uptime_ns"], 160 * SECOND_NS);
    assert_eq!(windows["lifetime"], windows["7d"]);

    let from = EPOCH.after_secs(105).as_nanos();
    let to = EPOCH.after_secs(115).as_nanos();
    let window = json(&router, &format!("peers/{id}/window?from_ns={from}&to_ns={to}")).await;
    assert_eq!(window["window"]["uptime_ns"], 5 * SECOND_NS);
    assert_eq!(window["window"]["length_ns"], 10 * SECOND_NS);

    let timeline = json(&router, &format!("peers/{id}/timeline")).await;
    let presences: Vec<&Value> =
        timeline["timeline"].as_array().unwrap().iter().map(|interval| &interval["presence"]).collect();
    assert_eq!(presences, ["online", "offline", "online", "offline", "online"]);
    assert_eq!(timeline["next_ns"], Value::Null);

    // A part at a time is the same.
    let (mut parts, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let part = json(&router, &format!("peers/{id}/timeline?{query}")).await;
        parts.extend(part["timeline"].as_array().unwrap().clone());
        let Some(next) = part["next_ns"].as_u64() else { break };
        query = format!("limit=2&from_ns={next}");
    }
    assert_eq!(Value::from(parts), timeline["timeline"]);

    let buckets = json(&router, &format!("peers/{id}/buckets?width=hour&window=24h")).await;
    assert_eq!(buckets["buckets"].as_array().unwrap().len(), 1);
    assert_eq!(buckets["buckets"][0]["uptime_ns"], 160 * SECOND_NS);

    let channel = "02".repeat(32);
    assert_eq!(json(&router, &format!("channels/{channel}/windows")).await, windows);
    assert_eq!(json(&router, &format!("channels/{channel}/timeline")).await, timeline);
    assert_eq!(
        json(&router, &format!("channels/{channel}/window?window=24h")).await["window"],
        windows["24h"]
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn our_own_sessions_are_told() {
    let (service, router) = three().await;
    let handle = service.handle();
    handle.record(Event::ObservationPaused);
    pass(3).await;
    handle.record(Event::ObservationResumed);
    pass(3).await;
    handle.record(Event::ObservationPaused);
    pass(4).await;
    let coverage = json(&router, "coverage").await;
    assert_eq!(coverage["coverage"]["starts"], 1);
    assert_eq!(coverage["coverage"]["paused"], literal!({"count": 1, "length_ns": 3 * SECOND_NS}));
    let gaps = coverage["gaps"].as_array().unwrap();
    assert_eq!((gaps.len(), &gaps[0]["cause"], &gaps[1]["ongoing"]), (2, &"paused".into(), &true.into()));

    let first = json(&router, "coverage?limit=1").await;
    let rest = json(&router, &format!("coverage?from_ns={}", first["next_ns"])).await;
    assert_eq!(first["gaps"][0], gaps[0]);
    assert_eq!(rest["gaps"], Value::from(vec![gaps[1].clone()]));
    let timeline = json(&router, &format!("peers/{}/timeline", peer(1))).await;
    let causes: Vec<&Value> =
        timeline["timeline"].as_array().unwrap().iter().map(|interval| &interval["cause"]).collect();
    assert!(causes.contains(&&"paused".into()), "{timeline}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_is_wrong_and_with_what() {
    let (service, router) = three().await;
    let id = peer(1);
    let (unknown, closed) = (peer(9), "09".repeat(32));
    let cases = [
        ("peers?sort=height".to_owned(), 400, "sort"),
        ("peers?order=up".to_owned(), 400, "order"),
        ("peers?limit=0".to_owned(), 400, "`limit` is from 1 to 1000"),
        ("peers?limit=1001".to_owned(), 400, "1001"),
        ("peers?limit=-1".to_owned(), 400, "limit"),
        ("peers?offset=x".to_owned(), 400, "offset"),
        ("channels?offset=2147483648".to_owned(), 400, "2147483647"),
        ("peers?window=1d".to_owned(), 400, "24h"),
        ("peers?state=away".to_owned(), 400, "state"),
        ("peers?size=5".to_owned(), 400, "size"),
        ("peers/xyz".to_owned(), 400, "expected 66 hexadecimal digits"),
        (format!("peers/{unknown}"), 404, &unknown.to_string()),
        (format!("peers/{unknown}/windows"), 404, "not known"),
        (format!("peers/{id}/window?from_ns=2&to_ns=1"), 400, "later than `to_ns`"),
        (format!("peers/{id}/window?window=7d&from_ns=1"), 400, "not for both"),
        (format!("peers/{id}/window?from_ns=99999999999999999999999"), 400, "from_ns"),
        (format!("peers/{id}/window?to_ns=9223372036854775808"), 400, "later than 9223372036854775807"),
        (format!("peers/{id}/timeline?limit=10001"), 400, "10000"),
        (format!("peers/{id}/buckets?width=week"), 400, "width"),
        ("channels/0909".to_owned(), 400, "64"),
        (format!("channels/{closed}"), 404, "not open"),
        (format!("channels/{closed}/timeline"), 404, "not open"),
        ("channels?node_id=7".to_owned(), 400, "node_id"),
        ("coverage?limit=0".to_owned(), 400, "limit"),
        ("nothing".to_owned(), 404, "openapi.json"),
        (String::new(), 404, "openapi.json"),
    ];
    for (path, status, why) in &cases {
        let answer = get(&router, &format!("/api/v1/{path}")).await;
        assert_eq!(answer.status.as_u16(), *status, "{path}: {}", answer.body);
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], *status);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{path}: {problem}");
    }
    let post = Request::builder().method(Method::POST).uri("/api/v1/peers").body(axum::body::Body::empty());
    let answer = send(&router, post.unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.header(header::ALLOW).contains("GET") && answer.json()["detail"].is_string());
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_ends_of_time_can_be_asked_about() {
    let (service, router) = three().await;
    let id = peer(1);
    for query in
        ["from_ns=0&to_ns=0", "from_ns=0", "to_ns=9223372036854775807", "from_ns=9223372036854775807"]
    {
        for question in ["window", "timeline", "buckets"] {
            json(&router, &format!("peers/{id}/{question}?{query}")).await;
        }
        json(&router, &format!("coverage?{query}")).await;
    }
    let far = i64::MAX;
    let window = json(&router, &format!("peers/{id}/window?from_ns={far}")).await;
    assert_eq!(window["window"]["length_ns"], 0);
    service.shutdown().await.unwrap();
}
