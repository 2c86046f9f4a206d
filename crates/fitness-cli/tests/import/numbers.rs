//! Imported statistics equal those of lnd, or the nearest consistent ones.

use serde_json::{Value, json};

use crate::common::{HOUR, SECOND, ldk_fitness, stderr, stdout};
use crate::support::{
    ACME, AT, AT_TEXT, BOLT, CAROL, DAVE, ERIN, OBSERVER, TestStore, ZOE, channels_file, channels_json,
    entry, peers_file, read,
};

fn number(value: &Value) -> u64 {
    value.as_str().expect("a string").parse().expect("a number")
}

#[test]
fn imported_statistics_equal_those_of_lnd() {
    let test_store = TestStore::new();
    let summary = test_store.import_json(&[&peers_file(), &channels_file()]);
    let document = test_store.report(&["--all"]);
    assert_eq!(document["at_ns"], AT);
    assert_eq!(document["observers"][0]["observer"], OBSERVER.to_string());

    let channels = read(&channels_file());
    let channels = channels["channels"].as_array().expect("a list");
    assert_eq!(document["channels"].as_array().map(Vec::len), Some(channels.len()));
    for lnd in channels {
        // The channel id is derived from the funding outpoint, and lncli prints it as well.
        let id = lnd["chan_id"].as_str().expect("a string");
        let imported = entry(&document, "channels", "channel_id", id);
        let (lifetime, uptime) = (number(&lnd["lifetime"]) * SECOND, number(&lnd["uptime"]) * SECOND);
        assert_eq!(imported["node_id"], lnd["remote_pubkey"]);
        assert_eq!(imported["funding"], lnd["channel_point"]);
        assert_eq!(imported["lifetime_ns"], lifetime);
        assert_eq!(imported["observed_ns"], lifetime);
        assert_eq!(imported["uptime_ns"], uptime);
        assert_eq!(imported["opened_at_ns"], AT - lifetime);
        assert_eq!((&imported["usable"], &imported["usable_observed_ns"]), (&Value::Null, &json!(0)));
    }

    let day = 24 * HOUR;
    let observed = 45 * day + 3 * HOUR + 17 * SECOND;
    let uptime = 45 * day - 2 * HOUR - 5 * SECOND;
    let imported = entry(&document, "peers", "node_id", ACME);
    let availability = imported["availability"].as_f64().expect("observed time");
    assert!((availability - 3_880_795.0 / 3_898_817.0).abs() < 1e-12, "{availability}");
    let acme = json!({
        "node_id": ACME,
        "presence": "unobserved",
        "presence_since_ns": AT,
        "flap_count": 7,
        "last_flap_ns": AT - 26 * HOUR - 123_456_789,
        "disconnects": 0,
        "watched": false,
        "untracked_at_ns": null,
        "tracked_since_ns": AT - observed,
        "observed_ns": observed,
        "uptime_ns": uptime,
        "availability": imported["availability"],
        "imported": {
            "source": "lnd", "at_ns": AT, "observed_ns": observed, "uptime_ns": uptime, "flap_count": 7,
        },
    });
    assert_eq!(imported, &acme);
    let listed = read(&peers_file());
    for lnd in listed["peers"].as_array().expect("a list").iter().filter(|peer| peer["pub_key"] != ZOE) {
        let imported = entry(&document, "peers", "node_id", lnd["pub_key"].as_str().expect("a string"));
        assert_eq!(imported["flap_count"], lnd["flap_count"]);
        assert_eq!(imported["imported"]["flap_count"], lnd["flap_count"]);
        let last_ns = number(&lnd["last_flap_ns"]);
        assert_eq!(imported["last_flap_ns"].as_u64(), Some(last_ns).filter(|&ns| ns > 0));
    }
    // A peer without a channel is not tracked. Its flap count is kept like any other history.
    let dave = entry(&document, "peers", "node_id", DAVE);
    assert_eq!((&dave["untracked_at_ns"], &dave["observed_ns"]), (&json!(AT), &json!(0)));
    assert_eq!(document["peers"].as_array().map(Vec::len), Some(5), "lnd has no statistics of Zoe");

    assert_eq!((&summary["source"], &summary["at_ns"]), (&json!("lnd"), &json!(AT)));
    assert_eq!((&summary["already_stored"], &summary["without_data"]), (&json!([]), &json!([ZOE])));
    assert_eq!(summary["adjusted_channels"], json!([]));
    let imported = |node_id, channels, observed_ns: u64, uptime_ns: u64, flap_count: Value| {
        json!({
            "node_id": node_id, "channels": channels, "observed_ns": observed_ns, "uptime_ns": uptime_ns,
            "flap_count": flap_count,
        })
    };
    let expected = [
        imported(CAROL, 1, observed, observed, json!(0)),
        imported(ACME, 2, observed, uptime, json!(7)),
        imported(DAVE, 0, 0, 0, json!(3)),
        imported(BOLT, 1, observed - SECOND, 30 * day + 7 * SECOND, json!(212)),
        imported(ERIN, 1, observed - SECOND, 11 * HOUR, Value::Null),
    ];
    assert_eq!(summary["imported"], json!(expected));
}

#[test]
fn window_before_the_import_reports_its_error() {
    let test_store = TestStore::new();
    test_store.import_json(&[&peers_file(), &channels_file()]);
    let document = test_store.report(&["--window", "30d", "--timeline"]);
    let window = |node_id| &entry(&document, "peers", "node_id", node_id)["window"];
    let day = 24 * HOUR;
    // Carol was always online. Acme's second channel shows that it was online during the last twelve days; its
    // downtime before that may or may not be in the window.
    assert_eq!(window(CAROL)["uptime_ns"], 30 * day);
    assert_eq!(window(CAROL)["uptime_error_ns"], 0);
    let downtime = 5 * HOUR + 22 * SECOND;
    let acme = window(ACME);
    let (uptime, error) = (acme["uptime_ns"].as_u64(), acme["uptime_error_ns"].as_u64());
    assert_eq!((uptime, error), (Some(30 * day), Some(downtime)));
    assert_eq!(acme["outages"]["complete"], false);
    for node_id in [ACME, BOLT, CAROL, ERIN] {
        assert_eq!(
            (&window(node_id)["observed_ns"], &window(node_id)["observed_error_ns"]),
            (&json!(30 * day), &json!(0))
        );
    }
    let timeline = &entry(&document, "peers", "node_id", ACME)["timeline"];
    let presences: Vec<&Value> =
        timeline.as_array().expect("a list").iter().map(|interval| &interval["presence"]).collect();
    assert_eq!(presences, [&Value::Null, &json!("online")]);
    assert_eq!(timeline[1]["from_ns"], AT - 12 * day);
}

#[test]
fn contradictory_uptimes_are_adjusted() {
    let test_store = TestStore::new();
    // A younger channel has more uptime than an older one, and the youngest more uptime than lifetime.
    let file = test_store
        .write_file("channels.json", channels_json(ACME, 7, &[("100", "50"), ("80", "60"), ("7", "8")]));
    let summary = test_store.import_json(&[&file]);
    let adjusted: Vec<_> = summary["adjusted_channels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|channel| {
            (
                channel["funding"].as_str().expect("an outpoint"),
                channel["reported_uptime_ns"].as_u64(),
                channel["uptime_ns"].as_u64(),
            )
        })
        .collect();
    let funding = |vout| format!("{}:{vout}", "07".repeat(32));
    let expected = [
        (funding(2), Some(8 * SECOND), Some(7 * SECOND)),
        (funding(1), Some(60 * SECOND), Some(55 * SECOND)),
        (funding(0), Some(50 * SECOND), Some(55 * SECOND)),
    ];
    assert_eq!(
        adjusted,
        expected.each_ref().map(|(funding, reported, uptime)| (funding.as_str(), *reported, *uptime))
    );
    let document = test_store.report(&[]);
    for (funding, _, uptime) in &expected {
        assert_eq!(entry(&document, "channels", "funding", funding)["uptime_ns"].as_u64(), *uptime);
    }

    let text = stdout(&TestStore::new().import(&[&file], &[]));
    let line = text.lines().find(|line| line.contains(&funding(2))).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("7.0s") && line.contains("8.0s"), "{line}");
}

#[test]
fn both_lists_can_be_piped() {
    let test_store = TestStore::new();
    let both = [std::fs::read(peers_file()), std::fs::read(channels_file())]
        .map(|file| file.expect("readable file"));
    let mut command = ldk_fitness();
    command.args(["import", "lnd", "-", "--observer", &OBSERVER.to_string(), "--at", AT_TEXT, "--store"]);
    let output = command.arg(&test_store.path).write_stdin(both.concat()).output().expect("program runs");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));

    let other = TestStore::new();
    other.import_json(&[&channels_file(), &peers_file()]);
    assert_eq!(test_store.report(&["--all"]), other.report(&["--all"]));
}

#[test]
fn every_kind_of_store_can_be_imported_into() {
    let test_store = TestStore::new();
    test_store.import_json(&[&peers_file(), &channels_file()]);
    let expected = test_store.report(&["--all"]);
    let inside = |name: &str| test_store.directory.path().join(name).display().to_string();
    for store in [format!("dir:{}", inside("kept")), format!("sqlite:{}", inside("node.sqlite"))] {
        let mut command = ldk_fitness();
        command.env("LDK_FITNESS_STORE", &store).args(["import", "lnd", "--at", AT_TEXT]);
        command.arg(peers_file()).arg(channels_file()).args(["--observer", &OBSERVER.to_string()]);
        let output = command.output().expect("program runs");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{store}");
        assert!(stdout(&output).contains(&store), "{}", stdout(&output));
        let output =
            ldk_fitness().args(["report", &store, "--all", "--json"]).output().expect("program runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
        assert_eq!(document, expected, "{store}");
    }
}

#[test]
fn default_time_of_the_import_is_now() {
    let test_store = TestStore::new();
    let mut command = ldk_fitness();
    command.args(["import", "lnd", "--json"]).arg(channels_file()).arg("--store").arg(&test_store.path);
    let output = command.args(["--observer", &OBSERVER.to_string()]).output().expect("program runs");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert!(summary["at_ns"].as_u64() > Some(AT));
    assert_eq!(test_store.report(&[])["at_ns"], summary["at_ns"]);
}
