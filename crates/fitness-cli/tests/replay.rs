//! `replay`: the report on a small trace with known results.

mod common;

use common::{HOUR, T0, channel, data, ldk_fitness, node, replay, replay_json, stderr, stdout};
use serde_json::{Value, json};

const PEER_A: &str = "03559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
const PEER_B: &str = "03df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c";
const PEER_C: &str = "036b23c0d5f35d1b11f9b683f0b0a617355deb11277d91ae091d399c655b87940d";
const PEER_D: &str = "033f39d5c348e5b79d06e842c114e6cc571583bbf44e4b0ebfda1a01ec05745d43";

/// Returns the JSON report on `small.jsonl`.
fn small(args: &[&str]) -> Value {
    let mut command = ldk_fitness();
    let output = command.arg("replay").arg(data("small.jsonl")).arg("--json").args(args).output();
    let output = output.expect("program runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

/// Returns the table of the report on `small.jsonl`.
fn small_table(columns: &str, args: &[&str]) -> String {
    let mut command = ldk_fitness();
    let output = command.env("COLUMNS", columns).arg("replay").arg(data("small.jsonl")).args(args).output();
    let output = output.expect("program runs");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    stdout(&output)
}

/// Checks that the first line of the table with `id` has all of `cells`. Spaces are ignored.
fn assert_row(table: &str, id: &str, cells: &[&str]) {
    let row = table.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("no {id} in\n{table}"));
    let compact = row.replace(' ', "");
    for cell in cells {
        assert!(compact.contains(&cell.replace(' ', "")), "{cell:?} is missing in {row:?}");
    }
}

fn peer<'a>(document: &'a Value, node_id: &str) -> &'a Value {
    let peers = document["peers"].as_array().expect("a list");
    peers.iter().find(|peer| peer["node_id"] == node_id).expect("peer in the report")
}

fn channels_of<'a>(document: &'a Value, node_id: &str) -> Vec<&'a Value> {
    let channels = document["channels"].as_array().expect("a list");
    channels.iter().filter(|channel| channel["node_id"] == node_id).collect()
}

#[test]
fn file_gzip_and_standard_input_give_the_same_table() {
    let expected = small_table("120", &[]);
    for (id, cells) in [
        ("03df…0a5c", &["11h 00m", "10h 00m", "6h 00m", "60.00%", "██████████▁▁██··▁▁▁▁▁▁"][..]),
        ("036b…940d", &["12h 00m", "11h 00m", "8h 00m", "72.73%", "████████████████··▁▁▁▁▁▁"]),
        ("0355…dffd", &["12h 00m", "11h 00m", "10h 30m", "95.45%", "████████████████··██▁███"]),
        ("c836…ea56", &["10h 00m", "9h 00m", "8h 30m", "94.44%"]),
        ("033f…5d43", &["1h 00m", "0s", "n/a", "··"]),
    ] {
        assert_row(&expected, id, cells);
    }
    let run = |file: std::path::PathBuf, input: Vec<u8>| {
        let mut command = ldk_fitness();
        let command = command.env("COLUMNS", "120").arg("replay").arg(file).write_stdin(input);
        let output = command.output().expect("program runs");
        assert_eq!(stderr(&output), "");
        stdout(&output)
    };
    for name in ["small.jsonl", "small.jsonl.gz"] {
        assert_eq!(run(data(name), Vec::new()), expected);
        let bytes = std::fs::read(data(name)).expect("readable file");
        assert_eq!(run("-".into(), bytes), expected);
    }
}

#[test]
fn concatenated_gzip_members_are_one_trace() {
    let bytes = std::fs::read(data("small.jsonl.gz")).expect("readable file");
    let twice = [bytes.clone(), bytes].concat();
    let output = replay(twice, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    // At the start of the second member the time decreases, which is reported.
    let notes = stderr(&output);
    assert!(notes.starts_with("note: ") && notes.lines().count() == 1, "{notes}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert_eq!(document["at_ns"], T0 + 12 * HOUR);
}

#[test]
fn statistics_equal_the_hand_computed_ones() {
    let document = small(&[]);
    let at = T0 + 12 * HOUR;
    assert_eq!(document["at_ns"], at);

    let a = peer(&document, PEER_A);
    assert_eq!((&a["presence"], &a["presence_since_ns"]), (&json!("online"), &json!(T0 + 21 * HOUR / 2)));
    assert_eq!((&a["flap_count"], &a["disconnects"]), (&json!(2), &json!(1)));
    assert_eq!(a["last_flap_ns"], T0 + 21 * HOUR / 2);

    let numbers = |channel: &Value| {
        ["lifetime_ns", "observed_ns", "uptime_ns"].map(|name| channel[name].as_u64().expect(name))
    };
    let of_a = channels_of(&document, PEER_A);
    assert_eq!(numbers(of_a[0]), [12 * HOUR, 11 * HOUR, 21 * HOUR / 2]);
    assert_eq!(numbers(of_a[1]), [10 * HOUR, 9 * HOUR, 17 * HOUR / 2]);
    assert_eq!(of_a[0]["availability"], json!(10.5 / 11.0));
    assert!(
        of_a[0]["funding"].as_str().is_some_and(|funding| funding.starts_with("5e61bba4")),
        "funding after the splice"
    );
    assert_eq!(of_a[1]["funding"], Value::Null);

    // Going offline during a monitoring gap is not a flap.
    let b = peer(&document, PEER_B);
    assert_eq!((&b["flap_count"], &b["disconnects"]), (&json!(3), &json!(1)));
    assert_eq!(numbers(channels_of(&document, PEER_B)[0]), [11 * HOUR, 10 * HOUR, 6 * HOUR]);

    let c = peer(&document, PEER_C);
    assert_eq!((&c["presence"], &c["watched"]), (&json!("offline"), &json!(true)));
    assert_eq!((&c["flap_count"], &c["last_flap_ns"]), (&json!(0), &Value::Null));
    assert_eq!((&c["observed_ns"], &c["uptime_ns"]), (&json!(11 * HOUR), &json!(8 * HOUR)));
    assert!(channels_of(&document, PEER_C).is_empty());

    let d = channels_of(&document, PEER_D)[0];
    assert_eq!(peer(&document, PEER_D)["presence"], "unobserved");
    assert_eq!(numbers(d), [HOUR, 0, 0]);
    assert_eq!(d["availability"], Value::Null);
}

#[test]
fn json_has_the_documented_fields_and_types() {
    for args in [&[][..], &["--window", "3h"], &["--preset", "lnd-0.19"], &["--preset", "lnd-master"]] {
        let document = small(args);
        assert!(document["at_ns"].is_u64());
        for peer in document["peers"].as_array().expect("a list") {
            let peer = peer.as_object().expect("an object");
            for name in
                ["node_id", "presence", "presence_since_ns", "flap_count", "last_flap_ns", "disconnects"]
            {
                assert!(peer.contains_key(name), "{name}");
            }
            assert!(!peer.contains_key("channels"), "channels are a separate list");
            assert_eq!(peer["node_id"].as_str().map(str::len), Some(66));
            assert!(
                ["online", "offline", "unobserved"].contains(&peer["presence"].as_str().expect("a string"))
            );
            assert!(peer["flap_count"].is_u64() && peer["disconnects"].is_u64());
        }
        for channel in document["channels"].as_array().expect("a list") {
            for name in ["channel_id", "node_id", "lifetime_ns", "observed_ns", "uptime_ns", "availability"] {
                assert!(channel.as_object().is_some_and(|channel| channel.contains_key(name)), "{name}");
            }
            assert_eq!(channel["channel_id"].as_str().map(str::len), Some(64));
            assert!(channel["availability"].is_f64() || channel["availability"].is_null());
            assert_eq!(channel.get("window").is_some(), args.contains(&"--window"));
            assert_eq!(channel.get("lnd_uptime_ns").is_some(), args.contains(&"--preset"));
        }
        assert_nanoseconds_are_integers(&document);
    }
}

fn assert_nanoseconds_are_integers(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.ends_with("_ns") {
                    assert!(value.is_u64() || value.is_null(), "{name}: {value}");
                }
                assert_nanoseconds_are_integers(value);
            }
        }
        Value::Array(values) => values.iter().for_each(assert_nanoseconds_are_integers),
        _ => {}
    }
}

#[test]
fn report_can_be_evaluated_earlier_or_later() {
    let later = small(&["--at", "2026-01-02T00:00:00Z"]);
    assert_eq!(later["at_ns"], T0 + 24 * HOUR);
    let b = channels_of(&later, PEER_B)[0];
    assert_eq!((&b["lifetime_ns"], &b["uptime_ns"]), (&json!(23 * HOUR), &json!(18 * HOUR)));

    for at in ["2026-01-01T06:30:00Z", "1767249000000000000", "2026-01-01T07:30:00+01:00"] {
        let earlier = small(&["--at", at]);
        assert_eq!(earlier["at_ns"], T0 + 13 * HOUR / 2);
        let b = channels_of(&earlier, PEER_B)[0];
        assert_eq!((&b["lifetime_ns"], &b["uptime_ns"]), (&json!(11 * HOUR / 2), &json!(5 * HOUR)));
        assert_eq!(peer(&earlier, PEER_B)["flap_count"], 1);
    }

    let before = small(&["--at", "1970-01-01T00:00:00Z"]);
    assert_eq!(before, json!({"at_ns": 0, "peers": [], "channels": []}));
}

#[test]
fn events_after_the_evaluation_time_are_ignored_with_a_note() {
    let output = ldk_fitness()
        .arg("replay")
        .arg(data("small.jsonl"))
        .args(["--at", "2026-01-01T06:30:00Z"])
        .output()
        .expect("program runs");
    let notes = stderr(&output);
    assert!(notes.starts_with("note: ") && notes.lines().count() == 1, "{notes}");
    assert!(notes.contains(" 9 ") && notes.contains("--at"), "{notes}");
    assert!(stdout(&output).contains("2026-01-01T06:30:00Z"));
}

#[test]
fn invalid_times_and_windows_are_bad_usage() {
    for args in
        [["--at", "noon"], ["--at", "-5"], ["--window", "0s"], ["--window", "week"], ["--preset", "cln"]]
    {
        let output = replay("", &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(args[1]), "{}", stderr(&output));
    }
}

#[test]
fn evaluation_time_far_ahead_is_rejected() {
    let trace = format!(r#"{{"at_ns": {T0}, "event": "watch", "node_id": "{}"}}"#, node('a'));
    let output = replay(trace, &["--at", "2046-01-01T00:00:00Z"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("--at 2046-01-01T00:00:00Z") && message.contains("2026-01-01T00:00:00Z"));
}

#[test]
fn window_ends_at_the_evaluation_time() {
    let document = small(&["--window", "3h"]);
    let window = &channels_of(&document, PEER_A)[1]["window"];
    let expected = json!({
        "from_ns": T0 + 9 * HOUR, "to_ns": T0 + 12 * HOUR, "length_ns": 3 * HOUR,
        "observed_ns": 3 * HOUR, "observed_error_ns": 0, "uptime_ns": 5 * HOUR / 2, "uptime_error_ns": 0,
        "availability": 2.5 / 3.0, "presence": "online", "presence_since_ns": T0 + 21 * HOUR / 2,
        "outages": {
            "disconnects": 1, "mean_time_between_disconnects_ns": 5 * HOUR / 2, "median_recovery_ns": HOUR / 2,
            "longest_recovery_ns": HOUR / 2, "longest_outage_ns": HOUR / 2, "complete": true,
        },
    });
    assert_eq!(window, &expected);
    assert_eq!(peer(&document, PEER_C)["window"]["uptime_ns"], 0);
    // The window starts when the channel was opened, at the earliest.
    assert_eq!(channels_of(&document, PEER_D)[0]["window"]["length_ns"], HOUR);

    let table = small_table("100", &["--window", "3h"]);
    for (id, cells) in [
        ("036b…940d", &["3h 00m", "0s", "0.00%"][..]),
        ("0355…dffd", &["3h 00m", "2h 30m", "83.33%", "30m 00s"]),
        ("c836…ea56", &["3h 00m", "2h 30m", "83.33%", "30m 00s"]),
        ("033f…5d43", &["0s", "n/a"]),
    ] {
        assert_row(&table, id, cells);
    }
}

#[test]
fn dropped_log_entries_are_reported_as_an_error_bound() {
    // The rate limit of the log keeps one entry of a hundred flaps within a second.
    let mut trace = format!(
        r#"{{"at_ns": {T0}, "event": "channel_opened", "channel_id": "{}", "node_id": "{}", "online": true}}"#,
        channel('1'),
        node('a')
    );
    for flap in 0..100 {
        let event = if flap % 2 == 0 { "peer_offline" } else { "peer_online" };
        let at = T0 + HOUR + flap * 9_000_000;
        trace += &format!("\n{{\"at_ns\": {at}, \"event\": \"{event}\", \"node_id\": \"{}\"}}", node('a'));
    }
    let document = replay_json(trace.clone(), &["--window", "500ms"]);
    let window = &document["channels"][0]["window"];
    assert!(window["uptime_error_ns"].as_u64() > Some(0), "{window}");
    let table = stdout(&replay(trace, &["--window", "500ms"]));
    assert!(table.contains("+/-"), "{table}");
}

#[test]
fn presets_reproduce_lnd() {
    let (peer, other) = (node('a'), node('b'));
    let line = |secs: u64, event: &str, node_id: &str| {
        format!(
            "{{\"at_ns\": {}, \"event\": \"{event}\", \"node_id\": \"{node_id}\"}}\n",
            T0 + secs * common::SECOND
        )
    };
    let mut trace = line(0, "peer_online", &peer) + &line(0, "peer_online", &other);
    trace += &format!(
        "{{\"at_ns\": {}, \"event\": \"channel_opened\", \"channel_id\": \"{}\", \"node_id\": \"{peer}\"}}\n",
        T0 + 10 * common::SECOND,
        channel('1')
    );
    trace += &line(20, "peer_online", &peer);
    trace += &(line(30, "peer_offline", &peer) + &line(40, "peer_online", &peer));

    let default = replay_json(trace.clone(), &[]);
    assert_eq!(default["peers"].as_array().map(Vec::len), Some(1), "peers without a channel are not tracked");
    assert_eq!(default["peers"][0]["flap_count"], 2, "a repeated event is not a flap");

    let lnd = replay_json(trace.clone(), &["--preset", "lnd-0.19", "--sort", "peer"]);
    assert_eq!(lnd["peers"].as_array().map(Vec::len), Some(2), "lnd 0.19 tracks all peers");
    assert_eq!(lnd["peers"][0]["flap_count"], 4, "lnd counts every event as a flap");
    assert_eq!(lnd["channels"][0]["uptime_ns"], 20 * common::SECOND);
    assert_eq!(lnd["channels"][0]["lnd_uptime_ns"], 20 * common::SECOND);

    let master = replay_json(trace.clone(), &["--preset", "lnd-master"]);
    assert_eq!(master["peers"].as_array().map(Vec::len), Some(1));

    let table = stdout(&replay(trace, &["--preset", "lnd-0.19"]));
    assert!(table.contains("lnd uptime"), "{table}");
}

#[test]
fn lnd_uptime_is_correct_after_the_clock_is_set_back() {
    let peer = node('a');
    let at = |secs: u64| T0 + secs * common::SECOND;
    let mut trace = format!(
        "{{\"at_ns\": {}, \"event\": \"channel_opened\", \"channel_id\": \"{}\", \"node_id\": \"{peer}\"}}\n",
        at(1_000),
        channel('1')
    );
    // The clock is set back by 900 s between the two events.
    for (secs, event) in [(1_100, "peer_online"), (200, "observation_resumed"), (250, "peer_offline")] {
        let node_id =
            if event.starts_with("peer") { format!(", \"node_id\": \"{peer}\"") } else { String::new() };
        trace += &format!("{{\"at_ns\": {}, \"event\": \"{event}\"{node_id}}}\n", at(secs));
    }
    let output = replay(trace, &["--json", "--preset", "lnd-0.19"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert_eq!(document["channels"][0]["lifetime_ns"], 150 * common::SECOND);
    assert_eq!(document["channels"][0]["uptime_ns"], 50 * common::SECOND);
    assert_eq!(document["channels"][0]["lnd_uptime_ns"], 50 * common::SECOND);
    assert!(stderr(&output).contains("15m"), "the note has no length: {}", stderr(&output));
}

#[test]
fn reordered_event_does_not_change_the_evaluation_time() {
    let line = |at: u64, event: &str| {
        format!("{{\"at_ns\": {at}, \"event\": \"{event}\", \"node_id\": \"{}\"}}\n", node('a'))
    };
    let trace = line(T0, "watch") + &line(T0 + 500, "peer_online") + &line(T0 + 400, "peer_offline");
    let output = replay(trace, &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert_eq!(document["at_ns"], T0 + 500);
    assert_eq!(document["peers"][0]["presence_since_ns"], T0 + 500);
    let notes = stderr(&output);
    assert!(notes.starts_with("note: 1 ") && notes.lines().count() == 1, "{notes}");
}

#[test]
fn empty_trace_gives_an_empty_report() {
    for trace in ["", "\n\n  \r\n"] {
        assert_eq!(replay_json(trace, &[]), json!({"at_ns": null, "peers": [], "channels": []}));
        assert_eq!(replay(trace, &[]).status.code(), Some(0));
    }
    let at = replay_json("", &["--at", "5"]);
    assert_eq!(at, json!({"at_ns": 5, "peers": [], "channels": []}));
}

#[test]
fn peers_are_sorted_by_the_sort_key() {
    let orders = [
        ("availability", [PEER_B, PEER_C, PEER_A, PEER_D]),
        ("flaps", [PEER_B, PEER_A, PEER_D, PEER_C]),
        ("lifetime", [PEER_A, PEER_C, PEER_B, PEER_D]),
        ("last-flap", [PEER_B, PEER_A, PEER_D, PEER_C]),
        ("peer", [PEER_D, PEER_A, PEER_C, PEER_B]),
    ];
    for (sort, expected) in orders {
        let document = small(&["--sort", sort]);
        let peers = document["peers"].as_array().expect("a list");
        let peers: Vec<_> = peers.iter().filter_map(|peer| peer["node_id"].as_str()).collect();
        assert_eq!(peers, expected, "{sort}");
    }
}

#[test]
fn crlf_and_byte_order_mark_are_accepted() {
    let line =
        format!("\u{feff}{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{}\"}}\r\n", node('a'));
    assert_eq!(replay_json(line, &[])["peers"][0]["node_id"], node('a'));
}

#[test]
fn documentation_example_is_correct() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trace-format.md");
    let text = std::fs::read_to_string(path).expect("docs/trace-format.md");
    let block = |opening: &str| {
        let (_, rest) = text.split_once(opening).expect(opening);
        rest.split_once("```").expect("end of the block").0
    };
    let report = replay_json(block("```jsonl\n"), &[]);
    let peers = report["peers"].as_array().expect("a list");
    let documented: Vec<Value> = block("```console\n")
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect();
    assert_eq!(documented.len(), peers.len());
    for (documented, peer) in documented.iter().zip(peers) {
        for (field, value) in documented.as_object().expect("an object") {
            match (value.as_f64(), peer[field].as_f64()) {
                (Some(value), Some(actual)) => {
                    assert!((value - actual).abs() <= value.abs() * 1e-12, "{field}");
                }
                _ => assert_eq!(value, &peer[field], "{field}"),
            }
        }
    }
}

#[test]
fn aliases_are_read_from_the_file_beside_the_trace() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let trace = directory.path().join("small.jsonl.gz");
    std::fs::copy(data("small.jsonl.gz"), &trace).expect("file is copied");
    // An invalid alias file is an error, which shows that the file was found.
    std::fs::write(directory.path().join("small.aliases"), "invalid\n").expect("file is written");
    let output = ldk_fitness().arg("replay").arg(&trace).arg("--listen").output().expect("program runs");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("small.aliases, line 1"), "{}", stderr(&output));
}
