//! `replay`: hand-computed numbers of a small trace, in every form and at every moment.

mod common;

use common::{HOUR, T0, channel, data, ldk_fitness, node, replay, replay_json, stderr, stdout};
use serde_json::{Value, json};

const PEER_A: &str = "03559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
const PEER_B: &str = "03df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c";
const PEER_C: &str = "036b23c0d5f35d1b11f9b683f0b0a617355deb11277d91ae091d399c655b87940d";
const PEER_D: &str = "033f39d5c348e5b79d06e842c114e6cc571583bbf44e4b0ebfda1a01ec05745d43";

const TABLE: &str = "\
4 peers, 4 channels, at 2026-01-01T12:00:00Z

peer       channel    lifetime  observed   uptime   avail-  flaps  last    state       for
                                                   ability         flap                        -12h 00m             now
-----------------------------------------------------------------------------------------------------------------------
03df…0a5c  5b95…696a   11h 00m   10h 00m   6h 00m  60.00 %      3  0s      online      0s        ██████████▁▁██··▁▁▁▁▁▁
036b…940d  -           12h 00m   11h 00m   8h 00m  72.73 %      0  never   offline     3h 00m  ████████████████··▁▁▁▁▁▁
0355…dffd  16a3…9648   12h 00m   11h 00m  10h 30m  95.45 %      2  1h 30m  online      1h 30m  ████████████████··██▁███
           c836…ea56   10h 00m    9h 00m   8h 30m  94.44 %
033f…5d43  33a1…4681    1h 00m        0s       0s      n/a      0  never   unobserved  1h 00m                        ··

A mark is 30m 00s: █ online, ▂ to ▇ in part, ▁ offline, · unobserved

We watched 11h 00m of 12h 00m (91.67 %) since 2026-01-01T00:00:00Z.
We were gone: paused once (1h 00m).

our gap   from                   to                     length
--------------------------------------------------------------
paused    2026-01-01T08:00:00Z   2026-01-01T09:00:00Z   1h 00m
";

const COMPACT_TABLE: &str = "\
4 peers, 4 channels, at 2026-01-01T12:00:00Z, over the last 3h

peer        channel           3h       3h        3h    losses    return   state
                        observed   uptime    avail-   between     worst   for
                                            ability
------------------------------------------------------------------------------------
036b…940d   -             3h 00m       0s    0.00 %         0       n/a   offline
                                                          n/a       n/a   3h 00m
03df…0a5c   5b95…696a     3h 00m       0s    0.00 %         0       n/a   online
                                                          n/a       n/a   0s
0355…dffd   16a3…9648     3h 00m   2h 30m   83.33 %         1   30m 00s   online
                                                       2h 30m   30m 00s   1h 30m
            c836…ea56     3h 00m   2h 30m   83.33 %         1   30m 00s
                                                       2h 30m   30m 00s
033f…5d43   33a1…4681         0s       0s       n/a       n/a       n/a   unobserved
                                                          n/a       n/a   1h 00m

peer       -3h 00m                                                              now
-----------------------------------------------------------------------------------
036b…940d  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
03df…0a5c  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
0355…dffd  ████████████████████████▁▁▁▁▁▁▁▁▁▁▁▁████████████████████████████████████
033f…5d43                                                  ························

A mark is 2m 30s: █ online, ▂ to ▇ in part, ▁ offline, · unobserved

We watched 11h 00m of 12h 00m (91.67 %) since 2026-01-01T00:00:00Z.
We were gone: paused once (1h 00m).

our gap   from                   to                     length
--------------------------------------------------------------
paused    2026-01-01T08:00:00Z   2026-01-01T09:00:00Z   1h 00m
";

fn small(args: &[&str]) -> Value {
    let output =
        ldk_fitness().arg("replay").arg(data("small.jsonl")).arg("--json").args(args).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn peer<'a>(document: &'a Value, node_id: &str) -> &'a Value {
    let peers = document["peers"].as_array().expect("a list");
    peers.iter().find(|peer| peer["node_id"] == node_id).expect("it is there")
}

fn channels_of<'a>(document: &'a Value, node_id: &str) -> Vec<&'a Value> {
    let channels = document["channels"].as_array().expect("a list");
    channels.iter().filter(|channel| channel["node_id"] == node_id).collect()
}

#[test]
fn the_table_of_a_file_of_its_gzip_and_of_standard_input_is_one() {
    for name in ["small.jsonl", "small.jsonl.gz"] {
        let by_path =
            ldk_fitness().env("COLUMNS", "120").arg("replay").arg(data(name)).output().expect("runs");
        assert_eq!(stdout(&by_path), TABLE);
        assert_eq!(stderr(&by_path), "");
        let bytes = std::fs::read(data(name)).expect("it is committed");
        let mut piped = ldk_fitness();
        let piped =
            piped.env("COLUMNS", "120").args(["replay", "-"]).write_stdin(bytes).output().expect("runs");
        assert_eq!(stdout(&piped), TABLE);
    }
}

#[test]
fn gzip_members_one_after_the_other_are_one_trace() {
    let bytes = std::fs::read(data("small.jsonl.gz")).expect("it is committed");
    let twice = [bytes.clone(), bytes].concat();
    // The second time everything is a repetition, or a clock that was set back.
    let output = replay(twice, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("times went back"), "{}", stderr(&output));
}

#[test]
fn numbers_are_those_computed_by_hand() {
    let document = small(&[]);
    let at = T0 + 12 * HOUR;
    assert_eq!(document["at_ns"], at);

    let a = peer(&document, PEER_A);
    assert_eq!((&a["online"], &a["since_ns"]), (&json!(true), &json!(T0 + 21 * HOUR / 2)));
    assert_eq!((&a["flap_count"], &a["disconnects"]), (&json!(2), &json!(1)));
    assert_eq!(a["last_flap_ns"], T0 + 21 * HOUR / 2);

    let numbers = |channel: &Value| {
        ["lifetime_ns", "observed_ns", "uptime_ns"].map(|name| channel[name].as_u64().expect("an integer"))
    };
    let of_a = channels_of(&document, PEER_A);
    assert_eq!(numbers(of_a[0]), [12 * HOUR, 11 * HOUR, 21 * HOUR / 2]);
    assert_eq!(numbers(of_a[1]), [10 * HOUR, 9 * HOUR, 17 * HOUR / 2]);
    assert_eq!(of_a[0]["availability"], json!(10.5 / 11.0));
    assert!(of_a[0]["funding"].as_str().is_some_and(|funding| funding.starts_with("5e61bba4")), "spliced");
    assert_eq!(of_a[1]["funding"], Value::Null);

    // An outage that began while we could not look is no flap of the peer's.
    let b = peer(&document, PEER_B);
    assert_eq!((&b["flap_count"], &b["disconnects"]), (&json!(3), &json!(1)));
    assert_eq!(numbers(channels_of(&document, PEER_B)[0]), [11 * HOUR, 10 * HOUR, 6 * HOUR]);

    let c = peer(&document, PEER_C);
    assert_eq!((&c["online"], &c["watched"]), (&json!(false), &json!(true)));
    assert_eq!((&c["flap_count"], &c["last_flap_ns"]), (&json!(0), &Value::Null));
    assert_eq!((&c["observed_ns"], &c["uptime_ns"]), (&json!(11 * HOUR), &json!(8 * HOUR)));
    assert!(channels_of(&document, PEER_C).is_empty());

    let d = channels_of(&document, PEER_D)[0];
    assert_eq!(peer(&document, PEER_D)["online"], Value::Null);
    assert_eq!(numbers(d), [HOUR, 0, 0]);
    assert_eq!(d["availability"], Value::Null, "unknown is null, not 0");
}

#[test]
fn the_document_has_the_promised_names_and_types() {
    for args in [&[][..], &["--window", "3h"], &["--preset", "lnd-0.19"], &["--preset", "lnd-master"]] {
        let document = small(args);
        assert!(document["at_ns"].is_u64());
        for peer in document["peers"].as_array().expect("a list") {
            let peer = peer.as_object().expect("an object");
            for name in ["node_id", "online", "since_ns", "flap_count", "last_flap_ns", "disconnects"] {
                assert!(peer.contains_key(name), "{name}");
            }
            assert!(!peer.contains_key("channels"), "they have a list of their own");
            assert_eq!(peer["node_id"].as_str().map(str::len), Some(66));
            assert!(peer["online"].is_boolean() || peer["online"].is_null());
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
        all_nanoseconds_are_integers(&document);
    }
}

fn all_nanoseconds_are_integers(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.ends_with("_ns") {
                    assert!(value.is_u64() || value.is_null(), "{name}: {value}");
                }
                all_nanoseconds_are_integers(value);
            }
        }
        Value::Array(values) => values.iter().for_each(all_nanoseconds_are_integers),
        _ => {}
    }
}

#[test]
fn the_moment_of_the_question_may_be_earlier_or_later() {
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
fn events_after_the_question_are_left_out_aloud() {
    let output = ldk_fitness()
        .arg("replay")
        .arg(data("small.jsonl"))
        .args(["--at", "2026-01-01T06:30:00Z"])
        .output()
        .expect("it runs");
    assert_eq!(stderr(&output), "note: 9 event(s) after --at were left out\n");
    assert!(stdout(&output).starts_with("3 peers, 3 channels, at 2026-01-01T06:30:00Z\n"));
}

#[test]
fn bad_moments_and_windows_are_bad_usage() {
    for args in
        [["--at", "noon"], ["--at", "-5"], ["--window", "0s"], ["--window", "week"], ["--preset", "cln"]]
    {
        let output = replay("", &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(args[1]), "{}", stderr(&output));
    }
    let trace = format!(r#"{{"at_ns": {T0}, "event": "watch", "node_id": "{}"}}"#, node('a'));
    let output = replay(trace, &["--at", "2046-01-01T00:00:00Z"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("more than ten years"), "{}", stderr(&output));
}

#[test]
fn a_window_ends_at_the_question() {
    let document = small(&["--window", "3h"]);
    let window = &channels_of(&document, PEER_A)[1]["window"];
    let expected = json!({
        "from_ns": T0 + 9 * HOUR, "to_ns": T0 + 12 * HOUR, "length_ns": 3 * HOUR,
        "observed_ns": 3 * HOUR, "observed_error_ns": 0, "uptime_ns": 5 * HOUR / 2, "uptime_error_ns": 0,
        "availability": 2.5 / 3.0, "online": true, "since_ns": T0 + 21 * HOUR / 2,
        "outages": {
            "count": 1, "mean_time_between_disconnects_ns": 5 * HOUR / 2, "median_recovery_ns": HOUR / 2,
            "longest_recovery_ns": HOUR / 2, "longest_ns": HOUR / 2, "complete": true,
        },
    });
    assert_eq!(window, &expected);
    assert_eq!(peer(&document, PEER_C)["window"]["uptime_ns"], 0);
    // A channel younger than the window has a shorter one.
    assert_eq!(channels_of(&document, PEER_D)[0]["window"]["length_ns"], HOUR);

    let output = ldk_fitness()
        .env("COLUMNS", "100")
        .arg("replay")
        .arg(data("small.jsonl"))
        .args(["--window", "3h"])
        .output()
        .expect("it runs");
    assert_eq!(stdout(&output), COMPACT_TABLE);
}

#[test]
fn what_the_log_dropped_shows_as_an_error() {
    // A hundred flaps within a second leave one log entry.
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
    assert!(table.contains(" +/- ") && table.contains('~'), "{table}");
}

#[test]
fn a_preset_answers_as_lnd_does() {
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

    let ours = replay_json(trace.clone(), &[]);
    assert_eq!(ours["peers"].as_array().map(Vec::len), Some(1), "strangers cost nothing");
    assert_eq!(ours["peers"][0]["flap_count"], 2, "a repetition is no flap");

    let lnd = replay_json(trace.clone(), &["--preset", "lnd-0.19", "--sort", "peer"]);
    assert_eq!(lnd["peers"].as_array().map(Vec::len), Some(2), "lnd 0.19 tracks everybody");
    assert_eq!(lnd["peers"][0]["flap_count"], 4, "every event is a flap to lnd");
    assert_eq!(lnd["channels"][0]["uptime_ns"], 20 * common::SECOND);
    assert_eq!(lnd["channels"][0]["lnd_uptime_ns"], 20 * common::SECOND);

    let master = replay_json(trace.clone(), &["--preset", "lnd-master"]);
    assert_eq!(master["peers"].as_array().map(Vec::len), Some(1));

    let table = stdout(&replay(trace, &["--preset", "lnd-0.19"]));
    assert!(table.contains("lnd uptime"), "{table}");
}

#[test]
fn lnds_uptime_survives_a_clock_that_was_set() {
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
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["channels"][0]["lifetime_ns"], 150 * common::SECOND);
    assert_eq!(document["channels"][0]["uptime_ns"], 50 * common::SECOND);
    assert_eq!(document["channels"][0]["lnd_uptime_ns"], 50 * common::SECOND);
    assert!(stderr(&output).contains("times went back 1 time(s), by 15m 00s at most"), "{}", stderr(&output));
}

#[test]
fn a_moment_of_disorder_does_not_move_the_question() {
    let line = |at: u64, event: &str| {
        format!("{{\"at_ns\": {at}, \"event\": \"{event}\", \"node_id\": \"{}\"}}\n", node('a'))
    };
    let trace = line(T0, "watch") + &line(T0 + 500, "peer_online") + &line(T0 + 400, "peer_offline");
    let output = replay(trace, &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["at_ns"], T0 + 500);
    assert_eq!(document["peers"][0]["since_ns"], T0 + 500);
    assert!(stderr(&output).contains("1 event(s) came up to a second out of order"), "{}", stderr(&output));
}

#[test]
fn an_empty_trace_is_an_empty_answer() {
    for trace in ["", "\n\n  \r\n"] {
        assert_eq!(replay_json(trace, &[]), json!({"at_ns": null, "peers": [], "channels": []}));
        assert_eq!(stdout(&replay(trace, &[])), "Nothing has been recorded yet.\n");
    }
    let at = replay_json("", &["--at", "5"]);
    assert_eq!(at, json!({"at_ns": 5, "peers": [], "channels": []}));
}

#[test]
fn every_order() {
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
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let line =
        format!("\u{feff}{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{}\"}}\r\n", node('a'));
    assert_eq!(replay_json(line, &[])["peers"][0]["node_id"], node('a'));
}

#[test]
fn the_documentation_tells_the_truth() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/TRACE.md");
    let text = std::fs::read_to_string(path).expect("docs/TRACE.md");
    let block = |opening: &str| {
        let start = text.find(opening).expect(opening) + opening.len();
        let length = text[start..].find("```").expect("it ends");
        text[start..start + length].to_owned()
    };
    let output = ldk_fitness()
        .env("COLUMNS", "100")
        .args(["replay", "-"])
        .write_stdin(block("```jsonl\n"))
        .output()
        .expect("it runs");
    assert_eq!(stdout(&output), block("```console\n$ ldk-fitness replay trace.jsonl\n"));
}
