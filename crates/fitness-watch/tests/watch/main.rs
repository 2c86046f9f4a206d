//! The watcher against real LDK nodes, and against everything else that may listen at an address.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod connections;
mod dials;
mod failures;
mod pauses;
mod socks;
mod starts;
mod support;
