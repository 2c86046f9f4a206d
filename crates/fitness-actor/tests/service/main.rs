//! The service, by its public face.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers, too")]

mod alerts;
mod clocks;
mod disks;
mod failing_disk;
mod faults;
mod heartbeat;
mod history;
mod questions;
mod recording;
mod rest;
mod restart;
mod schedule;
mod shutdown;
mod subscription;
mod support;
mod upkeep;
