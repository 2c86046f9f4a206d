//! Temporary PostgreSQL clusters: for the tests and benches of ldk-fitness.
//!
//! A [`Cluster`] is a real server with a data directory of its own, on a free port of the loopback
//! interface and on a Unix socket. It goes with its value, and also where the process is killed: a
//! supervising shell, which does not share the process's fate, ends when the pipe to it does, and takes
//! server and directory along.
//!
//! PostgreSQL does not run as root. Where the tests do, the server runs as the user `postgres`, whom its
//! packages make.

mod cluster;
mod database;
mod install;
mod supervisor;
mod tls;

pub use cluster::{Cluster, ClusterBuilder};
pub use database::{Database, OWNER, PASSWORD, READER};
pub use tls::{CertificateAuthority, CertifiedKey};
