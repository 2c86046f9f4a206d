//! The storage port of ldk-fitness: trait, record codec, in-memory store and conformance suite.
//!
//! The [`Store`] trait uses domain types: it loads peers, commits one batch, and reads the log of one
//! peer. Only its implementations depend on a database or an async runtime. All data is keyed by
//! observer (the node whose view is stored) first, so many nodes can share one database.
//!
//! A backend encodes and decodes records with [`codec`], so their format is the same in every store.
//! The conformance suite (feature `conformance`) tests a backend against everything that [`Store`]
//! requires.

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
