//! The tokio service of ldk-fitness: records events, answers questions, keeps the store in step.
//!
//! [`Service::builder`] starts a [`Service`]; its [`Handle`]s take events and answer questions.
//! What events mean is `fitness-core`'s business, what a store is `fitness-store`'s; of Lightning
//! nodes and of any concrete database this crate knows nothing.
//!
//! ```
//! use std::sync::Arc;
//! use fitness_actor::Service;
//! use fitness_core::{ChannelId, ChannelOpened, Event, NodeId};
//! use fitness_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ourselves = NodeId([2; 33]);
//! let service = Service::builder(ourselves, Arc::new(MemoryStore::default())).start().await?;
//!
//! let fitness = service.handle();
//! let (peer, channel) = (NodeId([3; 33]), ChannelId([9; 32]));
//! let opened = ChannelOpened { channel_id: channel, node_id: peer, funding: None, online: Some(true) };
//! fitness.record(Event::ChannelOpened(opened));
//! fitness.record(Event::PeerOffline { node_id: peer });
//!
//! let report = fitness.peer(&peer).expect("it has a channel");
//! assert_eq!(report.disconnects, 1);
//!
//! service.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! The tracker of `fitness-core` stands behind one short lock, as the connection does in quinn's
//! driver. [`Handle::record`] stamps an event and applies it with the lock held, and questions are
//! answered with it held: so an event is never dropped, its caller never waits for I/O, and every
//! question sees it. A task drives the rest: it stores changes about a second after the first
//! ([`ServiceBuilder::commit_delay`]), and notes down now and then that it still observes
//! ([`ServiceBuilder::heartbeat_interval`]). The lock is not held while it waits for the store.
//!
//! Each heartbeat is written in one batch with, or after, everything that happened before it, so
//! what a crash leaves behind is true: a presence is credited until the heartbeat at most.
//!
//! A commit that fails or takes too long loses nothing: its changes are put back, and stored again
//! as they are by then. For that the service relies on what the port asks of a store, that a commit
//! whose future was dropped never lands after one that was begun later.

mod alerts;
mod archive;
mod builder;
mod clock;
mod commit;
mod error;
mod handle;
mod health;
mod history;
mod load;
mod service;
mod shared;
mod stop;
mod subscription;
mod task;
mod times;
mod upkeep;

pub use alerts::AlertStream;
pub use archive::Archive;
pub use builder::ServiceBuilder;
pub use clock::{Clock, SystemClock, TokioClock};
pub use error::{FlushError, ShutdownError, StartError};
pub use handle::{FlapInfo, Handle};
pub use health::{Health, InFlightCommit, StoreFailure, StoreHealth, WallClockHealth, WallClockStep};
pub use service::Service;
pub use subscription::{ChangesLagged, Subscription};
pub use times::CommitDurations;
