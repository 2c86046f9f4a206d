//! End-to-end tests: from LDK nodes over TCP to reports and a file, redb's or the node's own.
//!
//! Each test has its own chain, nodes and file. A proxy between two nodes interrupts their connection. No
//! test sleeps: tests wait for conditions, and compare times only with the bounds between which something
//! must have happened.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod closing;
mod connection;
mod opening;
mod raw_ldk;
mod restart;
mod shared_store;
mod splice;
mod sqlite_conformance;
mod support;
