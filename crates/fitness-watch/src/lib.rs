//! Watches any Lightning nodes from outside, with no channels and no wallet.
//!
//! A [`Watcher`] dials the nodes it is given, of any implementation, goes through the real handshake
//! of BOLT 8 and the exchange of `init` with each, and stays connected: LDK's `PeerManager` does the talking.
//! A node that is lost is dialled again, with back-off and jitter. Presence goes to a service of
//! `fitness-actor`, which has the history and answers all questions of fitness; what an attempt to
//! connect came to, and how long it took, is the watcher's own to tell ([`Watcher::targets`],
//! [`Watcher::events`]).
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
//!     0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@[::1]:9735       # once more
//! ";
//! let identity = Identity::from_seed(&[42; 32])?;
//! let service = Service::builder(identity.node_id(), Arc::new(MemoryStore::default())).start().await?;
//! let builder = Watcher::builder(service.handle()).targets(Target::parse_list(lsps)?).identity(identity);
//! let mut news = builder.news();
//! let watcher = builder.start()?;
//!
//! if let Some(news) = news.next().await {
//!     println!("{news:?}");
//! }
//!
//! watcher.stop().await;
//! service.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What counts
//!
//! A node is online while it is connected, from its `init` on. It is offline when that connection is lost.
//! One that is dialled in vain is offline if nobody is at its port, or another node is. Anything else may
//! be our own network's fault (no answer, a hotel's portal that answers for everybody), and counts only
//! while another node is connected and heard of: so watch two at least. A name that does not resolve, a
//! proxy that does not work, a node on another network and one that turns us away say nothing either way:
//! see [`Outcome`].
//!
//! An absence lasts, for us, until the next dial; [`Backoff`] says how far that is off.
//!
//! # What it costs the nodes
//!
//! A connection, and a ping now and then. Some nodes drop peers without a channel when they have many.
//! We ask for no gossip; what is sent unasked is dropped.

mod address;
mod attempt;
mod chain;
mod compare;
mod dial;
mod error;
mod follow;
mod identity;
mod ldk;
mod link;
#[cfg(feature = "serde")]
mod nanos;
mod news;
mod outcome;
mod pace;
mod report;
mod target;
mod watcher;
mod witness;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use chain::Chain;
pub use compare::{Candidate, RankedCandidate, rank};
pub use dial::{Proxy, Timeouts};
pub use error::StartError;
pub use identity::Identity;
/// The networks, by their names.
pub use lightning::bitcoin::Network;
pub use news::{WatchEvent, WatchEvents, WatchLagged};
pub use outcome::{ConnectPhase, ConnectTimings, Outcome, OutcomeKind};
pub use pace::Backoff;
pub use report::{Attempt, DisconnectReason, TargetReport, TargetState};
pub use target::{Target, TargetError, TargetListError};
pub use watcher::{Watcher, WatcherBuilder};
