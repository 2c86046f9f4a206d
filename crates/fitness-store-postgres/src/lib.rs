//! Stores the peer and channel fitness of many nodes in one PostgreSQL database.
//!
//! [`PostgresStore`] implements [`Store`](fitness_store::Store). Any number of nodes can share a database.
//! Each node reads and writes its own history; SQL views cover the histories of all nodes (see [`fleet`]).
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
//! The URL has the form that libpq uses: `postgres://user:password@host:port/database?parameter=value&…`.
//! Percent-encode the characters `@ : / ? # & %` in names and passwords. To connect over a Unix socket, use
//! its percent-encoded directory as the host. Of several hosts (`host1:5432,host2:5432`) the store uses the
//! first one that accepts writes; after a failover, the next one.
//!
//! | parameter | meaning |
//! |---|---|
//! | `sslmode` | `disable`; `prefer` (default): TLS if the server supports it; `require`: TLS with any certificate; `verify-ca`: TLS with a certificate of a trusted authority; `verify-full`: that, and for this host name |
//! | `sslrootcert` | the certificate of the trusted authority (a PEM file), or `system` (default of `verify-full`): the authorities that this system trusts. With a file, `require` means `verify-ca` |
//! | `sslcert`, `sslkey` | a client certificate and its key (PEM files) |
//! | `passfile` | the password file, used if neither the URL nor `PGPASSWORD` contains the password; the default is `PGPASSFILE`, or else `~/.pgpass` |
//! | `schema` | the schema of the tables; the default is `ldk_fitness` |
//! | `application_name` | the name that the server shows; the default is `ldk-fitness` |
//! | `target_session_attrs`, `load_balance_hosts`, `connect_timeout` (default 10 s), `keepalives…`, `tcp_user_timeout` (default 60 s), `channel_binding`, `hostaddr`, `options`, `sslnegotiation` | as in tokio-postgres |
//!
//! No error and no log contains the password; [`redact_url`] removes it from a URL.
//!
//! # Privileges of the role
//!
//! The role does not need to be a superuser. It needs the privilege to create a schema, or a schema that it
//! owns (`CREATE SCHEMA ldk_fitness AUTHORIZATION fitness`). Once the tables exist, `USAGE` on the schema and
//! `SELECT, INSERT, UPDATE, DELETE` on its tables are enough. A store that is opened read-only needs `USAGE` and
//! `SELECT`. If a privilege is missing when the store is opened, the error contains the SQL that grants it.
//!
//! Nodes that share a schema can read and write each other's history. Give a node that you do not trust its
//! own schema and its own role.
//!
//! # The tables
//!
//! The observer is the first column of every primary key. The column `record` contains the bytes of
//! [`fitness_store::codec`], including the format number and the checksum, as in every other store. It is
//! authoritative: the other columns are for SQL queries and are never read back.
//!
//! The table `schema_version` lists the migrations that were applied. Each migration is a transaction under a
//! lock, so any number of nodes can start at the same time. A schema of a later release is rejected and left
//! unchanged.
//!
//! # Compatibility of the SQL
//!
//! The crate supports PostgreSQL 12 and later. It was last tested with version 15.
//!
//! The statements that read and write histories use only features that CockroachDB and YugabyteDB document as
//! well, although they are not tested there: single statements on primary keys,
//! `INSERT … ON CONFLICT DO UPDATE`, arrays as parameters, `unnest`, and one `UPDATE … RETURNING` that checks
//! the claim at the start of each commit. The same applies to the tables and views. Other features are used
//! as follows:
//!
//! - `pg_try_advisory_lock` and related functions. CockroachDB accepts them without locking. There, the
//!   observer's row in the table `claims` alone separates two services: the first to commit has the observer,
//!   and the other's commits fail and store nothing. Likewise, the rows of `schema_version` separate
//!   migrations.
//! - `pg_locks` and `pg_stat_activity`, which describe the holder of a claim, and `pg_terminate_backend`,
//!   which ends an abandoned connection of the same store. They are not required.
//! - Session settings. A setting that the server does not support is skipped.
//!
//! # Performance
//!
//! A commit is one transaction with few statements. Each statement writes up to 8,192 rows, passed as arrays
//! and sorted by key; two statements are in flight at a time. Half of each page of the table `peers` is left
//! free, so that an updated row stays on its page. `cargo xtask bench --stores` compares commits of 100,000
//! peers with `COPY` of the same rows.

mod builder;
mod claim;
mod claim_task;
mod connection;
mod failure;
pub mod fleet;
mod migrate;
mod password_file;
mod read;
mod rows;
mod schema;
mod shared;
mod sql;
mod store;
mod tls;
mod url;
mod write_batch;
mod writer;

pub use builder::PostgresStoreBuilder;
pub use store::PostgresStore;
pub use url::redact_url;
