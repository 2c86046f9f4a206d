//! The storage port of ldk-fitness: trait, record codec, in-memory store and conformance suite.
//!
//! The port speaks of domain things: load every peer, commit one batch, read the log of one peer.
//! What a database is, and which runtime drives it, only its implementors know. Everything is
//! keyed by observer (our own node id) first, so that many nodes can share one database.
//!
//! Whoever writes a backend takes the bytes of a record from [`codec`], so that its format is the
//! same everywhere, and proves the backend with the conformance suite (feature `conformance`).

mod claim;
pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod copy;
mod error;
mod memory;
mod store;

pub use claim::{Claim, LocalClaims};
pub use error::{BoxError, StoreError};
pub use memory::MemoryStore;
pub use store::{Batch, LogReplacement, Store};
