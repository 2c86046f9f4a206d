//! Tests of the service through its public interface.
#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod alerts;
mod archive;
mod clocks;
mod disk_faults;
mod faulty_disk;
mod heartbeat;
mod history;
mod maintenance;
mod queries;
mod recording;
mod restart;
mod schedule;
mod shutdown;
mod store_faults;
mod subscription;
mod support;
