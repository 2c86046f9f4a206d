//! Temporary PostgreSQL clusters for the tests and benchmarks of ldk-fitness.
//!
//! A [`Cluster`] is a PostgreSQL server with its own data directory. It listens on a free port of the
//! loopback interface and on a Unix socket. Dropping the value stops the server and deletes the directory.
//! The same happens if the process is killed: a supervising shell runs in its own process group, and cleans
//! up when the pipe from the process closes.
//!
//! PostgreSQL does not run as root. If the tests run as root, the server runs as the user `postgres`, which
//! the PostgreSQL packages create.

mod cluster;
mod database;
mod install;
mod supervisor;
mod tls;

pub use cluster::{Cluster, ClusterBuilder};
pub use database::{Database, OWNER, PASSWORD, READER};
pub use install::NEEDS_POSTGRESQL;
pub use tls::{CertificateAuthority, CertifiedKey};
