//! Peer and channel fitness kept in one redb file: the embedded default of ldk-fitness.
//!
//! [`RedbStore`] is a [`Store`](fitness_store::Store) on a file that one process writes. Every
//! commit is one transaction, durable when it returns. All input and output runs on the threads of
//! the `blocking` crate, so no async worker ever waits for a disk, whichever runtime it belongs to.

mod file;
mod header;
mod open;
mod order;
mod read;
mod store;
mod tables;
mod trial;
mod write;

pub use store::RedbStore;
