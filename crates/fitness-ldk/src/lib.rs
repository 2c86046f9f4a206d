//! Adapters from LDK and ldk-node to ldk-fitness.
//!
//! They turn what a Lightning node does into the events of `fitness-core`, and hand those to the
//! service of `fitness-actor`; there is no logic of fitness here, and no storage.
//!
//! - A wallet on LDK itself uses [`LdkFitness`]: LDK calls it when a peer connects or disconnects.
//! - A wallet on ldk-node uses `NodeMonitor` (feature `ldk-node`), which asks the node, as
//!   ldk-node tells nobody of connections.
//!
//! What LDK may call calls back into nothing, waits for nothing and does no I/O.

pub mod convert;
mod events;
mod gate;
mod log;
#[cfg(feature = "ldk-node")]
mod node;
mod observer;
mod peers;
mod seed;

#[cfg(feature = "ldk-node")]
pub use node::{ConnectionHint, NodeMonitor, NodeMonitorBuilder};
pub use observer::LdkFitness;
pub use peers::ConnectionRecorder;
pub use seed::snapshot;
