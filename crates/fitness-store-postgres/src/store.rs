//! The store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, LocalClaims, Store, StoreError, codec};
use tokio::sync::mpsc::UnboundedSender;

use crate::PostgresStoreBuilder;
use crate::claim_task::ClaimEvent;
use crate::failure::Failure;
use crate::shared::Shared;

/// Fitness histories of any number of nodes in one PostgreSQL database.
///
/// **Runtime.** All calls, and drops of their futures, must happen in a tokio runtime with I/O and time
/// enabled. The runtime in which the store was opened must outlive it.
///
/// **Connections.** One connection writes, and up to
/// [`max_read_connections`](PostgresStoreBuilder::max_read_connections) connections read. All are closed when
/// the store is dropped. Each must have its own session on the server: configure a connection pooler
/// accordingly (PgBouncer: `pool_mode = session`).
///
/// **Commits.** Each commit is one transaction. Commits are applied in the order in which they began, and a
/// read that begins after a commit has returned sees it. A lost connection is replaced by the next operation
/// that needs it. After [`StoreError::Backend`] a commit can be retried, because a batch that is stored twice
/// has the same effect as one that is stored once. The store itself retries a commit if the connection was
/// lost before anything was sent, or if two transactions conflicted.
///
/// **Claims** cover the whole database: of two stores, in one process or on different machines, only one can
/// claim an observer. The server releases a claim when its holder's connection ends. If the holder's machine
/// disappears without closing the connection, that takes about a minute.
///
/// A commit without a claim claims its observer until the store is dropped. It fails if another store has
/// committed since this one read the observer's history, because this store's data is then out of date.
///
/// A holder whose connection was lost claims its observer again. If another store has claimed the observer
/// and committed in between, all further commits of the former holder fail and store nothing.
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// Excludes a second claim of an observer within this store.
    local_claims: LocalClaims,
    next_token: AtomicU64,
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
    /// Opens the database at a URL such as `postgres://user:password@host:port/database`.
    ///
    /// Creates the schema and the tables if they do not exist, and migrates older tables. Any number of nodes
    /// can do so at the same time. The [crate documentation](crate) lists the parameters of the URL.
    ///
    /// # Errors
    ///
    /// [`StoreError::OpenFailed`] if the URL, the password, a privilege or a certificate must be corrected,
    /// [`StoreError::NewerFormat`] if a later release has migrated the tables, [`StoreError::Backend`] if a
    /// retry may help. No error contains the password.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).open().await
    }

    /// Opens the database for reading.
    ///
    /// Commits and claims fail with [`StoreError::ReadOnly`]. The store changes nothing, so the server can be
    /// a standby.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`]; [`StoreError::OpenFailed`] if the database does not contain the tables.
    pub async fn open_read_only(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).open_read_only().await
    }

    /// Returns a builder, for settings that the URL does not contain.
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url)
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, local_claims: LocalClaims::default(), next_token: AtomicU64::new(0) }
    }

    /// Returns the database's location without secrets: `postgres://user@host:port/database`.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.shared.location
    }

    fn store_result<T>(&self, operation: &'static str, result: Result<T, Failure>) -> Result<T, StoreError> {
        result.map_err(|failure| failure.into_store_error(operation, &self.shared.location))
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.shared.is_read_only {
            return Err(StoreError::ReadOnly { location: self.shared.location.clone() });
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.store_result("list the observers", self.shared.reader().observers().await)
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        let read = async {
            self.shared.record_commit_count(observer).await?;
            self.shared.reader().observer(observer).await
        };
        self.store_result("read the observer", read.await)
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let read = async {
            self.shared.record_commit_count(observer).await?;
            self.shared.reader().peers(observer, after, limit).await
        };
        self.store_result("read the peers", read.await)
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let read = async {
            self.shared.record_commit_count(observer).await?;
            self.shared.reader().peer(observer, node_id).await
        };
        self.store_result("read a peer", read.await)
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let read = async {
            self.shared.record_commit_count(observer).await?;
            self.shared.reader().segments(observer, node_id, from, limit).await
        };
        self.store_result("read a log", read.await)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let read = async {
            self.shared.record_commit_count(observer).await?;
            self.shared.reader().gaps(observer, from, limit).await
        };
        self.store_result("read the gaps", read.await)
    }

    /// Claims the observer. The claim excludes all other stores on this database.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.check_writable()?;
        let local_claim = self.local_claims.acquire(observer, &self.shared.location)?;
        let number = self.next_token.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.shared.writer.lock().await;
        let claimed = self.shared.with_timeout(writer.claim(&self.shared, observer, number)).await;
        self.store_result("claim the observer", claimed)?;
        Ok(Claim::new(ClaimToken {
            observer: *observer,
            number,
            claim_events: self.shared.claim_events.clone(),
            _local_claim: local_claim,
        }))
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.check_writable()?;
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.shared.writer.lock().await;
        let committed = self.shared.with_timeout(writer.commit(&self.shared, observer, &batch)).await;
        self.store_result("commit a batch", committed)
    }
}

/// The guard of a claim. Dropping it releases the claim.
struct ClaimToken {
    observer: NodeId,
    number: u64,
    claim_events: UnboundedSender<ClaimEvent>,
    _local_claim: Claim,
}

impl Drop for ClaimToken {
    fn drop(&mut self) {
        // If the background task has ended, the store was dropped, and its connections and locks with it.
        let _ = self.claim_events.send(ClaimEvent::TokenDropped(self.observer, self.number));
    }
}
