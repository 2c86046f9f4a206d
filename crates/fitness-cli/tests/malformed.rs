//! `replay` rejects invalid traces with exit code 2 and a message with the file, the line and the problem.

mod common;

use std::path::Path;

use common::{T0, channel, data, ldk_fitness, node, replay, stderr};

fn valid_line() -> String {
    format!("{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{}\"}}\n", node('a'))
}

fn replay_error(path: &Path) -> String {
    let output = ldk_fitness().arg("replay").arg(path).arg("--json").output().expect("program runs");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    stderr(&output)
}

/// Invalid lines, and the parts of the message that identify the field, the value or the position.
fn invalid_lines() -> Vec<(String, &'static [&'static str])> {
    let (id, channel_id) = (node('a'), channel('1'));
    let owned = |(line, parts): (&str, &'static [&'static str])| (line.to_owned(), parts);
    let mut lines: Vec<_> = [
        ("not JSON", &["JSON object"][..]),
        ("42", &["JSON object", "`42`"]),
        ("[]", &["JSON object", "sequence"]),
        (r#"{"at_ns": 1"#, &["JSON object", "EOF"]),
        (r#"{"at_ns": 1} {}"#, &["JSON object", "column 14"]),
        ("{}", &["missing", "`at_ns`"]),
        (r#"{"event": "watch"}"#, &["missing", "`at_ns`", "`event`"]),
        (r#"{"at_ns": 1}"#, &["missing", "`event`"]),
        (r#"{"at_ns": "1", "event": "watch"}"#, &["`at_ns`", "nanoseconds"]),
        (r#"{"at_ns": -1, "event": "watch"}"#, &["`at_ns`", "18446744073709551615", "-1"]),
        (r#"{"at_ns": 1.5, "event": "watch"}"#, &["`at_ns`", "1.5"]),
        (r#"{"at_ns": 18446744073709551616, "event": "watch"}"#, &["`at_ns`", "nanoseconds"]),
        (r#"{"at_ns": null, "event": "watch"}"#, &["`at_ns`", "null"]),
        (r#"{"at_ns": 1, "event": 7}"#, &["`event`", "`7`", "string"]),
        (
            r#"{"at_ns": 1, "event": "peer_onlin"}"#,
            &["`event`", "peer_online, peer_offline, ", "`peer_onlin`"],
        ),
        (r#"{"at_ns": 1, "event": "watch"}"#, &["missing", "`node_id`"]),
        (r#"{"at_ns": 1, "event": "watch", "node_di": ""}"#, &["missing", "`node_id`", "`node_di`"]),
        (r#"{"at_ns": 1, "event": "watch", "node_id": 3}"#, &["`node_id`", "66"]),
        (r#"{"at_ns": 1, "event": "watch", "node_id": "02ab"}"#, &["`node_id`", "66", "4"]),
        (r#"{"at_ns": 1, "event": "unobserved"}"#, &["missing", "`since_ns`"]),
        (r#"{"at_ns": 1, "event": "unobserved", "since_ns": "0"}"#, &["`since_ns`", "nanoseconds"]),
        (r#"{"at_ns": 1, "event": "clock_set", "to_ns": -1}"#, &["`to_ns`", "nanoseconds"]),
        (r#"{"at_ns": 1, "event": "snapshot", "channels": {}, "connected": []}"#, &["`channels`", "list"]),
        (
            r#"{"at_ns": 1, "event": "snapshot", "channels": [7], "connected": []}"#,
            &["`channels[0]`", "object"],
        ),
        (
            r#"{"at_ns": 1, "event": "snapshot", "channels": [{"node_id": ""}], "connected": []}"#,
            &["missing", "`channels[0].channel_id`"],
        ),
        (r#"{"at_ns": 1, "event": "snapshot", "channels": []}"#, &["missing", "`connected`"]),
        (r#"{"at_ns": 1, "event": "snapshot", "channels": [], "connected": ["02"]}"#, &["`connected`", "66"]),
        (
            r#"{"at_ns": 1, "event": "observation_paused", "node_id": ""}"#,
            &["unknown", "`node_id`", "`at_ns`, `event`"],
        ),
    ]
    .into_iter()
    .map(owned)
    .collect();
    lines.extend([
        (
            format!(r#"{{"at_ns": 1, "event": "watch", "node_id": "{}"}}"#, id.replacen('a', "x", 1)),
            &["`node_id`", "position 2"][..],
        ),
        (
            format!(r#"{{"at_ns": 1, "event": "watch", "node_id": "{id}", "alias": "bob"}}"#),
            &["unknown", "`alias`", "`at_ns`, `event`, `node_id`"],
        ),
        (
            format!(r#"{{"at_ns": 1, "at_ns": 2, "event": "watch", "node_id": "{id}"}}"#),
            &["duplicate", "`at_ns`"],
        ),
        (
            format!(r#"{{"at_ns": 1, "event": "channel_closed", "channel_id": "{id}"}}"#),
            &["`channel_id`", "64"],
        ),
        (
            format!(
                r#"{{"at_ns": 1, "event": "funding_changed", "channel_id": "{channel_id}", "funding": "x"}}"#
            ),
            &["`funding`", "`txid:vout`"],
        ),
        (
            format!(
                r#"{{"at_ns": 1, "event": "channel_opened", "channel_id": "{channel_id}", "node_id": "{id}", "online": "yes"}}"#
            ),
            &["`online`", "\"yes\"", "boolean"],
        ),
        (
            format!(r#"{{"at_ns": 1, "event": "channel_usable", "channel_id": "{channel_id}"}}"#),
            &["missing", "`usable`"],
        ),
    ]);
    lines
}

#[test]
fn invalid_line_is_reported_with_its_number_and_field() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("trace.jsonl");
    for (line, parts) in invalid_lines() {
        // The blank second line is counted. Lines after the invalid one are not read.
        std::fs::write(&path, format!("{}\n{line}\n{}", valid_line(), valid_line()))
            .expect("file is written");
        let message = replay_error(&path);
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
        let rest = message.strip_prefix(&format!("error: {}, line 3: ", path.display()));
        let rest = rest.unwrap_or_else(|| panic!("{line}: {message}"));
        for part in parts {
            assert!(rest.contains(part), "{line}: {part:?} is missing in {message}");
        }
        assert!(!rest.contains("line 1"), "the message has two line numbers: {message}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_rejected() {
    let mut trace = valid_line().into_bytes();
    trace.extend(b"{\"at_ns\": \xff}\n");
    let output = replay(trace, &[]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    for part in ["standard input, line 2: ", "0xff", "column 11"] {
        assert!(message.contains(part), "{message}");
    }

    let binary: Vec<u8> = (0..=255).rev().cycle().take(10_000).collect();
    let output = replay(binary, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: standard input, line 1: "), "{}", stderr(&output));
}

#[test]
fn damaged_gzip_data_is_rejected() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("trace.jsonl.gz");
    let whole = std::fs::read(data("small.jsonl.gz")).expect("readable file");
    let truncated = |length: usize| whole[..length].to_vec();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    for (name, bytes) in [
        ("first half", truncated(whole.len() / 2)),
        ("without checksum", truncated(whole.len() - 4)),
        ("magic bytes only", truncated(2)),
        ("damaged", damaged),
        ("trailing garbage", [&whole[..], b"junk"].concat()),
    ] {
        std::fs::write(&path, bytes).expect("file is written");
        let message = replay_error(&path);
        assert!(message.starts_with(&format!("error: {}, line ", path.display())), "{name}: {message}");
    }
}

#[test]
fn unreadable_file_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let missing = directory.path().join("missing.jsonl");
    for path in [missing.as_path(), directory.path()] {
        let message = replay_error(path);
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains("os error"), "the message has no cause: {message}");
    }
}

#[test]
fn lines_after_the_evaluation_time_are_checked() {
    let output = replay(valid_line() + "{}\n", &["--at", "5"]);
    assert_eq!(output.status.code(), Some(2));
}
