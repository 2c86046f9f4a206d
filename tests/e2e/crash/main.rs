//! A wallet in a process of its own, which the tests kill at any moment or suspend for a while.
//!
//! The process runs this binary again, see `wallet_main`. Its peers run in the test, behind proxies that are
//! cut and restored, so the tests know what really happened. These tests have a binary of their own because
//! they take long and would slow down the others.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod expected;
mod ground_truth;
mod killed;
#[allow(dead_code, reason = "the other tests use the remaining methods")]
#[path = "../support/peer.rs"]
mod peer;
mod setup;
mod suspended;
mod wallet_main;
mod wallet_process;
