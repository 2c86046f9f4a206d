//! Creates the tables, and migrates older ones.
//!
//! Any number of nodes can start at the same time. Each migration is a transaction under a lock that one
//! session at a time holds. On a server without advisory locks (CockroachDB), only one session can insert the
//! migration's row into `schema_version`, and the others retry.

use std::time::Duration;

use fitness_store::{BoxError, StoreError};
use tokio_postgres::Client;

use crate::failure::Failure;
use crate::schema::{Schema, quote};

/// The migrations in their order. The first creates version 1. A released migration is never changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/1_tables.sql"), include_str!("../migrations/2_fleet.sql")];

/// The oldest version whose tables can be read without a migration.
const OLDEST_READABLE: usize = 1;

/// How often a migration is tried when other sessions interfere with it.
const MAX_ATTEMPTS: u32 = 10;

/// How the tables will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Migrates the tables if they will be written, and checks that this release can use them.
pub(crate) async fn prepare(
    client: &Client,
    schema: &Schema,
    location: &str,
    access: Access,
) -> Result<(), Failure> {
    let result = match access {
        Access::Read => check(client, schema, location).await,
        Access::Write => migrate(client, schema, location).await,
    };
    match result {
        Err(failure) if failure.is_permission_denied() => {
            Err(permission_error(client, schema, location, access, failure).await)
        }
        result => result,
    }
}

async fn migrate(client: &Client, schema: &Schema, location: &str) -> Result<(), Failure> {
    let mut attempts = 0;
    loop {
        let from = version(client, schema).await?.unwrap_or(0);
        reject_newer(from, schema, location)?;
        let Some(migration) = MIGRATIONS.get(from) else { return Ok(()) };
        let Err(failure) = apply(client, schema, from, migration).await else { continue };
        // If the rollback fails, so does the next statement.
        let _ = client.batch_execute("ROLLBACK").await;
        attempts += 1;
        if attempts < MAX_ATTEMPTS && (failure.is_duplicate() || failure.is_conflict()) {
            tokio::time::sleep(Duration::from_millis(20) * attempts).await;
        } else if failure.is_duplicate() {
            let reason = format!(
                "the schema {} contains objects of another program; use another schema",
                schema.quoted()
            );
            return Err(open_failed(location, reason, Some(failure)));
        } else {
            return Err(failure);
        }
    }
}

async fn check(client: &Client, schema: &Schema, location: &str) -> Result<(), Failure> {
    let found = version(client, schema).await?.unwrap_or(0);
    reject_newer(found, schema, location)?;
    if found < OLDEST_READABLE {
        let reason = format!(
            "the schema {} contains no history; open it for writing once, or use another schema",
            schema.quoted()
        );
        return Err(open_failed(location, reason, None));
    }
    Ok(())
}

fn reject_newer(found: usize, schema: &Schema, location: &str) -> Result<(), Failure> {
    if found <= MIGRATIONS.len() {
        return Ok(());
    }
    let number = |version: usize| u32::try_from(version).unwrap_or(u32::MAX);
    Err(Failure::from(StoreError::NewerFormat {
        item: format!("the schema {}", schema.quoted()),
        location: location.to_owned(),
        found: number(found),
        supported: number(MIGRATIONS.len()),
    }))
}

/// Returns the version of the tables, or `None` if there are none.
async fn version(client: &Client, schema: &Schema) -> Result<Option<usize>, Failure> {
    if !existing(client, schema).await?.has_version_table {
        return Ok(None);
    }
    let latest = schema.expand("SELECT max(version)::bigint FROM @schema@.schema_version");
    let found: Option<i64> = client.query_one(&latest, &[]).await?.try_get(0)?;
    Ok(found.map(|version| usize::try_from(version).unwrap_or(usize::MAX)))
}

/// What exists, whether or not the role has privileges on it.
struct Existing {
    has_schema: bool,
    has_version_table: bool,
}

async fn existing(client: &Client, schema: &Schema) -> Result<Existing, Failure> {
    let sql = "SELECT count(c.oid) > 0 FROM pg_catalog.pg_namespace n \
               LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version' \
               WHERE n.nspname = $1 GROUP BY n.oid";
    let row = client.query_opt(sql, &[&schema.name()]).await?;
    let has_version_table = row.as_ref().map(|row| row.try_get(0)).transpose()?;
    Ok(Existing { has_schema: row.is_some(), has_version_table: has_version_table.unwrap_or(false) })
}

/// Applies the migration from version `from`, unless another session has already applied it.
async fn apply(client: &Client, schema: &Schema, from: usize, migration: &str) -> Result<(), Failure> {
    client.batch_execute("BEGIN TRANSACTION READ WRITE").await?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&schema.migration_lock()]).await?;
    // The previous holder of the lock may have applied it.
    if version(client, schema).await?.unwrap_or(0) == from {
        if from == 0 {
            create_schema(client, schema).await?;
        }
        let insert = schema.expand("INSERT INTO @schema@.schema_version (version) VALUES ($1::bigint)");
        let next = i64::try_from(from + 1).unwrap_or(i64::MAX);
        client.execute(&insert, &[&next]).await?;
        client.batch_execute(&schema.expand(migration)).await?;
        tracing::info!(schema = schema.name(), version = next, "schema migrated");
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

async fn create_schema(client: &Client, schema: &Schema) -> Result<(), Failure> {
    // CREATE SCHEMA IF NOT EXISTS requires the privilege even if the schema exists.
    if !existing(client, schema).await?.has_schema {
        client.batch_execute(&schema.expand("CREATE SCHEMA @schema@")).await?;
    }
    let version_table = "CREATE TABLE @schema@.schema_version \
                         (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";
    client.batch_execute(&schema.expand(version_table)).await?;
    Ok(())
}

/// Returns an error with the SQL that grants the role the missing privilege.
async fn permission_error(
    client: &Client,
    schema: &Schema,
    location: &str,
    access: Access,
    failure: Failure,
) -> Failure {
    let cause = failure.to_string();
    let sql = async {
        let role: String = client.query_one("SELECT current_user::text", &[]).await?.try_get(0)?;
        let Existing { has_schema, has_version_table } = existing(client, schema).await?;
        let (role, schema) = (quote(&role), schema.quoted());
        let privileges = if access == Access::Read { "SELECT" } else { "SELECT, INSERT, UPDATE, DELETE" };
        Ok::<_, Failure>(match (has_schema, has_version_table) {
            (false, _) => format!("CREATE SCHEMA {schema} AUTHORIZATION {role};"),
            (true, false) => format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"),
            // Only the owner of the tables can migrate them.
            (true, true) => format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role}; \
                 GRANT {privileges} ON ALL TABLES IN SCHEMA {schema} TO {role}; \
                 if that does not help, open the store once as the owner of the tables"
            ),
        })
    };
    match sql.await {
        Ok(sql) => open_failed(location, format!("{cause}; as an administrator, run: {sql}"), Some(failure)),
        Err(failure) => failure,
    }
}

fn open_failed(location: &str, reason: String, failure: Option<Failure>) -> Failure {
    let source = failure.map(BoxError::from);
    Failure::from(StoreError::OpenFailed { location: location.to_owned(), reason, source })
}
