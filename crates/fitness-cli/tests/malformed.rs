//! Whatever is no trace: the message names the file, the line and what was expected; exit code 2.

mod common;

use std::path::Path;

use common::{T0, channel, data, ldk_fitness, node, replay, stderr};

fn good() -> String {
    format!("{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{}\"}}\n", node('a'))
}

fn message_of(path: &Path) -> String {
    let output = ldk_fitness().arg("replay").arg(path).arg("--json").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "nothing but a document goes there");
    stderr(&output)
}

#[test]
fn lines_that_are_no_event() {
    let id = node('a');
    let cases = [
        ("not JSON", "expected a JSON object: expected"),
        ("42", "expected a JSON object: invalid type: integer `42`, expected a JSON object"),
        ("[]", "expected a JSON object: invalid type: sequence, expected a JSON object"),
        ("{\"at_ns\": 1", "expected a JSON object: EOF"),
        ("{\"at_ns\": 1} {}", "expected a JSON object: trailing characters at column 14"),
        ("{}", "expected field `at_ns`, which is missing"),
        ("{\"event\": \"watch\"}", "expected field `at_ns`, which is missing; found `event`"),
        ("{\"at_ns\": 1}", "expected field `event`, which is missing"),
        ("{\"at_ns\": \"1\", \"event\": \"watch\"}", "field `at_ns`: expected nanoseconds"),
        ("{\"at_ns\": -1, \"event\": \"watch\"}", "an integer from 0 to 18446744073709551615, found -1"),
        ("{\"at_ns\": 1.5, \"event\": \"watch\"}", "found 1.5"),
        ("{\"at_ns\": 18446744073709551616, \"event\": \"watch\"}", "field `at_ns`: expected nanoseconds"),
        ("{\"at_ns\": null, \"event\": \"watch\"}", "found null"),
        ("{\"at_ns\": 1, \"event\": 7}", "field `event`: invalid type: integer `7`, expected a string"),
        ("{\"at_ns\": 1, \"event\": \"peer_onlin\"}", "expected one of peer_online, peer_offline, "),
        ("{\"at_ns\": 1, \"event\": \"watch\"}", "expected field `node_id`, which is missing"),
        ("{\"at_ns\": 1, \"event\": \"watch\", \"node_di\": \"\"}", "is missing; found `node_di`"),
        (
            "{\"at_ns\": 1, \"event\": \"watch\", \"node_id\": 3}",
            "expected a node id of 66 hexadecimal digits",
        ),
        (
            "{\"at_ns\": 1, \"event\": \"watch\", \"node_id\": \"02ab\"}",
            "field `node_id`: a node id of 66 hexadecimal digits: expected 66 hexadecimal digits, found 4",
        ),
        (
            &format!("{{\"at_ns\": 1, \"event\": \"watch\", \"node_id\": \"{}\"}}", id.replacen('a', "x", 1)),
            "position 2 is no hexadecimal digit",
        ),
        (
            &format!("{{\"at_ns\": 1, \"event\": \"watch\", \"node_id\": \"{id}\", \"alias\": \"bob\"}}"),
            "unknown field `alias`, expected only `at_ns`, `event`, `node_id`",
        ),
        (
            &format!("{{\"at_ns\": 1, \"at_ns\": 2, \"event\": \"watch\", \"node_id\": \"{id}\"}}"),
            "field `at_ns` stands there twice",
        ),
        (
            &format!("{{\"at_ns\": 1, \"event\": \"channel_closed\", \"channel_id\": \"{id}\"}}"),
            "field `channel_id`: a channel id of 64 hexadecimal digits",
        ),
        (
            &format!(
                "{{\"at_ns\": 1, \"event\": \"funding_changed\", \"channel_id\": \"{}\", \"funding\": \"x\"}}",
                channel('1')
            ),
            "field `funding`: a funding outpoint `txid:vout`",
        ),
        (
            &format!(
                "{{\"at_ns\": 1, \"event\": \"channel_opened\", \"channel_id\": \"{}\", \"node_id\": \"{id}\", \
                 \"online\": \"yes\"}}",
                channel('1')
            ),
            "field `online`: invalid type: string \"yes\", expected a boolean",
        ),
        (
            &format!("{{\"at_ns\": 1, \"event\": \"channel_usable\", \"channel_id\": \"{}\"}}", channel('1')),
            "expected field `usable`, which is missing",
        ),
        ("{\"at_ns\": 1, \"event\": \"unobserved\"}", "expected field `since_ns`, which is missing"),
        (
            "{\"at_ns\": 1, \"event\": \"unobserved\", \"since_ns\": \"0\"}",
            "field `since_ns`: expected nanoseconds since 1970 as an integer",
        ),
        ("{\"at_ns\": 1, \"event\": \"clock_set\", \"to_ns\": -1}", "field `to_ns`: expected nanoseconds"),
        (
            "{\"at_ns\": 1, \"event\": \"snapshot\", \"channels\": {}, \"connected\": []}",
            "field `channels`: expected a list of objects",
        ),
        (
            "{\"at_ns\": 1, \"event\": \"snapshot\", \"channels\": [7], \"connected\": []}",
            "field `channels[0]`: expected an object",
        ),
        (
            "{\"at_ns\": 1, \"event\": \"snapshot\", \"channels\": [{\"node_id\": \"\"}], \"connected\": []}",
            "expected field `channels[0].channel_id`, which is missing",
        ),
        ("{\"at_ns\": 1, \"event\": \"snapshot\", \"channels\": []}", "expected field `connected`"),
        (
            "{\"at_ns\": 1, \"event\": \"snapshot\", \"channels\": [], \"connected\": [\"02\"]}",
            "field `connected`: a node id of 66 hexadecimal digits",
        ),
        (
            "{\"at_ns\": 1, \"event\": \"observation_paused\", \"node_id\": \"\"}",
            "unknown field `node_id`, expected only `at_ns`, `event`",
        ),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trace.jsonl");
    for (line, expected) in cases {
        // A blank line counts as a line; what follows the bad one does not matter.
        std::fs::write(&path, format!("{}\n{line}\n{}", good(), good())).expect("it can be written");
        let message = message_of(&path);
        let place = format!("error: {}, line 3: ", path.display());
        assert!(message.starts_with(&place), "{line}: {message}");
        assert!(message.contains(expected), "{line}: {message}");
        assert!(!message.contains("line 1 column"), "one line number is enough: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut trace = good().into_bytes();
    trace.extend(b"{\"at_ns\": \xff}\n");
    let output = replay(trace, &[]);
    assert_eq!(output.status.code(), Some(2));
    let expected =
        "error: standard input, line 2: expected UTF-8 text (or gzip), found byte 0xff at column 11\n";
    assert_eq!(stderr(&output), expected);

    let junk: Vec<u8> = (0..=255).rev().cycle().take(10_000).collect();
    let output = replay(junk, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: standard input, line 1: expected UTF-8 text"));
}

#[test]
fn gzip_that_is_cut_short_damaged_or_followed_by_junk() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trace.jsonl.gz");
    let whole = std::fs::read(data("small.jsonl.gz")).expect("it is committed");
    let cut = |length: usize| whole[..length].to_vec();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    for (name, bytes) in [
        ("half", cut(whole.len() / 2)),
        ("without its checksum", cut(whole.len() - 4)),
        ("the magic alone", cut(2)),
        ("damaged", damaged),
        ("with junk at its end", [&whole[..], b"junk"].concat()),
    ] {
        std::fs::write(&path, bytes).expect("it can be written");
        let message = message_of(&path);
        assert!(message.starts_with(&format!("error: {}, line ", path.display())), "{name}: {message}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing.jsonl");
    for path in [missing.as_path(), directory.path()] {
        let message = message_of(path);
        assert!(message.starts_with(&format!("error: cannot read {}: ", path.display())), "{message}");
    }
}

#[test]
fn a_line_after_the_question_is_still_checked() {
    let output = replay(good() + "{}\n", &["--at", "5"]);
    assert_eq!(output.status.code(), Some(2));
}
