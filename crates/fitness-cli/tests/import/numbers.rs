//! Every number comes out as lnd told it, or as near to it as can be.

use serde_json::{Value, json};

use crate::common::{HOUR, SECOND, ldk_fitness, stderr, stdout};
use crate::support::{
    ACME, AT, AT_TEXT, BOLT, CAROL, DAVE, ERIN, Place, US, ZOE, channels_file, entry, peer_channel,
    peers_file, read,
};

fn number(value: &Value) -> u64 {
    value.as_str().expect("a string").parse().expect("a number")
}

#[test]
fn every_number_comes_out_as_lnd_told_it() {
    let place = Place::new();
    let told = place.import_json(&[&peers_file(), &channels_file()]);
    let document = place.report(&["--all"]);
    assert_eq!(document["at_ns"], AT);
    assert_eq!(document["observers"][0]["node_id"], US.to_string());

    let channels = read(&channels_file());
    let channels = channels["channels"].as_array().expect("a list");
    assert_eq!(document["channels"].as_array().map(Vec::len), Some(channels.len()));
    for lnds in channels {
        // lncli tells the id as well, and we make it from the outpoint.
        let id = lnds["chan_id"].as_str().expect("a string");
        let ours = entry(&document, "channels", "channel_id", id);
        let (lifetime, uptime) = (number(&lnds["lifetime"]) * SECOND, number(&lnds["uptime"]) * SECOND);
        assert_eq!(ours["node_id"], lnds["remote_pubkey"]);
        assert_eq!(ours["funding"], lnds["channel_point"]);
        assert_eq!(ours["lifetime_ns"], lifetime);
        assert_eq!(ours["observed_ns"], lifetime);
        assert_eq!(ours["uptime_ns"], uptime);
        assert_eq!(ours["opened_at_ns"], AT - lifetime);
        assert_eq!((&ours["usable"], &ours["usable_observed_ns"]), (&Value::Null, &json!(0)));
    }

    let day = 24 * HOUR;
    let known = 45 * day + 3 * HOUR + 17 * SECOND;
    let uptime = 45 * day - 2 * HOUR - 5 * SECOND;
    let ours = entry(&document, "peers", "node_id", ACME);
    let availability = ours["availability"].as_f64().expect("it was observed");
    assert!((availability - 3_880_795.0 / 3_898_817.0).abs() < 1e-12, "{availability}");
    let acme = json!({
        "node_id": ACME,
        "online": null,
        "since_ns": AT,
        "flap_count": 7,
        "last_flap_ns": AT - 26 * HOUR - 123_456_789,
        "disconnects": 0,
        "watched": false,
        "untracked_at_ns": null,
        "tracked_since_ns": AT - known,
        "observed_ns": known,
        "uptime_ns": uptime,
        "availability": ours["availability"],
        "imported": {
            "source": "lnd", "at_ns": AT, "observed_ns": known, "uptime_ns": uptime, "flap_count": 7,
        },
    });
    assert_eq!(ours, &acme);
    let lnds = read(&peers_file());
    for lnds in lnds["peers"].as_array().expect("a list").iter().filter(|peer| peer["pub_key"] != ZOE) {
        let ours = entry(&document, "peers", "node_id", lnds["pub_key"].as_str().expect("a string"));
        assert_eq!(ours["flap_count"], lnds["flap_count"]);
        assert_eq!(ours["imported"]["flap_count"], lnds["flap_count"]);
        let last_ns = number(&lnds["last_flap_ns"]);
        assert_eq!(ours["last_flap_ns"].as_u64(), Some(last_ns).filter(|&ns| ns > 0));
    }
    // Without a channel there is nothing to follow: its flaps are kept, as long as any history is.
    let dave = entry(&document, "peers", "node_id", DAVE);
    assert_eq!((&dave["untracked_at_ns"], &dave["observed_ns"]), (&json!(AT), &json!(0)));
    assert_eq!(document["peers"].as_array().map(Vec::len), Some(5), "of Zoe lnd had counted nothing");

    assert_eq!((&told["source"], &told["at_ns"]), (&json!("lnd"), &json!(AT)));
    assert_eq!((&told["known"], &told["uncounted"]), (&json!([]), &json!([ZOE])));
    assert_eq!(told["adjusted"], json!([]));
    let taken = |node_id, channels, observed_ns: u64, uptime_ns: u64, flap_count: Value| {
        json!({
            "node_id": node_id, "channels": channels, "observed_ns": observed_ns, "uptime_ns": uptime_ns,
            "flap_count": flap_count,
        })
    };
    let expected = [
        taken(CAROL, 1, known, known, json!(0)),
        taken(ACME, 2, known, uptime, json!(7)),
        taken(DAVE, 0, 0, 0, json!(3)),
        taken(BOLT, 1, known - SECOND, 30 * day + 7 * SECOND, json!(212)),
        taken(ERIN, 1, known - SECOND, 11 * HOUR, Value::Null),
    ];
    assert_eq!(told["imported"], json!(expected));
}

#[test]
fn a_window_before_the_import_says_how_far_it_may_be_off() {
    let place = Place::new();
    place.import_json(&[&peers_file(), &channels_file()]);
    let document = place.report(&["--window", "30d", "--timeline"]);
    let window = |node_id| &entry(&document, "peers", "node_id", node_id)["window"];
    let day = 24 * HOUR;
    // Carol was always there. Of Acme the last twelve days are known, from her second channel, and
    // the time that she was gone before may lie in the window or not.
    assert_eq!(window(CAROL)["uptime_ns"], 30 * day);
    assert_eq!(window(CAROL)["uptime_error_ns"], 0);
    let gone = 5 * HOUR + 22 * SECOND;
    let acme = window(ACME);
    let (uptime, error) = (acme["uptime_ns"].as_u64(), acme["uptime_error_ns"].as_u64());
    assert_eq!((uptime, error), (Some(30 * day), Some(gone)));
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

/// What cannot all be true is told, and the closest that can be is taken.
#[test]
fn uptimes_that_contradict_each_other_give_way() {
    let place = Place::new();
    // The younger one was up for longer than the older one.
    let file = place.file("channels.json", peer_channel(ACME, 7, &[("100", "50"), ("80", "60"), ("7", "8")]));
    let told = place.import_json(&[&file]);
    let adjusted: Vec<_> = told["adjusted"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| {
            (
                it["funding"].as_str().expect("an outpoint"),
                it["told_uptime_ns"].as_u64(),
                it["uptime_ns"].as_u64(),
            )
        })
        .collect();
    let funding = |vout| format!("{}:{vout}", "07".repeat(32));
    let expected = [
        (funding(2), Some(8 * SECOND), Some(7 * SECOND)),
        (funding(1), Some(60 * SECOND), Some(55 * SECOND)),
        (funding(0), Some(50 * SECOND), Some(55 * SECOND)),
    ];
    assert_eq!(adjusted, expected.each_ref().map(|(funding, told, taken)| (funding.as_str(), *told, *taken)));
    let document = place.report(&[]);
    for (funding, _, uptime) in &expected {
        assert_eq!(entry(&document, "channels", "funding", funding)["uptime_ns"].as_u64(), *uptime);
    }

    let place = Place::new();
    let sentences = stdout(&place.import(&[&file], &[]));
    let part = format!(
        "These uptimes cannot have been, and the closest that can be took their place:\n  {}: 7.0s instead of 8.0s (-1.0s)\n",
        funding(2)
    );
    assert!(sentences.contains(&part), "{sentences}");
}

#[test]
fn both_lists_may_come_through_a_pipe() {
    let place = Place::new();
    let both =
        [std::fs::read(peers_file()), std::fs::read(channels_file())].map(|file| file.expect("a file"));
    let mut command = ldk_fitness();
    command.args(["import", "lnd", "-", "--observer", &US.to_string(), "--at", AT_TEXT, "--store"]);
    let output = command.arg(&place.store).write_stdin(both.concat()).output().expect("it runs");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));

    let other = Place::new();
    other.import_json(&[&channels_file(), &peers_file()]);
    assert_eq!(place.report(&["--all"]), other.report(&["--all"]));
}

#[test]
fn every_kind_of_store_takes_it() {
    let place = Place::new();
    place.import_json(&[&peers_file(), &channels_file()]);
    let expected = place.report(&["--all"]);
    let inside = |name: &str| place.directory.path().join(name).display().to_string();
    for store in [format!("dir:{}", inside("kept")), format!("sqlite:{}", inside("node.sqlite"))] {
        let mut command = ldk_fitness();
        command.env("LDK_FITNESS_STORE", &store).args(["import", "lnd", "--at", AT_TEXT]);
        command.arg(peers_file()).arg(channels_file()).args(["--observer", &US.to_string()]);
        let output = command.output().expect("it runs");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{store}");
        assert!(stdout(&output).contains(&format!(", into {store} for observer {US}.")));
        let output = ldk_fitness().args(["report", &store, "--all", "--json"]).output().expect("it runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        assert_eq!(document, expected, "{store}");
    }
}

#[test]
fn by_default_lncli_was_asked_just_now() {
    let place = Place::new();
    let mut command = ldk_fitness();
    command.args(["import", "lnd", "--json"]).arg(channels_file()).arg("--store").arg(&place.store);
    let output = command.args(["--observer", &US.to_string()]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(told["at_ns"].as_u64() > Some(AT));
    assert_eq!(place.report(&[])["at_ns"], told["at_ns"]);
}
