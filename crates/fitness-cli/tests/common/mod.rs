//! What the tests of the program share: how to run it, and ids and traces to feed it.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

pub(crate) const T0: u64 = 1_767_225_600_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;

/// The program, in an environment that says nothing.
pub(crate) fn ldk_fitness() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("ldk-fitness");
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "LDK_FITNESS_STORE"] {
        command.env_remove(name);
    }
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command
}

/// A committed file.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are text")
}

/// Runs `replay -` over `trace` with more arguments.
pub(crate) fn replay(trace: impl Into<Vec<u8>>, args: &[&str]) -> Output {
    ldk_fitness().args(["replay", "-"]).args(args).write_stdin(trace).output().expect("it runs")
}

/// The JSON of `replay - --json`, with nothing on standard error.
pub(crate) fn replay_json(trace: impl Into<Vec<u8>>, args: &[&str]) -> Value {
    let output = replay(trace, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// A node id that ends in `digit`s.
pub(crate) fn node(digit: char) -> String {
    format!("02{}", digit.to_string().repeat(64))
}

/// A channel id of `digit`s.
pub(crate) fn channel(digit: char) -> String {
    digit.to_string().repeat(64)
}
