//! The tables: made where there are none, and brought up to date where they are older.
//!
//! Any number of nodes may start at once. Each migration is a transaction of its own, under a lock that
//! one node at a time gets. Where locks are none (CockroachDB), the row that says a migration was done is
//! what only one can insert, and the others begin again.

use std::time::Duration;

use fitness_store::{BoxError, StoreError};
use tokio_postgres::Client;

use crate::error::Fault;
use crate::schema::{Schema, quote};

/// In their order; the first makes version 1. What was released is never changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/1_tables.sql"), include_str!("../migrations/2_fleet.sql")];

/// The first version whose tables can be read.
const OLDEST_READ: usize = 1;

/// How often one begins again after others got in between.
const TRIES: u32 = 10;

/// What the tables are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

/// Brings the tables up to date where they are to be written, and sees whether they can be used.
pub(crate) async fn prepare(
    client: &Client,
    schema: &Schema,
    location: &str,
    purpose: Purpose,
) -> Result<(), Fault> {
    let done = match purpose {
        Purpose::Read => check(client, schema, location).await,
        Purpose::Write => run(client, schema, location).await,
    };
    match done {
        Err(fault) if fault.is_forbidden() => Err(forbidden(client, schema, location, purpose, fault).await),
        done => done,
    }
}

async fn run(client: &Client, schema: &Schema, location: &str) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        let from = version(client, schema).await?.unwrap_or(0);
        refuse_newer(from, schema, location)?;
        let Some(migration) = MIGRATIONS.get(from) else { return Ok(()) };
        let Err(fault) = step(client, schema, from, migration).await else { continue };
        // The connection goes on being used, or is thrown away; then this fails as well.
        let _ = client.batch_execute("ROLLBACK").await;
        tries += 1;
        if tries < TRIES && (fault.is_duplicate() || fault.is_conflict()) {
            tokio::time::sleep(Duration::from_millis(20) * tries).await;
        } else if fault.is_duplicate() {
            let reason = format!(
                "the schema {} has something in it that is not ours; name another schema",
                schema.quoted()
            );
            return Err(refused(location, reason, Some(fault)));
        } else {
            return Err(fault);
        }
    }
}

async fn check(client: &Client, schema: &Schema, location: &str) -> Result<(), Fault> {
    let found = version(client, schema).await?.unwrap_or(0);
    refuse_newer(found, schema, location)?;
    if found < OLDEST_READ {
        let reason = format!(
            "there is no history in the schema {}; open it for writing once, or name another schema",
            schema.quoted()
        );
        return Err(refused(location, reason, None));
    }
    Ok(())
}

fn refuse_newer(found: usize, schema: &Schema, location: &str) -> Result<(), Fault> {
    if found <= MIGRATIONS.len() {
        return Ok(());
    }
    let number = |version: usize| u32::try_from(version).unwrap_or(u32::MAX);
    Err(Fault::from(StoreError::NewerFormat {
        item: format!("the schema {}", schema.quoted()),
        location: location.to_owned(),
        found: number(found),
        supported: number(MIGRATIONS.len()),
    }))
}

/// The version of the tables; `None` where there are none.
async fn version(client: &Client, schema: &Schema) -> Result<Option<usize>, Fault> {
    if !exists(client, schema).await?.versions {
        return Ok(None);
    }
    let latest = schema.fill("SELECT max(version)::bigint FROM @schema@.schema_version");
    let found: Option<i64> = client.query_one(&latest, &[]).await?.try_get(0)?;
    Ok(found.map(|version| usize::try_from(version).unwrap_or(usize::MAX)))
}

/// What there is, whether or not this role may use it.
struct Exists {
    schema: bool,
    versions: bool,
}

async fn exists(client: &Client, schema: &Schema) -> Result<Exists, Fault> {
    let sql = "SELECT count(c.oid) > 0 FROM pg_catalog.pg_namespace n \
               LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version' \
               WHERE n.nspname = $1 GROUP BY n.oid";
    let row = client.query_opt(sql, &[&schema.name()]).await?;
    let versions = row.as_ref().map(|row| row.try_get(0)).transpose()?;
    Ok(Exists { schema: row.is_some(), versions: versions.unwrap_or(false) })
}

/// Does the migration after version `from`, unless somebody else has.
async fn step(client: &Client, schema: &Schema, from: usize, migration: &str) -> Result<(), Fault> {
    client.batch_execute("BEGIN TRANSACTION READ WRITE").await?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&schema.migration_lock()]).await?;
    // Whoever had the lock before may have done it.
    if version(client, schema).await?.unwrap_or(0) == from {
        if from == 0 {
            create(client, schema).await?;
        }
        let done = schema.fill("INSERT INTO @schema@.schema_version (version) VALUES ($1::bigint)");
        let next = i64::try_from(from + 1).unwrap_or(i64::MAX);
        client.execute(&done, &[&next]).await?;
        client.batch_execute(&schema.fill(migration)).await?;
        tracing::info!(schema = schema.name(), version = next, "the tables were brought up to date");
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

async fn create(client: &Client, schema: &Schema) -> Result<(), Fault> {
    // To create what exists takes the right to, even where nothing is done.
    if !exists(client, schema).await?.schema {
        client.batch_execute(&schema.fill("CREATE SCHEMA @schema@")).await?;
    }
    let versions = "CREATE TABLE @schema@.schema_version \
                    (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";
    client.batch_execute(&schema.fill(versions)).await?;
    Ok(())
}

/// What an administrator has to do for a role that may not do it itself.
async fn forbidden(
    client: &Client,
    schema: &Schema,
    location: &str,
    purpose: Purpose,
    fault: Fault,
) -> Fault {
    let said = fault.to_string();
    let sql = async {
        let role: String = client.query_one("SELECT current_user::text", &[]).await?.try_get(0)?;
        let Exists { schema: has_schema, versions } = exists(client, schema).await?;
        let (role, schema) = (quote(&role), schema.quoted());
        let rights = if purpose == Purpose::Read { "SELECT" } else { "SELECT, INSERT, UPDATE, DELETE" };
        Ok::<_, Fault>(match (has_schema, versions) {
            (false, _) => format!("CREATE SCHEMA {schema} AUTHORIZATION {role};"),
            (true, false) => format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"),
            // Older tables are for their owner to bring up to date.
            (true, true) => format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role}; \
                 GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}; \
                 where that does not help, open the store once as the tables' owner"
            ),
        })
    };
    match sql.await {
        Ok(sql) => refused(location, format!("{said}; have an administrator run: {sql}"), Some(fault)),
        Err(fault) => fault,
    }
}

fn refused(location: &str, reason: String, fault: Option<Fault>) -> Fault {
    let source = fault.map(BoxError::from);
    Fault::from(StoreError::OpenFailed { location: location.to_owned(), reason, source })
}
