//! The connection for writing, which makes one commit at a time.
//!
//! An operation takes the connection out of the writer and returns it when it has succeeded. If the future
//! of a commit is dropped, so is the connection, and the server either rolls the transaction back or has
//! already committed it. The next operation uses a new connection and a higher epoch, so whatever the
//! server still receives on the old connection fails at the check of the epoch.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::Batch;
use tokio_postgres::types::ToSql;

use crate::claim::Precondition;
use crate::claim_task::ConnectionEndGuard;
use crate::connection::{ServerProcess, WriteConnection};
use crate::failure::Failure;
use crate::shared::Shared;
use crate::write_batch::write_batch;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// How often a transaction is retried after a conflict with another one.
const MAX_CONFLICT_RETRIES: u32 = 3;

/// How many server processes of this store's connections are remembered.
const MAX_OWN_PROCESSES: usize = 16;

/// The claim of an observer by this store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldClaim {
    /// The epoch in the table `claims`, unless another store has claimed the observer since.
    pub(crate) epoch: i64,
    /// The number of the connection that has the lock.
    pub(crate) connection: u64,
}

#[derive(Default)]
pub(crate) struct Writer {
    connection: Option<WriteConnection>,
    /// How many connections were opened.
    connection_count: u64,
    /// The server processes of this store's connections. If one of them still has a lock, the server has
    /// not noticed yet that the connection was abandoned.
    pub(crate) own_processes: VecDeque<ServerProcess>,
    pub(crate) claims: HashMap<NodeId, HeldClaim>,
    /// The number of the latest claim token of each observer, until it is dropped.
    tokens: HashMap<NodeId, u64>,
}

/// The failure of a commit.
enum CommitFailure {
    /// It happened before anything of the batch was sent.
    BeforeBatch(Failure),
    DuringBatch(Failure),
}

impl Writer {
    /// Commits a batch.
    pub(crate) async fn commit(
        &mut self,
        shared: &Shared,
        observer: &NodeId,
        batch: &Arc<Batch>,
    ) -> Result<(), Failure> {
        let (mut conflicts, mut has_reconnected) = (0, false);
        loop {
            let connection = self.take_connection(shared).await?;
            let failure = match self.try_commit(shared, &connection, observer, batch).await {
                Ok(commits) => {
                    shared.set_commit_count(observer, commits);
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let (failure, nothing_sent) = match failure {
                CommitFailure::BeforeBatch(failure) => (connection.with_lost_reason(failure), true),
                CommitFailure::DuringBatch(failure) => (connection.with_lost_reason(failure), false),
            };
            if failure.breaks_connection() {
                // The connection may have been lost while it was idle, so retry once on a new one.
                if nothing_sent && !has_reconnected {
                    has_reconnected = true;
                    continue;
                }
                return Err(failure);
            }
            self.return_connection(connection).await;
            conflicts += 1;
            if !failure.is_conflict() || conflicts > MAX_CONFLICT_RETRIES {
                return Err(failure);
            }
        }
    }

    /// Commits a batch on a connection and returns the observer's number of commits.
    async fn try_commit(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
        batch: &Arc<Batch>,
    ) -> Result<i64, CommitFailure> {
        let commits = self.begin(shared, connection, observer).await.map_err(CommitFailure::BeforeBatch)?;
        let write = async {
            write_batch(&connection.client, &shared.sql, observer, batch).await?;
            connection.client.batch_execute("COMMIT").await?;
            Ok(commits)
        };
        write.await.map_err(CommitFailure::DuringBatch)
    }

    /// Begins a transaction in which no other store can claim the observer, and returns the observer's number
    /// of commits, including this one.
    async fn begin(
        &mut self,
        shared: &Shared,
        connection: &WriteConnection,
        observer: &NodeId,
    ) -> Result<i64, Failure> {
        let epoch = self.ensure_claim(shared, connection, observer, Precondition::Unchanged).await?;
        let fence = connection.client.prepare_cached(&shared.sql.fence).await?;
        let row = {
            let (id, session) = (&observer.0[..], &shared.session_id[..]);
            let params: [&(dyn ToSql + Sync); 3] = [&id, &session, &epoch];
            // Both statements are sent without waiting for the reply to the first.
            let (begun, fenced) = tokio::join!(
                connection.client.batch_execute(BEGIN),
                connection.client.query_opt(&fence, &params)
            );
            begun?;
            fenced?
        };
        if let Some(row) = row {
            return Ok(row.try_get(0)?);
        }
        // Another store has claimed the observer in spite of our lock: the server has no advisory locks.
        connection.client.batch_execute("ROLLBACK").await?;
        self.give_up_claim(shared, connection, observer).await?;
        Err(Failure::ClaimConflict)
    }

    /// Claims an observer for the token with this number. The caller reads the history afterwards.
    pub(crate) async fn claim(
        &mut self,
        shared: &Shared,
        observer: &NodeId,
        token: u64,
    ) -> Result<(), Failure> {
        let (mut conflicts, mut has_reconnected) = (0, false);
        loop {
            let connection = self.take_connection(shared).await?;
            let failure = match self.ensure_claim(shared, &connection, observer, Precondition::None).await {
                Ok(_) => {
                    self.connection = Some(connection);
                    self.tokens.insert(*observer, token);
                    return Ok(());
                }
                Err(failure) => connection.with_lost_reason(failure),
            };
            if failure.breaks_connection() {
                if has_reconnected {
                    return Err(failure);
                }
                has_reconnected = true;
                continue;
            }
            self.return_connection(connection).await;
            conflicts += 1;
            if !failure.is_conflict() || conflicts > MAX_CONFLICT_RETRIES {
                return Err(failure);
            }
        }
    }

    /// Gives up the claim of a dropped token, unless the observer has a newer token.
    pub(crate) async fn release_token(&mut self, shared: &Shared, observer: &NodeId, token: u64) {
        if self.tokens.get(observer) != Some(&token) {
            return;
        }
        self.tokens.remove(observer);
        let Some(connection) = self.connection.take() else {
            self.claims.remove(observer);
            return;
        };
        // On failure the connection is dropped, which releases all locks.
        if self.give_up_claim(shared, &connection, observer).await.is_ok() {
            self.connection = Some(connection);
        }
    }

    /// Reconnects if a connection with locks was lost, and claims its observers again.
    pub(crate) async fn reacquire_claims(&mut self, shared: &Shared) -> Result<(), Failure> {
        let current = self.connection.as_ref().filter(|connection| !connection.client.is_closed());
        let current = current.map(|connection| connection.number);
        let lost = self.claims.iter().filter(|(_, claim)| Some(claim.connection) != current);
        let lost: Vec<NodeId> = lost.map(|(observer, _)| *observer).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let connection = self.take_connection(shared).await?;
        for observer in lost {
            match self.ensure_claim(shared, &connection, &observer, Precondition::Unchanged).await {
                Ok(_) => {}
                Err(Failure::Store(error)) => {
                    tracing::warn!(%observer, location = shared.location, %error, "claim lost");
                }
                Err(failure) => return Err(connection.with_lost_reason(failure)),
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Takes the connection out of the writer, or opens a new one.
    async fn take_connection(&mut self, shared: &Shared) -> Result<WriteConnection, Failure> {
        if let Some(connection) = self.connection.take().filter(|connection| !connection.client.is_closed()) {
            return Ok(connection);
        }
        self.connection_count += 1;
        let guard = ConnectionEndGuard(shared.claim_events.clone());
        let connection = shared.connector.open_write_connection(self.connection_count, guard).await?;
        if self.connection_count > 1 {
            tracing::debug!(location = shared.location, "reconnected");
        }
        self.remember_process(&connection);
        Ok(connection)
    }

    /// Creates a writer from the store's first connection.
    pub(crate) fn with_connection(connection: WriteConnection) -> Self {
        let mut writer = Self { connection_count: connection.number, ..Self::default() };
        writer.remember_process(&connection);
        writer.connection = Some(connection);
        writer
    }

    fn remember_process(&mut self, connection: &WriteConnection) {
        self.own_processes.truncate(MAX_OWN_PROCESSES - 1);
        self.own_processes.push_front(connection.process.clone());
    }

    /// Rolls back a failed transaction and keeps the connection; drops it if that fails.
    async fn return_connection(&mut self, connection: WriteConnection) {
        if connection.client.batch_execute("ROLLBACK").await.is_ok() {
            self.connection = Some(connection);
        }
    }
}

impl WriteConnection {
    /// Replaces an error of the client library with the reason for which the connection was lost, if known.
    fn with_lost_reason(&self, failure: Failure) -> Failure {
        match (failure, self.lost_reason()) {
            (Failure::Database(error), Some(reason)) if error.as_db_error().is_none() => {
                Failure::ConnectionLost(reason.to_owned())
            }
            (failure, _) => failure,
        }
    }
}
