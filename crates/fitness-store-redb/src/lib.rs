//! Stores peer and channel fitness in one redb file: the default store of ldk-fitness.
//!
//! [`RedbStore`] implements [`Store`](fitness_store::Store) on a file that one process writes. Every
//! commit is one transaction and is durable when it returns. All input and output runs on threads of
//! the `blocking` crate, so the async workers of no runtime wait for a disk.

mod commit_order;
mod deferred_writes;
mod file;
mod header;
mod open;
mod read;
mod store;
mod tables;
mod write;

pub use store::RedbStore;
