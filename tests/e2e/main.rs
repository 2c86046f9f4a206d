//! The whole street, from LDK nodes on real TCP to answers and a file: redb's, or the node's own.
//!
//! Each test has a chain, nodes and a file of its own. Between two nodes stands a proxy that takes
//! the connection away. No test sleeps: they wait until something is so, and time is only ever
//! compared with the moments between which a thing must have happened.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod closing;
mod connection;
mod opening;
mod raw;
mod restart;
mod shared;
mod splice;
mod sqlite;
mod support;
