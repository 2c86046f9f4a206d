//! `advise` on the example trace of a month.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod common;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const OBSERVER: &str = "020000000000000000000000000000000000000000000000000000000000000007";

/// Returns the program with an output width of 140 columns.
fn ldk_fitness() -> Command {
    let mut command = common::ldk_fitness();
    command.env("COLUMNS", "140");
    command
}

/// Replays the example trace into a store and returns the store's path.
fn month_store(dir: &Path) -> String {
    let store = dir.join("month.redb").display().to_string();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/month.jsonl.gz");
    ldk_fitness().args(["replay", trace, "--store", &store, "--observer", OBSERVER]).assert().success();
    store
}

/// Returns the node id of a peer in the example trace.
fn node_id(alias: &str) -> &'static str {
    let aliases = include_str!("../../../examples/month.aliases");
    let mut lines = aliases.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, other)| *other == alias).unwrap().0
}

fn advice(store: &str, args: &[&str]) -> Vec<Value> {
    let output = ldk_fitness().args(["advise", store, "--json"]).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["observers"][0]["observer"], OBSERVER);
    document["observers"][0]["advice"].as_array().unwrap().clone()
}

fn advice_for<'a>(advice: &'a [Value], alias: &str) -> &'a Value {
    advice.iter().find(|advice| advice["node_id"] == node_id(alias)).unwrap()
}

#[test]
fn recommendations_and_scores_match_the_peers_behaviour() {
    let dir = tempfile::tempdir().unwrap();
    let store = month_store(dir.path());
    let advice = advice(&store, &[]);
    for (alias, recommendation) in [
        ("harbour", "keep"),
        ("old-bridge", "keep"),
        ("kitchen-pi", "close"),
        ("last-light", "close"),
        ("never-again", "close"),
        ("loose-cable", "review"),
        ("newcomer", "insufficient_data"),
    ] {
        let advice = advice_for(&advice, alias);
        assert_eq!(advice["recommendation"], recommendation, "{alias}: {advice}");
        let reasons = advice["reasons"].as_array().unwrap();
        assert_eq!(advice["reason_texts"].as_array().unwrap().len(), reasons.len());
    }
    let scores: Vec<f64> = ["harbour", "quarry", "windfall", "kitchen-pi", "never-again"]
        .iter()
        .map(|alias| advice_for(&advice, alias)["score"]["value"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    assert!(advice.iter().all(|advice| advice["node_id"] != node_id("parted")), "it is untracked");
}

#[test]
fn options_change_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let store = month_store(dir.path());
    let mobile = node_id("phone-amber");
    let ignored = node_id("last-light");
    let peers = ["--mobile", mobile, "--ignore", ignored];
    let rules = ["--availability-threshold", "0", "--outliers", "off", "--max-flaps", "9999"];
    let without_rules = advice(&store, &[&peers[..], &rules].concat());
    assert_eq!(advice_for(&without_rules, "phone-amber")["reasons"][0]["rule"], "not_compared");
    assert_eq!(advice_for(&without_rules, "last-light")["recommendation"], "ignored");
    assert_eq!(advice_for(&without_rules, "kitchen-pi")["recommendation"], "keep");
    let long_offline = advice(&store, &["--long-offline-after", "20d"]);
    assert_eq!(advice_for(&long_offline, "never-again")["reasons"][0]["rule"], "long_offline");
}

#[test]
fn table_has_a_row_for_each_peer() {
    let dir = tempfile::tempdir().unwrap();
    let store = month_store(dir.path());
    let output = ldk_fitness().args(["advise", &store]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("28 peers of 0200"), "{text}");
    for peer in advice(&store, &[]) {
        let id = peer["node_id"].as_str().unwrap();
        assert_eq!(text.matches(&format!("{}…{}", &id[..6], &id[62..])).count(), 1, "{id} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
}

#[test]
fn invalid_options_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let store = month_store(dir.path());
    ldk_fitness().args(["advise", &store, "--availability-threshold", "101%"]).assert().code(2);
    ldk_fitness().args(["advise", &store, "--observer", node_id("harbour")]).assert().code(2);
}
