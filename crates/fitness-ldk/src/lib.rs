//! Connects LDK and ldk-node to ldk-fitness.
//!
//! This crate translates what a Lightning node does into the events of `fitness-core` and records
//! them in the service of `fitness-actor`. It computes no statistics and stores nothing.
//!
//! - Wallets built on LDK itself use [`LdkFitness`]: LDK calls it when a peer connects or
//!   disconnects.
//! - Wallets built on ldk-node use `NodeMonitor` (feature `ldk-node`). ldk-node has no callback for
//!   connections, so the monitor polls the node.
//!
//! Functions that LDK calls never call LDK back, never wait and do no I/O.

mod connections;
pub mod convert;
mod events;
mod ldk_fitness;
mod ldk_log;
#[cfg(feature = "ldk-node")]
mod node;
mod sequence;
mod snapshot;

pub use connections::ConnectionRecorder;
pub use ldk_fitness::LdkFitness;
#[cfg(feature = "ldk-node")]
pub use node::{ConnectionHint, NodeMonitor, NodeMonitorBuilder};
pub use snapshot::snapshot;
