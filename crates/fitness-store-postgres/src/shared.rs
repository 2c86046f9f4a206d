//! What the handle of a store, its keeper and its writer have in common.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use fitness_core::NodeId;
use tokio::sync::mpsc::UnboundedSender;

use crate::connect::Connector;
use crate::error::Fault;
use crate::keeper::Word;
use crate::read::Reader;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::writer::Writer;

/// Names a store among all that ever claimed something: a random number.
pub(crate) type Session = [u8; 16];

pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) sql: Sql,
    /// For errors and logs.
    pub(crate) location: String,
    pub(crate) session: Session,
    /// What others are told who holds a claim.
    pub(crate) application: String,
    /// How long a statement may take.
    pub(crate) timeout: Duration,
    /// How long somebody who holds a claim has to go.
    pub(crate) claim_timeout: Duration,
    pub(crate) is_read_only: bool,
    /// One commit at a time, in the order in which they came: tokio's lock is fair.
    pub(crate) writer: tokio::sync::Mutex<Writer>,
    pub(crate) words: UnboundedSender<Word>,
    /// How many commits each observer had when this store read it, or made one itself.
    known: Mutex<HashMap<NodeId, i64>>,
}

/// All of [`Shared`] that is chosen from outside.
pub(crate) struct Parts {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) location: String,
    pub(crate) application: String,
    pub(crate) timeout: Duration,
    pub(crate) claim_timeout: Duration,
    pub(crate) is_read_only: bool,
}

impl Shared {
    pub(crate) fn new(parts: Parts, session: Session, writer: Writer, words: UnboundedSender<Word>) -> Self {
        let Parts { connector, pool, schema, location, application, timeout, claim_timeout, is_read_only } =
            parts;
        Self {
            sql: Sql::new(&schema),
            connector,
            pool,
            schema,
            location,
            session,
            application,
            timeout,
            claim_timeout,
            is_read_only,
            writer: tokio::sync::Mutex::new(writer),
            words,
            known: Mutex::default(),
        }
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { pool: &self.pool, sql: &self.sql, location: &self.location, limit: limit(self.timeout) }
    }

    /// What this store knows of an observer is as of so many commits.
    pub(crate) fn known(&self, observer: &NodeId) -> Option<i64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(observer).copied()
    }

    pub(crate) fn know(&self, observer: &NodeId, commits: i64) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(*observer, commits);
    }

    /// Notes how many commits an observer had before its history is read for the first time. Whoever
    /// goes on from what he read, and has not claimed it, is found out where others did, too.
    pub(crate) async fn about_to_read(&self, observer: &NodeId) -> Result<(), Fault> {
        if !self.is_read_only && self.known(observer).is_none() {
            let commits = self.reader().commits(observer).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(*observer).or_insert(commits);
        }
        Ok(())
    }

    /// Gives up on a server that does not answer at all.
    pub(crate) async fn limited<T>(&self, doing: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        limited(limit(self.timeout), doing).await
    }
}

/// A little longer than the server gives itself, which then can still say so.
pub(crate) fn limit(timeout: Duration) -> Duration {
    timeout + timeout.min(Duration::from_secs(5))
}

pub(crate) async fn limited<T>(
    limit: Duration,
    doing: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(limit, doing).await.unwrap_or(Err(Fault::Silent(limit)))
}
