//! What a server, a network, an administrator and other nodes do to a store over PostgreSQL.

mod claims;
mod connections;
mod damage;
mod fencing;
mod fleet;
mod opening;
mod rights;
mod steps;
mod support;
mod tls;
