//! What to close and what to keep, to programs and to people.

use std::sync::Arc;

use axum::http::StatusCode;
use fitness_actor::Archive;
use fitness_advice::{PeerKind, Policy};
use fitness_core::{Event, HashSeed, Timestamp, Tracker, TrackerConfig, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store as _};
use fitness_web::Web;

use crate::ask::*;
use crate::support::OURSELVES;

const DAY: u64 = 86_400;

fn at(secs: u64) -> Timestamp {
    EPOCH.after_secs(secs)
}

/// A store at rest after 60 days. Peer 1 was always there, 2 for 70 % of each day, 3 for the first ten
/// days alone; 4 came yesterday; 5 flaps, and is there nearly always; 6 is a phone that is there at night.
async fn sixty_days() -> Archive {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    let mut events: Vec<(u64, Event)> = Vec::new();
    let (on, off) = (
        |number| Event::PeerOnline { node_id: peer(number) },
        |number| Event::PeerOffline { node_id: peer(number) },
    );
    for number in [1, 2, 3, 5, 6] {
        events.push((0, Event::Watch { node_id: peer(number) }));
        events.push((0, on(number)));
    }
    for day in 0..60 {
        let begins = day * DAY;
        events.extend([(begins + 7 * DAY / 10, off(2)), (begins + DAY - 1, on(2))]);
        events.extend([(begins + DAY / 4, off(6)), (begins + DAY - 1, on(6))]);
        events.extend(
            (1..20).flat_map(|hour| [(begins + hour * 3_600, off(5)), (begins + hour * 3_600 + 9, on(5))]),
        );
    }
    events.push((10 * DAY, off(3)));
    events.extend([(59 * DAY, Event::Watch { node_id: peer(4) }), (59 * DAY, on(4))]);
    events.sort_by_key(|(secs, _)| *secs);
    events.iter().for_each(|(secs, event)| tracker.apply(at(*secs), event));
    let (store, mut changes) = (MemoryStore::default(), UnsavedChanges::default());
    while tracker.drain_changes(usize::MAX, &mut changes) {}
    let observer = Some(tracker.observer_record(at(60 * DAY)));
    store.commit(&OURSELVES, Arc::new(Batch { changes, observer, ..Batch::default() })).await.unwrap();
    Archive::open(OURSELVES, Arc::new(store)).await.unwrap()
}

#[tokio::test]
async fn it_is_what_the_rules_say_with_reasons_and_scores() {
    let known = sixty_days().await;
    let router = router(known.handle());
    let answer = json(&router, "advice").await;
    assert_eq!(
        (&answer["total"], &answer["missing"], &answer["window"]),
        (&6.into(), &0.into(), &"90d".into())
    );
    assert_eq!(answer["at_ns"], known.as_of().as_nanos());
    let told: Vec<(String, &str, Vec<&str>)> = answer["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|advice| {
            let rules = advice["reasons"].as_array().unwrap().iter().map(|it| it["rule"].as_str().unwrap());
            (advice["node_id"].to_string(), advice["verdict"].as_str().unwrap(), rules.collect())
        })
        .collect();
    let of = |number| told.iter().find(|(id, ..)| *id == format!("\"{}\"", peer(number))).unwrap();
    assert_eq!((of(1).1, of(1).2.len()), ("keep", 0));
    assert_eq!((of(2).1, &of(2).2), ("close", &vec!["threshold"]));
    assert_eq!((of(3).1, &of(3).2[..2]), ("close", &["gone", "threshold"][..]));
    assert_eq!((of(4).1, &of(4).2), ("too_early", &vec!["too_early"]));
    assert_eq!((of(5).1, &of(5).2), ("watch", &vec!["flapping"]));
    assert_eq!(of(6).1, "close", "nobody said that it is a phone");
    // The gravest first, and of those the least reliable.
    let verdicts: Vec<&str> = told.iter().map(|(_, verdict, _)| *verdict).collect();
    assert_eq!(verdicts, ["close", "close", "close", "watch", "too_early", "keep"]);
    let values: Vec<f64> = answer["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["score"]["value"].as_f64().unwrap())
        .collect();
    assert!(values[0] <= values[1] && values[1] <= values[2], "{values:?}");
    let steady = answer["advice"].as_array().unwrap().last().unwrap();
    let score = &steady["score"];
    let product = score["low"].as_f64().unwrap() * score["stability"].as_f64().unwrap() * 100.0;
    assert!((score["value"].as_f64().unwrap() - product).abs() < 1e-9, "{score}");
    assert_eq!((&steady["label"], &score["availability"]), (&"<i>one</i>".into(), &1.0.into()));

    let closed = json(&router, "advice?verdict=close&limit=1&offset=1").await;
    assert_eq!((&closed["total"], closed["advice"].as_array().unwrap().len()), (&3.into(), 1));
    assert_eq!(closed["advice"][0]["node_id"], answer["advice"][1]["node_id"]);
    for (query, why) in [("verdict=maybe", "verdict"), ("limit=0", "limit"), ("limit=1001", "1000")] {
        let refused = get(&router, &format!("/api/v1/advice?{query}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.body.contains(why), "{}", refused.body);
    }
}

#[tokio::test]
async fn the_wallet_may_have_rules_of_its_own_and_know_phones() {
    let known = sixty_days().await;
    let mut policy =
        Policy { availability_threshold: None, outlier: None, max_flaps_7d: None, ..Policy::default() };
    policy.ignore.insert(peer(3));
    let web = Web::builder(known.handle())
        .policy(policy)
        .peer_kinds(|node_id| if *node_id == peer(6) { PeerKind::Mobile } else { PeerKind::Routing });
    let answer = json(&web.build().router(), "advice").await;
    let verdicts: Vec<_> =
        answer["advice"].as_array().unwrap().iter().map(|it| it["verdict"].clone()).collect();
    assert_eq!(verdicts, ["too_early", "keep", "keep", "keep", "keep", "ignored"]);
    let phone = answer["advice"].as_array().unwrap().iter().find(|it| it["node_id"] == peer(6).to_string());
    assert_eq!(phone.unwrap()["reasons"][0]["rule"], "apart");
}

#[tokio::test]
async fn people_see_it_in_words() {
    let known = sixty_days().await;
    let router = router(known.handle());
    let body = get(&router, "/advice").await.body;
    let row = |number| {
        let id = format!("id=\"a-{}\"", peer(number));
        body.split("<tr").find(|row| row.contains(&id)).unwrap_or_else(|| panic!("{body}")).to_owned()
    };
    assert!(
        row(1).contains("Keep")
            && row(1).contains("100.00 %")
            && row(1).contains("nothing speaks against it")
    );
    assert!(row(1).contains("&lt;i&gt;one&lt;/i&gt;"), "{}", row(1));
    assert!(row(3).contains("Close") && row(3).contains("not online for 50.0 days"), "{}", row(3));
    assert!(row(5).contains("Look at it"));
    assert!(row(4).contains("Too early to say"));
    assert!(body.find("a-").unwrap() < body.find("Keep").unwrap(), "the gravest first");
    assert!(get(&router, "/advice?page=2").await.body.contains("6 peers"), "there is no second part");
    assert_eq!(get(&router, "/advice?page=x").await.status, StatusCode::BAD_REQUEST);
    let nobody = Archive::open(OURSELVES, Arc::new(MemoryStore::default())).await.unwrap();
    let empty = get(&Web::builder(nobody.handle()).build().router(), "/advice").await.body;
    assert!(empty.contains("nobody to judge"), "{empty}");
}
