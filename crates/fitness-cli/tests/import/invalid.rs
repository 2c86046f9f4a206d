//! Invalid input is rejected with its file, entry and field, and nothing is imported.

use serde_json::{Value, json};

use crate::common::{ldk_fitness, stderr};
use crate::support::{ACME, AT_TEXT, TestStore, channels_file, channels_json, peers_file};

fn peers_json(flap_count: &Value, last_flap_ns: &Value) -> String {
    json!({ "peers": [{ "pub_key": ACME, "flap_count": flap_count, "last_flap_ns": last_flap_ns }] })
        .to_string()
}

/// Invalid files, and the parts of the message that identify the entry, the field and the value.
fn invalid_files() -> Vec<(String, &'static [&'static str])> {
    let channels = std::fs::read_to_string(channels_file()).expect("readable file");
    let channel = |lifetime, uptime| channels_json(ACME, 7, &[(lifetime, uptime)]);
    let without = |field: &str| channel("100", "50").replace(field, "other");
    vec![
        (String::new(), &["empty", "`lncli listpeers`"]),
        (channels[..channels.len() / 2].to_owned(), &["EOF"]),
        (channels.clone() + "x", &["expected value"]),
        ("[lncli] rpc error".to_owned(), &["expected value"]),
        ("[]".to_owned(), &["`peers`", "`channels`", "[]"]),
        ("{}".to_owned(), &["`peers`", "`channels`", "empty object"]),
        (r#"{"nodes": [], "edges": []}"#.to_owned(), &["`peers`", "`channels`", "`edges`, `nodes`"]),
        (r#"{"peers": 7}"#.to_owned(), &["`peers`", "`channels`"]),
        (r#"{"peers": [7]}"#.to_owned(), &["peers[0]", "`lncli listpeers`"]),
        (r#"{"channels": [null]}"#.to_owned(), &["channels[0]", "`lncli listchannels`"]),
        // `lncli closedchannels` does not print lifetimes.
        (without("lifetime"), &["channels[0] (070707070707…07:0)", "`lifetime`", "`lncli listchannels`"]),
        (without("uptime"), &["missing", "`uptime`"]),
        (without("remote_pubkey"), &["missing", "`remote_pubkey`"]),
        (without("channel_point"), &["channels[0]", "missing", "`channel_point`"]),
        (channel("-5", "0"), &["`lifetime`", "\"-5\"", "18446744073"]),
        (channel("100", "-5"), &["`uptime`", "\"-5\""]),
        (channel("1e3", "5"), &["`lifetime`", "\"1e3\""]),
        (channel("", "5"), &["`lifetime`", "\"\""]),
        (channel("18446744074", "5"), &["`lifetime`", "\"18446744074\""]),
        (channel(&"9".repeat(400), "5"), &["`lifetime`", "99999999…", "seconds"]),
        (channel("1772366401", "5"), &["`lifetime`", "1772366401", "2026-03-01T12:00:00Z"]),
        (channels_json("02ab", 7, &[("1", "1")]), &["`remote_pubkey`", "66", "4"]),
        (channel("1", "1").replace("07:0", "0"), &["`channel_point`", "`txid:vout`"]),
        (channel("1", "1").replace(":0\"", ":65536\""), &["`channel_point`", "65536", "65535"]),
        (channel("1", "1") + &channel("1", "0"), &["channels[0]", "duplicate"]),
        (
            peers_json(&json!(-1), &json!("0")),
            &["peers[0] (026cec09ccba…664c)", "`flap_count`", "-1", "4294967295"],
        ),
        (peers_json(&json!(4_294_967_296_u64), &json!("0")), &["`flap_count`", "4294967296"]),
        (peers_json(&json!(1.5), &json!("0")), &["`flap_count`", "1.5"]),
        (peers_json(&json!(null), &json!("0")), &["`flap_count`", "null"]),
        (peers_json(&json!(1), &json!("-1")), &["`last_flap_ns`", "\"-1\"", "nanoseconds"]),
        (
            peers_json(&json!(1), &json!("18446744073709551616")),
            &["`last_flap_ns`", "\"18446744073709551616\""],
        ),
        (
            peers_json(&json!(1), &json!("1772366400000000001")),
            &["`last_flap_ns`", "2026-03-01T12:00:00.000000001Z", "2026-03-01T12:00:00Z", "--at"],
        ),
        (
            peers_json(&json!(1), &json!("5")) + &peers_json(&json!(2), &json!("5")),
            &["peers[0]", "duplicate"],
        ),
        (r#"{"peers": [{"id": "02"}]}"#.to_owned(), &["missing", "`pub_key`", "`lncli listpeers`"]),
    ]
}

#[test]
fn invalid_file_is_named_and_nothing_is_imported() {
    let (new, existing) = (TestStore::new(), TestStore::new());
    existing.import_json(&[&peers_file()]);
    let before = std::fs::read(&existing.path).expect("readable file");
    for (content, parts) in invalid_files() {
        for test_store in [&new, &existing] {
            let file = test_store.write_file("bad.json", &content);
            let output = test_store.import(&[&channels_file(), &file], &[]);
            assert_eq!(output.status.code(), Some(2), "{content}");
            let message = stderr(&output);
            assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
            assert!(message.contains(&file.display().to_string()), "{message}");
            for part in parts {
                assert!(message.contains(part), "{part:?} is missing in {message}");
            }
            assert!(output.stdout.is_empty());
        }
        assert!(!new.path.exists(), "{content}");
    }
    assert!(std::fs::read(&existing.path).expect("readable file") == before);
}

#[test]
fn other_errors_import_nothing() {
    let test_store = TestStore::new();
    let directory = test_store.directory.path();
    let missing = directory.join("missing.json");
    for (at, file, part) in [
        (AT_TEXT, missing.as_path(), "missing.json"),
        (AT_TEXT, directory, directory.to_str().expect("UTF-8 path")),
        ("2500-01-01T00:00:00Z", &peers_file(), "--at 2500-01-01T00:00:00Z"),
        ("noon", &peers_file(), "'--at <TIME>'"),
    ] {
        let output = test_store.import_at(at, &[file], &[]);
        assert_eq!(output.status.code(), Some(2), "{part}");
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
        assert!(!test_store.path.exists());
    }
    for args in [&["import"][..], &["import", "lnd"], &["import", "lnd", "x.json", "--store", "y.redb"]] {
        let output = ldk_fitness().args(args).output().expect("program runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn import_of_empty_lists_creates_no_store() {
    let test_store = TestStore::new();
    let file = test_store.write_file("lists.json", "{\"peers\": []}{\"channels\": []}");
    let summary = test_store.import_json(&[&file]);
    assert_eq!((&summary["imported"], &summary["without_data"]), (&json!([]), &json!([])));
    assert!(!test_store.path.exists());
}
