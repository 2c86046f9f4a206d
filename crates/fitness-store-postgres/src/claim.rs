//! Ensures that at most one store writes for each observer.
//!
//! The store that claims an observer holds an advisory lock, which the server releases when the connection
//! ends. The lock alone is not enough, so each commit also checks and updates the observer's row in the table
//! `claims`. That row rejects
//!
//! - a late commit of this store on a connection that it has abandoned,
//! - a store that lost its connection and has not noticed that another store has claimed the observer,
//! - other stores on a server without advisory locks.

use fitness_core::NodeId;
use fitness_store::StoreError;
use tokio::time::{Duration, Instant};
use tokio_postgres::Row;

use crate::connection::{ServerProcess, WriteConnection};
use crate::failure::Failure;
use crate::shared::Shared;
use crate::writer::{HeldClaim, Writer};

/// How often a lock that is not free is tried again.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(25);

/// The condition under which an observer may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// None: the caller reads the history after it has the claim.
    None,
    /// No other store has committed since this store read the history.
    Unchanged,
}

/// The session that holds a lock.
struct LockHolder {
    process: ServerProcess,
    description: String,
}

impl Writer {
    /// Claims the observer on this connection, unless it already has, and returns the claim's epoch.
    pub(crate) async fn ensure_claim(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
        precondition: Precondition,
    ) -> Result<i64, Failure> {
        match self.claims.get(observer) {
            Some(claim) if claim.connection == connection.number => return Ok(claim.epoch),
            _ => {}
        }
        self.acquire_lock(shared, connection, observer).await?;
        match self.update_claim_row(shared, connection, observer, precondition).await {
            Ok(epoch) => {
                self.claims.insert(*observer, HeldClaim { epoch, connection: connection.number });
                Ok(epoch)
            }
            Err(failure) => {
                if !failure.breaks_connection() {
                    connection.client.batch_execute("ROLLBACK").await?;
                    self.release_lock(shared, connection, observer).await?;
                }
                if matches!(failure, Failure::Store(_)) {
                    self.claims.remove(observer);
                }
                Err(failure)
            }
        }
    }

    /// Gives up the claim of an observer.
    pub(crate) async fn give_up_claim(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
    ) -> Result<(), Failure> {
        match self.claims.remove(observer) {
            Some(claim) if claim.connection == connection.number => {
                self.release_lock(shared, connection, observer).await
            }
            _ => Ok(()),
        }
    }

    async fn release_lock(
        &self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
    ) -> Result<(), Failure> {
        let unlock = connection.client.prepare_cached(&shared.sql.unlock).await?;
        connection.client.query_one(&unlock, &[&shared.schema.observer_lock(observer)]).await?;
        Ok(())
    }

    /// Acquires the lock, waiting for the claim timeout at most.
    ///
    /// The server needs a moment to notice that the holder's process has ended. The holder may also be a
    /// former connection of this store, which is then terminated.
    async fn acquire_lock(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
    ) -> Result<(), Failure> {
        let number = shared.schema.observer_lock(observer);
        let try_lock = connection.client.prepare_cached(&shared.sql.try_lock).await?;
        let deadline = Instant::now() + shared.claim_timeout;
        loop {
            if connection.client.query_one(&try_lock, &[&number]).await?.try_get(0)? {
                return Ok(());
            }
            if let Some(holder) = lock_holder(shared, connection, observer, number).await? {
                if self.own_processes.contains(&holder.process) {
                    terminate(shared, connection, &holder.process).await?;
                } else if Instant::now() >= deadline {
                    return Err(claimed(shared, observer, holder.description));
                }
            }
            tokio::time::sleep(LOCK_RETRY_INTERVAL).await;
        }
    }

    /// Writes this store as the holder into the observer's row, with a new epoch, and returns the epoch.
    async fn update_claim_row(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
        precondition: Precondition,
    ) -> Result<i64, Failure> {
        let client = &connection.client;
        let read_claim = client.prepare_cached(&shared.sql.read_claim).await?;
        let write_claim = client.prepare_cached(&shared.sql.write_claim).await?;
        client.batch_execute("BEGIN TRANSACTION READ WRITE").await?;
        let row = client.query_opt(&read_claim, &[&&observer.0[..]]).await?;
        let existing = row.map(|row| ClaimRow::from_row(&row)).transpose()?;
        let (held, known_commits) = (self.claims.get(observer), shared.commit_count(observer));
        if let Some(row) = &existing {
            let is_unchanged = held.is_some() && row.holder_session == shared.session_id
                || row.last_writer_session == shared.session_id
                || known_commits.is_none_or(|known| known == row.commits);
            if precondition == Precondition::Unchanged && !is_unchanged {
                let holder =
                    format!("{:?}, which has committed since this store read the history", row.holder);
                return Err(claimed(shared, observer, holder));
            }
        }
        let existing_commits = existing.map_or(0, |row| row.commits);
        let next_epoch = held.map_or(0, |claim| claim.epoch) + 1;
        let (id, session, no_writer) = (&observer.0[..], &shared.session_id[..], &b""[..]);
        let row = client
            .query_one(
                &write_claim,
                &[&id, &session, &next_epoch, &existing_commits, &no_writer, &shared.application_name],
            )
            .await?;
        let (epoch, commits): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if commits != existing_commits {
            // The row did not exist when it was read, so it could not be locked, and another store has
            // created it and committed since.
            return Err(Failure::ClaimConflict);
        }
        client.batch_execute("COMMIT").await?;
        let lost_commits = known_commits.unwrap_or(0) - commits;
        if held.is_some() && lost_commits > 0 {
            tracing::warn!(
                %observer,
                location = shared.location,
                lost_commits,
                "the database has lost acknowledged commits; it may be a standby that was behind, or a backup"
            );
        }
        shared.set_commit_count(observer, commits);
        Ok(epoch)
    }
}

/// A row of the table `claims`.
struct ClaimRow {
    holder_session: Vec<u8>,
    commits: i64,
    last_writer_session: Vec<u8>,
    holder: String,
}

impl ClaimRow {
    fn from_row(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            holder_session: row.try_get("holder_session")?,
            commits: row.try_get("commits")?,
            last_writer_session: row.try_get("last_writer_session")?,
            holder: row.try_get("holder")?,
        })
    }
}

fn claimed(shared: &Shared, observer: &NodeId, holder: String) -> Failure {
    Failure::from(StoreError::Claimed { observer: *observer, location: shared.location.clone(), holder })
}

/// Returns the session that holds an observer's lock, with the details that this role may see.
async fn lock_holder(
    shared: &Shared,
    connection: &WriteConnection,
    observer: &NodeId,
    lock: i64,
) -> Result<Option<LockHolder>, Failure> {
    let statement = connection.client.prepare_cached(&shared.sql.lock_holder).await?;
    let (high, low) = (lock >> 32 & 0xffff_ffff, lock & 0xffff_ffff);
    let rows = connection.client.query(&statement, &[&high, &low, &&observer.0[..]]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let pid: i32 = row.try_get(0)?;
    let text = |column: usize| row.try_get::<_, Option<String>>(column);
    let (started_at, application, user, address, since) = (text(1)?, text(2)?, text(3)?, text(4)?, text(5)?);
    let description = format!(
        "{:?} (user {}, address {}, since {}, server process {pid})",
        application.unwrap_or_default(),
        user.as_deref().unwrap_or("unknown"),
        address.as_deref().unwrap_or("unknown or a Unix socket"),
        since.as_deref().unwrap_or("just now"),
    );
    Ok(Some(LockHolder { process: ServerProcess { pid, started_at }, description }))
}

/// Terminates a former connection of this store that the server still keeps open.
async fn terminate(
    shared: &Shared,
    connection: &WriteConnection,
    process: &ServerProcess,
) -> Result<(), Failure> {
    tracing::debug!(location = shared.location, pid = process.pid, "terminating a former connection");
    let statement = connection.client.prepare_cached(&shared.sql.terminate).await?;
    connection.client.query(&statement, &[&process.pid, &process.started_at]).await?;
    Ok(())
}
