//! A wallet in a process of its own, and what is done to it: killed at any moment, and stopped for a while.
//!
//! The process is this very binary once more, see `wallet`. Its peers live here, behind proxies that are cut
//! and restored, so the tests know what happened. They have a binary to themselves because what they do
//! takes time, and the other tests would take it from them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod account;
mod child;
mod killed;
#[allow(dead_code, reason = "the other tests need more of a peer")]
#[path = "../support/peer.rs"]
mod peer;
mod rig;
mod stopped;
mod truth;
mod wallet;
