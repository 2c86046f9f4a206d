//! What is not as it should be is named, and leaves no trace.

use serde_json::{Value, json};

use crate::common::{ldk_fitness, stderr};
use crate::support::{ACME, AT_TEXT, Place, channels_file, peer_channel, peers_file};

fn peer_of(flap_count: &Value, last_flap_ns: &Value) -> String {
    json!({ "peers": [{ "pub_key": ACME, "flap_count": flap_count, "last_flap_ns": last_flap_ns }] })
        .to_string()
}

/// What is wrong with a file, and how the message goes on after the file's name.
fn bad_files() -> Vec<(String, &'static str)> {
    let channels = std::fs::read_to_string(channels_file()).expect("a file");
    let channel = |lifetime, uptime| peer_channel(ACME, 7, &[(lifetime, uptime)]);
    let without = |field: &str| channel("100", "50").replace(field, "other");
    vec![
        (String::new(), " is empty; expected what `lncli listpeers` or"),
        (channels[..channels.len() / 2].to_owned(), " is not what lncli prints: EOF while parsing"),
        (channels.clone() + "x", " is not what lncli prints: expected value at line"),
        ("[lncli] rpc error".to_owned(), " is not what lncli prints: expected value"),
        ("[]".to_owned(), " has no list of `peers` or `channels` at its top (it is []); expected"),
        ("{}".to_owned(), " at its top (it is an empty object); expected"),
        (r#"{"nodes": [], "edges": []}"#.to_owned(), " at its top (it has `edges`, `nodes`); expected"),
        (r#"{"peers": 7}"#.to_owned(), " has no list of `peers`"),
        (r#"{"peers": [7]}"#.to_owned(), ", peers[0]: expected an object as `lncli listpeers` prints it"),
        (
            r#"{"channels": [null]}"#.to_owned(),
            ", channels[0]: expected an object as `lncli listchannels` prints it",
        ),
        // `lncli closedchannels` has no such numbers.
        (
            without("lifetime"),
            ", channels[0] (070707070707…07:0): it has no `lifetime`; expected what `lncli listchannels` prints",
        ),
        (without("uptime"), ": it has no `uptime`;"),
        (without("remote_pubkey"), ": it has no `remote_pubkey`;"),
        (without("channel_point"), ", channels[0]: it has no `channel_point`;"),
        (
            channel("-5", "0"),
            ": `lifetime` is \"-5\"; expected a whole number of seconds from 0 to 18446744073",
        ),
        (channel("100", "-5"), ": `uptime` is \"-5\"; expected"),
        (channel("1e3", "5"), ": `lifetime` is \"1e3\"; expected"),
        (channel("", "5"), ": `lifetime` is \"\"; expected"),
        (channel("18446744074", "5"), ": `lifetime` is \"18446744074\"; expected"),
        (channel(&"9".repeat(400), "5"), "99999999…; expected a whole number of seconds"),
        (
            channel("1772366401", "5"),
            ": `lifetime` is 1772366401 s, which began before 1970, counted from 2026-03-01T12:00:00Z;",
        ),
        (
            peer_channel("02ab", 7, &[("1", "1")]),
            ": `remote_pubkey`: expected 66 hexadecimal digits, found 4 characters",
        ),
        (channel("1", "1").replace("07:0", "0"), ": `channel_point`: expected `txid:vout`"),
        (
            channel("1", "1").replace(":0\"", ":65536\""),
            ": `channel_point` is output 65536; that of a channel is 65535 at most",
        ),
        (channel("1", "1") + &channel("1", "0"), ": it was told before, with other numbers;"),
        (
            peer_of(&json!(-1), &json!("0")),
            ", peers[0] (026cec09ccba…664c): `flap_count` is -1; expected a whole number of flaps from 0 to 4294967295",
        ),
        (peer_of(&json!(4_294_967_296_u64), &json!("0")), ": `flap_count` is 4294967296; expected"),
        (peer_of(&json!(1.5), &json!("0")), ": `flap_count` is 1.5; expected"),
        (peer_of(&json!(null), &json!("0")), ": `flap_count` is null; expected"),
        (
            peer_of(&json!(1), &json!("-1")),
            ": `last_flap_ns` is \"-1\"; expected a whole number of nanoseconds",
        ),
        (
            peer_of(&json!(1), &json!("18446744073709551616")),
            ": `last_flap_ns` is \"18446744073709551616\"; expected",
        ),
        (
            peer_of(&json!(1), &json!("1772366400000000001")),
            ": `last_flap_ns` is 2026-03-01T12:00:00.000000001Z, which is after 2026-03-01T12:00:00Z; say by --at",
        ),
        (
            peer_of(&json!(1), &json!("5")) + &peer_of(&json!(2), &json!("5")),
            ": it was told before, with other numbers;",
        ),
        (
            r#"{"peers": [{"id": "02"}]}"#.to_owned(),
            ": it has no `pub_key`; expected what `lncli listpeers` prints",
        ),
    ]
}

#[test]
fn a_bad_file_is_named_and_leaves_no_trace() {
    let (new, old) = (Place::new(), Place::new());
    old.import_json(&[&peers_file()]);
    let before = std::fs::read(&old.store).expect("a file");
    for (content, message) in bad_files() {
        for place in [&new, &old] {
            let bad = place.file("bad.json", &content);
            let output = place.import(&[&channels_file(), &bad], &[]);
            assert_eq!(output.status.code(), Some(2), "{content}");
            let (said, file) = (stderr(&output), bad.display().to_string());
            let rest = said.strip_prefix("error: ").and_then(|said| said.strip_prefix(&file));
            let rest = rest.unwrap_or_else(|| panic!("{said} does not name the file"));
            assert!(rest.contains(message), "{said} is not about {message}");
            assert!(output.stdout.is_empty());
        }
        assert!(!new.store.exists(), "{content}");
    }
    assert!(std::fs::read(&old.store).expect("a file") == before);
}

#[test]
fn other_mistakes_leave_no_trace() {
    let place = Place::new();
    let missing = place.directory.path().join("missing.json");
    for (at, file, message) in [
        (AT_TEXT, missing.as_path(), "cannot read"),
        (AT_TEXT, place.directory.path(), "cannot read"),
        ("2500-01-01T00:00:00Z", &peers_file(), "--at 2500-01-01T00:00:00Z has not come: it is 20"),
        ("noon", &peers_file(), "invalid value 'noon' for '--at <TIME>'"),
    ] {
        let output = place.import_at(at, &[file], &[]);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert!(!place.store.exists());
    }
    for args in [&["import"][..], &["import", "lnd"], &["import", "lnd", "x.json", "--store", "y.redb"]] {
        assert_eq!(ldk_fitness().args(args).output().expect("it runs").status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn where_lnd_has_counted_nothing_there_is_nothing_to_take_over() {
    let place = Place::new();
    let file = place.file("lists.json", "{\"peers\": []}{\"channels\": []}");
    let told = place.import_json(&[&file]);
    assert_eq!((&told["imported"], &told["uncounted"]), (&json!([]), &json!([])));
    assert!(!place.store.exists());
}
