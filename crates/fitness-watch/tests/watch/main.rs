//! Runs the watcher against LDK nodes and against servers that are not the expected node.

#![allow(clippy::unwrap_used, reason = "a panic fails the test, as intended")]

mod connections;
mod dials;
mod failures;
mod pauses;
mod socks;
mod starts;
mod support;
