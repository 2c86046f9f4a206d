//! The store itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, LocalClaims, Store, StoreError, codec};
use tokio::sync::mpsc::UnboundedSender;

use crate::PostgresStoreBuilder;
use crate::error::Fault;
use crate::keeper::Word;
use crate::shared::Shared;

/// Fitness histories of any number of nodes in one PostgreSQL database.
///
/// **Runtime.** All of it, opening, asking and dropping futures, belongs in a tokio runtime whose I/O and
/// time drivers are enabled; the one it was opened in has to outlive it.
///
/// **Connections.** One writes, a few read ([`PostgresStoreBuilder::max_read_connections`]), and all are closed when the store is
/// dropped. They are the server's own sessions: a pooler in between has to give each its own (PgBouncer's
/// `pool_mode = session`).
///
/// **Commits** are one transaction each, in the order in which they were begun. A read that begins after
/// a commit has returned sees it. A connection that was lost is made again by whatever needs it next. What
/// fails is [`StoreError::Backend`] and may be tried again: the rows of a batch are the same whether they
/// are stored once or twice. It is tried again here where nothing had been sent yet, and where two
/// transactions got into each other's way.
///
/// **LocalClaims** reach as far as the database: of two stores, in one process or in two on different machines,
/// one gets an observer. The server lets go of a claim when its holder's connection ends; of a machine
/// that is gone without a word, after about a minute. A commit without a claim claims its observer until the store is
/// dropped. It is refused where another store has stored something since this one read the observer's
/// history: what it knows is out of date. A holder whose connection was lost takes its claim again; if
/// another was quicker, and stored something, all its commits are refused from then on, and nothing of
/// them is stored.
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// Within this store.
    claims: LocalClaims,
    tokens: AtomicU64,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("location", &self.shared.location)
            .field("schema", &self.shared.schema.name())
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the database that a URL names: `postgres://user:password@host:port/database`.
    ///
    /// Where the schema or its tables are not there, or are older, they are made; any number of nodes may
    /// do so at once. The crate's page has the parameters that a URL can have.
    ///
    /// # Errors
    ///
    /// [`StoreError::OpenFailed`] where somebody has to act (the URL, the password, a right, a certificate),
    /// [`StoreError::NewerFormat`] where a later release has been there, [`StoreError::Backend`] where
    /// trying again may help. None of them contains the password.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).open().await
    }

    /// Opens the database to read. Commits and claims are refused with [`StoreError::ReadOnly`], nothing
    /// is ever changed, and a standby will do.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`]; a database without our tables is [`StoreError::OpenFailed`].
    pub async fn open_read_only(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).open_read_only().await
    }

    /// How the database is to be opened, where the URL does not say.
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url)
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, claims: LocalClaims::default(), tokens: AtomicU64::new(0) }
    }

    /// Where the data is, in words fit for a log: `postgres://user@host:port/database`.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.shared.location
    }

    fn explain<T>(&self, operation: &'static str, done: Result<T, Fault>) -> Result<T, StoreError> {
        done.map_err(|fault| fault.explain(operation, &self.shared.location))
    }

    fn refuse_to_write(&self) -> Result<(), StoreError> {
        if self.shared.is_read_only {
            return Err(StoreError::ReadOnly { location: self.shared.location.clone() });
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.explain("list the observers", self.shared.reader().observers().await)
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        let read = async {
            self.shared.about_to_read(observer).await?;
            self.shared.reader().observer(observer).await
        };
        self.explain("read the observer", read.await)
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let read = async {
            self.shared.about_to_read(observer).await?;
            self.shared.reader().peers(observer, after, limit).await
        };
        self.explain("read the peers", read.await)
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let read = async {
            self.shared.about_to_read(observer).await?;
            self.shared.reader().peer(observer, node_id).await
        };
        self.explain("read a peer", read.await)
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let read = async {
            self.shared.about_to_read(observer).await?;
            self.shared.reader().segments(observer, node_id, from, limit).await
        };
        self.explain("read a log", read.await)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let read = async {
            self.shared.about_to_read(observer).await?;
            self.shared.reader().gaps(observer, from, limit).await
        };
        self.explain("read the gaps", read.await)
    }

    /// Of all stores on this database, one has it.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.refuse_to_write()?;
        let within = self.claims.acquire(observer, &self.shared.location)?;
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.shared.writer.lock().await;
        let claimed = self.shared.limited(writer.claim(&self.shared, observer, token)).await;
        self.explain("claim the observer", claimed)?;
        Ok(Claim::new(Token {
            observer: *observer,
            number: token,
            words: self.shared.words.clone(),
            _within: within,
        }))
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.refuse_to_write()?;
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.shared.writer.lock().await;
        let stored = self.shared.limited(writer.commit(&self.shared, observer, &batch)).await;
        self.explain("store a batch", stored)
    }
}

/// What a claim holds on to.
struct Token {
    observer: NodeId,
    number: u64,
    words: UnboundedSender<Word>,
    _within: Claim,
}

impl Drop for Token {
    fn drop(&mut self) {
        // Without a keeper the store is gone, and all its locks with it.
        let _ = self.words.send(Word::Released(self.observer, self.number));
    }
}
