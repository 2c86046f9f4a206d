//! Peer and channel fitness of many nodes in one PostgreSQL database: for the fleet of an LSP.
//!
//! [`PostgresStore`] is a [`Store`](fitness_store::Store). Any number of nodes can have one on the same
//! database; each sees its own history, and SQL sees all of them: [`fleet`].
//!
//! ```no_run
//! # async fn opened() -> Result<(), fitness_store::StoreError> {
//! use fitness_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::open("postgres://fitness@db.example/lsp?sslmode=verify-full").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The URL
//!
//! `postgres://user:password@host:port/database?parameter=value&…`, as libpq has it. What is special in a
//! name or a password (`@ : / ? # & %`) is percent-encoded. A Unix socket's directory stands in the host's
//! place, encoded. Of several hosts (`host1:5432,host2:5432`) the first that can be written to is taken, and
//! after a failover the next.
//!
//! | parameter | meaning |
//! |---|---|
//! | `sslmode` | `disable`; `prefer`, the default: TLS if the server has it; `require`: TLS, with any certificate; `verify-ca`: one of a trusted authority; `verify-full`: and for this host |
//! | `sslrootcert` | the authority's certificate, a PEM file, or `system`, the default of `verify-full`: what this system trusts. With a file `require` means `verify-ca` |
//! | `sslcert`, `sslkey` | a certificate of our own and its key, PEM files |
//! | `passfile` | where the password stands if not in the URL or in `PGPASSWORD`; otherwise `PGPASSFILE`, or `~/.pgpass` |
//! | `schema` | the schema that the tables are in; `ldk_fitness` |
//! | `application_name` | what the server calls us; `ldk-fitness` |
//! | `target_session_attrs`, `load_balance_hosts`, `connect_timeout` (10 s), `keepalives…`, `tcp_user_timeout` (60 s), `channel_binding`, `hostaddr`, `options`, `sslnegotiation` | as tokio-postgres has them |
//!
//! The password is in no error and no log; [`redacted`] gives a URL without it.
//!
//! # What the role needs
//!
//! No superuser: the right to create a schema, or a schema of its own (`CREATE SCHEMA ldk_fitness
//! AUTHORIZATION fitness`). Once the tables are there, `USAGE` on the schema and `SELECT, INSERT, UPDATE,
//! DELETE` on its tables will do, and `SELECT` to read. Where a right is lacking the error says which SQL an
//! administrator has to run. Nodes that share a schema are not kept from one another's history: a node that
//! is not trusted gets a schema, and a role, of its own.
//!
//! # The tables
//!
//! All are keyed by observer first. `record` is the bytes of [`fitness_store::codec`], format number and
//! checksum included, the same as in every other store; the columns beside it are for SQL, and never read
//! back. A table `schema_version` has the migrations that were done; each is a transaction under a lock, so
//! ten nodes may start at once. A schema of a later release is refused, and left as it is.
//!
//! # Which SQL is used
//!
//! Made for PostgreSQL 12 and later; tests run with whichever is installed (15 when this was written). Whatever reads or writes a history keeps to
//! what CockroachDB and YugabyteDB document, too, untested here: single statements on primary keys,
//! `INSERT … ON CONFLICT DO UPDATE`, arrays as parameters, `unnest`, and for the fence of a commit one
//! `UPDATE … RETURNING`; so do the tables and views. Beyond it go
//!
//! - `pg_try_advisory_lock` and its like. CockroachDB accepts them without taking a lock. There the row of
//!   `claims` alone keeps two services apart: whoever commits first has the observer, and the other's
//!   commits are refused with nothing of them stored; and so does the row of `schema_version` migrations;
//! - `pg_locks` and `pg_stat_activity`, which say who has a claim, and `pg_terminate_backend`, which ends a
//!   former connection of our own. Where they know nothing, they are not needed;
//! - session settings, each of which is passed over where a server lacks it.
//!
//! # Speed
//!
//! A flush is a transaction of few statements: up to 8,192 rows each, as arrays, sorted by key, two on their
//! way at a time. Half of each page of peers is left free, so that rows that change stay where they are.
//! `cargo xtask bench --stores` holds 100,000 peers against a bare `COPY` of the same rows.

mod builder;
mod claim;
mod connect;
mod error;
pub mod fleet;
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

pub use builder::PostgresStoreBuilder;
pub use store::PostgresStore;
pub use url::redact_url;
