//! The tokio service of ldk-fitness: records events, answers queries and keeps the store up to date.
//!
//! [`Service::builder`] starts a [`Service`]. Its [`Handle`]s record events and answer queries. [`Archive`]
//! answers the same queries from the stored history without a running service.
//!
//! `fitness-core` defines the events and reports, `fitness-store` the interface of a store. This crate
//! depends neither on LDK nor on a concrete database.
//!
//! ```
//! use std::sync::Arc;
//! use fitness_actor::Service;
//! use fitness_core::{ChannelId, ChannelOpened, Event, NodeId};
//! use fitness_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let our_node = NodeId([2; 33]);
//! let service = Service::builder(our_node, Arc::new(MemoryStore::default())).start().await?;
//!
//! let fitness = service.handle();
//! let (peer, channel) = (NodeId([3; 33]), ChannelId([9; 32]));
//! let opened = ChannelOpened { channel_id: channel, node_id: peer, funding: None, online: Some(true) };
//! fitness.record(Event::ChannelOpened(opened));
//! fitness.record(Event::PeerOffline { node_id: peer });
//!
//! let report = fitness.peer(&peer).expect("the peer has a channel");
//! assert_eq!(report.disconnects, 1);
//!
//! service.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! The tracker of `fitness-core` is protected by one mutex that is only held briefly. [`Handle::record`]
//! stamps an event and applies it under the lock, and queries are answered under the same lock. No event is
//! dropped, no caller waits for I/O, and a query sees every event recorded before it.
//!
//! A task on the tokio runtime does the rest. It stores changes about a second after the first one
//! ([`ServiceBuilder::commit_delay`]), and writes a heartbeat while the service is idle
//! ([`ServiceBuilder::heartbeat_interval`]). It does not hold the lock while it waits for the store.
//!
//! A heartbeat states that the service observed until a given time. It is written in the same batch as the
//! changes before that time, or in a later one. After a crash, a peer is therefore credited with uptime until
//! the last heartbeat at most, and with nothing that was not stored.
//!
//! A failed or timed-out commit loses nothing. Its changes are requeued and stored by a later commit, in the
//! state that they have by then. This relies on a guarantee of the store interface: a commit whose future was
//! dropped never takes effect after a commit that started later.

mod alerts;
mod archive;
mod builder;
mod clock;
mod commit;
mod commit_durations;
mod error;
mod handle;
mod health;
mod history;
mod load;
mod maintenance;
mod service;
mod shared;
mod shutdown_signal;
mod subscription;
mod task;

pub use alerts::AlertStream;
pub use archive::Archive;
pub use builder::ServiceBuilder;
pub use clock::{Clock, SystemClock, TokioClock};
pub use commit_durations::CommitDurations;
pub use error::{FlushError, ShutdownError, StartError};
pub use handle::{FlapInfo, Handle};
pub use health::{Health, InFlightCommit, StoreFailure, StoreHealth, WallClockHealth, WallClockStep};
pub use service::Service;
pub use subscription::{ChangesLagged, Subscription};
