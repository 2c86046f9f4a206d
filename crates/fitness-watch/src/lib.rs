//! Watches Lightning nodes from outside, without channels or a wallet.
//!
//! A [`Watcher`] dials nodes of any implementation, completes the BOLT 8 handshake and exchanges `init`
//! messages through LDK's `PeerManager`, and stays connected. It dials a disconnected node again, with
//! exponential backoff and jitter. It records presence in a `fitness-actor` service, which stores the history
//! and answers queries. The watcher itself reports the outcome and duration of connection attempts
//! ([`Watcher::targets`], [`Watcher::events`]).
//!
//! ```
//! use std::sync::Arc;
//! use fitness_actor::Service;
//! use fitness_store::MemoryStore;
//! use fitness_watch::{Identity, Target, Watcher};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lsps = "
//!     0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@127.0.0.1:9735   # the LSP
//!     0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@[::1]:9735       # second address
//! ";
//! let identity = Identity::from_seed(&[42; 32])?;
//! let service = Service::builder(identity.node_id(), Arc::new(MemoryStore::default())).start().await?;
//! let builder = Watcher::builder(service.handle()).targets(Target::parse_list(lsps)?).identity(identity);
//! let mut events = builder.events();
//! let watcher = builder.start()?;
//!
//! if let Some(event) = events.next().await {
//!     println!("{event:?}");
//! }
//!
//! watcher.stop().await;
//! service.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # When a node counts as online or offline
//!
//! - A node is online from its `init` until its connection ends; then it is offline.
//! - After a failed dial it is offline if the connection was refused or another node uses the address.
//! - After any other failure, such as a timeout or a reply from a captive portal, our own network may be at
//!   fault. The node is offline only if another watched node is connected and has sent data recently, so
//!   watch at least two nodes.
//! - The node's presence does not change if the host name does not resolve, the proxy fails, the node is on
//!   another network or it rejects our connection. See [`Outcome`].
//!
//! The end of an outage is noticed at the next dial; [`Backoff`] determines when that is.
//!
//! # Load on the watched nodes
//!
//! Each node has one connection and receives a ping per interval. Some nodes disconnect peers without a
//! channel when they have many connections. The watcher requests no gossip, and discards gossip that it
//! receives.

mod address;
mod backoff;
mod chain;
mod connection;
mod connectivity;
mod connector;
mod dial;
mod error;
mod events;
mod identity;
mod ldk;
#[cfg(feature = "serde")]
mod nanos;
mod outcome;
mod ranking;
mod report;
mod target;
mod target_task;
mod watcher;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use backoff::Backoff;
pub use chain::Chain;
pub use dial::{Proxy, Timeouts};
pub use error::StartError;
pub use events::{WatchEvent, WatchEvents, WatchLagged};
pub use identity::Identity;
/// The Bitcoin networks.
pub use lightning::bitcoin::Network;
pub use outcome::{ConnectPhase, ConnectTimings, Outcome, OutcomeKind};
pub use ranking::{Candidate, RankedCandidate, rank};
pub use report::{Attempt, DisconnectReason, TargetReport, TargetState};
pub use target::{Target, TargetError, TargetListError};
pub use watcher::{Watcher, WatcherBuilder};
