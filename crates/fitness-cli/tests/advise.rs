//! `ldk-fitness advise`, on the month that ships with the project.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const OURS: &str = "020000000000000000000000000000000000000000000000000000000000000007";

fn program() -> Command {
    let mut command = Command::cargo_bin("ldk-fitness").unwrap();
    command.env_remove("LDK_FITNESS_STORE").env("COLUMNS", "140");
    command
}

fn month(dir: &Path) -> String {
    let store = dir.join("month.redb").display().to_string();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/month.jsonl.gz");
    program().args(["replay", trace, "--store", &store, "--observer", OURS]).assert().success();
    store
}

/// The node ids of the month's peers, by name.
fn id(name: &str) -> &'static str {
    let names = include_str!("../../../examples/month.names");
    let mut lines = names.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, other)| *other == name).unwrap().0
}

fn advice(store: &str, more: &[&str]) -> Vec<Value> {
    let output = program().args(["advise", store, "--json"]).args(more).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["observers"][0]["observer"], OURS);
    document["observers"][0]["advice"].as_array().unwrap().clone()
}

fn of<'a>(advice: &'a [Value], name: &str) -> &'a Value {
    advice.iter().find(|advice| advice["node_id"] == id(name)).unwrap()
}

#[test]
fn peers_are_judged_as_they_live() {
    let dir = tempfile::tempdir().unwrap();
    let store = month(dir.path());
    let advice = advice(&store, &[]);
    for (name, verdict) in [
        ("harbour", "keep"),
        ("old-bridge", "keep"),
        ("kitchen-pi", "close"),
        ("last-light", "close"),
        ("never-again", "close"),
        ("loose-cable", "watch"),
        ("newcomer", "too_early"),
    ] {
        assert_eq!(of(&advice, name)["verdict"], verdict, "{name}: {}", of(&advice, name));
    }
    let scores: Vec<f64> = ["harbour", "quarry", "windfall", "kitchen-pi", "never-again"]
        .iter()
        .map(|name| of(&advice, name)["score"]["value"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    assert!(advice.iter().all(|advice| advice["node_id"] != id("parted")), "its channel was closed");
}

#[test]
fn what_is_asked_for_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let store = month(dir.path());
    let phone = id("phone-amber");
    let ignored = id("last-light");
    let more =
        ["--mobile", phone, "--ignore", ignored, "--threshold", "0", "--style", "off", "--flapping", "9999"];
    let advice = advice(&store, &more);
    assert_eq!(of(&advice, "phone-amber")["reasons"][0]["rule"], "apart");
    assert_eq!(of(&advice, "last-light")["verdict"], "ignored");
    assert_eq!(of(&advice, "kitchen-pi")["verdict"], "keep");
    let gone = self::advice(&store, &["--gone", "20d"]);
    assert_eq!(of(&gone, "never-again")["reasons"][0]["rule"], "gone");
}

#[test]
fn the_table_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let store = month(dir.path());
    let output = program().args(["advise", &store]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("28 peers of 0200"), "{text}");
    assert!(text.contains("at or below 80.0 %") && text.contains("too early"), "{text}");
    program().args(["advise", &store, "--threshold", "101%"]).assert().code(2);
    program().args(["advise", &store, "--observer", id("harbour")]).assert().failure();
}
