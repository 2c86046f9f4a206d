//! The tables: made where there are none, and brought up to date where they are older.
//!
//! Any number of nodes may start at once. Each migration is a transaction of its own, under a lock that
//! one node at a time gets. Where locks are none (CockroachDB), the row that says a migration was done is
//! what only one can insert, and the others begin again.

use std::time::Duration;

use fitness_store::StoreError;
use tokio_postgres::Client;

use crate::error::{Fault, explained};
use crate::schema::{Schema, quote};

/// In their order; the first makes version 1. What was released is never changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/1_tables.sql"), include_str!("../migrations/2_fleet.sql")];

/// The first version whose tables can be read.
const OLDEST_READ: usize = 1;

/// How often one begins again after others got in between.
const TRIES: u32 = 10;

/// What the tables have to be.
pub(crate) fn latest() -> usize {
    MIGRATIONS.len()
}

/// Brings the tables up to date.
pub(crate) async fn run(client: &Client, schema: &Schema, location: &str) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        let from = version(client, schema).await?.unwrap_or(0);
        refuse_newer(from, schema, location)?;
        if from == latest() {
            return Ok(());
        }
        let Err(fault) = step(client, schema, from).await else { continue };
        // The connection goes on being used, or is thrown away; then this fails as well.
        let _ = client.batch_execute("ROLLBACK").await;
        if fault.is_forbidden() {
            return Err(forbidden(client, schema, location, fault).await);
        }
        tries += 1;
        if tries == TRIES || !(fault.is_duplicate() || fault.is_conflict()) {
            return Err(fault);
        }
        tokio::time::sleep(Duration::from_millis(20) * tries).await;
    }
}

/// Whether there are tables to be read.
pub(crate) async fn check(client: &Client, schema: &Schema, location: &str) -> Result<(), Fault> {
    let found = version(client, schema).await?.unwrap_or(0);
    refuse_newer(found, schema, location)?;
    if found < OLDEST_READ {
        return Err(Fault::from(StoreError::Open {
            location: location.to_owned(),
            reason: format!(
                "there is no history in the schema {}; open it for writing once, or name another schema",
                schema.quoted()
            ),
            source: None,
        }));
    }
    Ok(())
}

fn refuse_newer(found: usize, schema: &Schema, location: &str) -> Result<(), Fault> {
    if found <= latest() {
        return Ok(());
    }
    let number = |version: usize| u32::try_from(version).unwrap_or(u32::MAX);
    Err(Fault::from(StoreError::NewerFormat {
        what: format!("the schema {}", schema.quoted()),
        location: location.to_owned(),
        found: number(found),
        supported: number(latest()),
    }))
}

/// The version of the tables; `None` where there are none.
async fn version(client: &Client, schema: &Schema) -> Result<Option<usize>, Fault> {
    let exists = "SELECT 1 FROM pg_catalog.pg_class c \
                  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname = $1 AND c.relname = 'schema_version'";
    if client.query_opt(exists, &[&schema.name()]).await?.is_none() {
        return Ok(None);
    }
    let latest = schema.fill("SELECT max(version)::bigint FROM @schema@.schema_version");
    let found: Option<i64> = client.query_one(&latest, &[]).await?.try_get(0)?;
    Ok(found.map(|version| usize::try_from(version).unwrap_or(usize::MAX)))
}

/// Does the migration after version `from`, unless somebody else has.
async fn step(client: &Client, schema: &Schema, from: usize) -> Result<(), Fault> {
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
        client.batch_execute(&schema.fill(MIGRATIONS[from])).await?;
        tracing::info!(schema = schema.name(), version = next, "the tables were brought up to date");
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

async fn create(client: &Client, schema: &Schema) -> Result<(), Fault> {
    // To create what exists takes the right to, even where nothing is done.
    let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    if client.query_opt(exists, &[&schema.name()]).await?.is_none() {
        client.batch_execute(&schema.fill("CREATE SCHEMA @schema@")).await?;
    }
    let versions = "CREATE TABLE @schema@.schema_version \
                    (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";
    client.batch_execute(&schema.fill(versions)).await?;
    Ok(())
}

/// What an administrator has to do for a role that may not do it itself.
async fn forbidden(client: &Client, schema: &Schema, location: &str, fault: Fault) -> Fault {
    let Fault::Database(error) = fault else { return fault };
    let role = match client.query_one("SELECT current_user::text", &[]).await {
        Ok(row) => row.try_get::<_, String>(0).map(|role| quote(&role)),
        Err(error) => return Fault::from(error),
    };
    let role = match role {
        Ok(role) => role,
        Err(error) => return Fault::from(error),
    };
    let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    let schema_exists = matches!(client.query_opt(exists, &[&schema.name()]).await, Ok(Some(_)));
    let sql = if schema_exists {
        format!("ALTER SCHEMA {} OWNER TO {role}", schema.quoted())
    } else {
        format!("CREATE SCHEMA {} AUTHORIZATION {role}", schema.quoted())
    };
    Fault::from(StoreError::Open {
        location: location.to_owned(),
        reason: format!("{}; have an administrator run: {sql};", explained(&error)),
        source: Some(error.into()),
    })
}
