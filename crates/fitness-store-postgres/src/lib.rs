//! Peer and channel fitness of many nodes in one PostgreSQL database: for the fleet of an LSP.

mod builder;
mod claim;
mod connect;
mod error;
mod keeper;
mod migrate;
mod passfile;
mod read;
mod rows;
mod schema;
mod shared;
mod sql;
mod store;
mod tls;
mod url;
mod write;
mod writer;

pub use builder::Builder;
pub use store::PostgresStore;
pub use url::redacted;
