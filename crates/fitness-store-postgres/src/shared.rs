//! The state that a store, its background task and its writer share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use fitness_core::NodeId;
use tokio::sync::mpsc::UnboundedSender;

use crate::claim_task::ClaimEvent;
use crate::connection::Connector;
use crate::failure::Failure;
use crate::read::Reader;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::writer::Writer;

/// The random number that identifies an open store in the table `claims`.
pub(crate) type SessionId = [u8; 16];

pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) sql: Sql,
    /// The location in errors and logs.
    pub(crate) location: String,
    pub(crate) session_id: SessionId,
    /// The name of the holder in the error that another store gets.
    pub(crate) application_name: String,
    /// The longest time for a statement on the server.
    pub(crate) statement_timeout: Duration,
    /// How long a claim waits for the claim of another store to end.
    pub(crate) claim_timeout: Duration,
    pub(crate) is_read_only: bool,
    /// Commits hold this lock, so there is one at a time. tokio's lock is fair, so they keep their order.
    pub(crate) writer: tokio::sync::Mutex<Writer>,
    pub(crate) claim_events: UnboundedSender<ClaimEvent>,
    /// For each observer, the number of commits when this store first read its history or last committed.
    commit_counts: Mutex<HashMap<NodeId, i64>>,
}

/// The fields of [`Shared`] that the builder determines.
pub(crate) struct StoreConfig {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) location: String,
    pub(crate) application_name: String,
    pub(crate) statement_timeout: Duration,
    pub(crate) claim_timeout: Duration,
    pub(crate) is_read_only: bool,
}

impl Shared {
    pub(crate) fn new(
        config: StoreConfig,
        session_id: SessionId,
        writer: Writer,
        claim_events: UnboundedSender<ClaimEvent>,
    ) -> Self {
        Self {
            sql: Sql::new(&config.schema),
            connector: config.connector,
            pool: config.pool,
            schema: config.schema,
            location: config.location,
            session_id,
            application_name: config.application_name,
            statement_timeout: config.statement_timeout,
            claim_timeout: config.claim_timeout,
            is_read_only: config.is_read_only,
            writer: tokio::sync::Mutex::new(writer),
            claim_events,
            commit_counts: Mutex::default(),
        }
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            pool: &self.pool,
            sql: &self.sql,
            location: &self.location,
            timeout: reply_timeout(self.statement_timeout),
        }
    }

    /// Returns the number of commits that the observer's history contained when this store read it, or when
    /// it last committed.
    pub(crate) fn commit_count(&self, observer: &NodeId) -> Option<i64> {
        self.commit_counts.lock().unwrap_or_else(PoisonError::into_inner).get(observer).copied()
    }

    pub(crate) fn set_commit_count(&self, observer: &NodeId, commits: i64) {
        self.commit_counts.lock().unwrap_or_else(PoisonError::into_inner).insert(*observer, commits);
    }

    /// Records the observer's number of commits before its history is read for the first time.
    ///
    /// A commit without a claim can then detect that another store has committed since.
    pub(crate) async fn record_commit_count(&self, observer: &NodeId) -> Result<(), Failure> {
        if !self.is_read_only && self.commit_count(observer).is_none() {
            let commits = self.reader().commit_count(observer).await?;
            let mut counts = self.commit_counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.entry(*observer).or_insert(commits);
        }
        Ok(())
    }

    /// Fails with [`Failure::NoReply`] if the server does not reply in time.
    pub(crate) async fn with_timeout<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        with_timeout(reply_timeout(self.statement_timeout), operation).await
    }
}

/// Returns how long to wait for a reply: longer than the server's own timeout, so that the server's error
/// arrives first.
pub(crate) fn reply_timeout(statement_timeout: Duration) -> Duration {
    statement_timeout + statement_timeout.min(Duration::from_secs(5))
}

pub(crate) async fn with_timeout<T>(
    timeout: Duration,
    operation: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(timeout, operation).await.unwrap_or(Err(Failure::NoReply(timeout)))
}
