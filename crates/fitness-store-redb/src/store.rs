//! The store: runs each read and each commit on a thread that may block.

use std::io;
use std::path::Path;
use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, LocalClaims, Store, StoreError};
use redb::StorageBackend;

use crate::commit_order::CommitOrder;
use crate::file::{Failure, File, Handle};
use crate::{open, read, write};

/// Fitness histories in one redb file.
///
/// One process at a time can have the file open for writing. Any other process, and a second store of the
/// same process, gets [`StoreError::Locked`]. The file is closed when the store has been dropped and its
/// last call has finished.
///
/// Commits survive crashes and power losses. Each commit is synced twice, first its data and then what
/// refers to it, so that neither a power loss nor a failed sync leaves half of a commit. After a crash the
/// next open repairs the file, for which it reads the whole file. If a disk reports a sync that it did not
/// do, the last commit may be lost; the file is then opened as of the commit before it, with a warning in
/// the log.
///
/// After an I/O error such as a full disk, calls fail with [`StoreError::Backend`] until the cause is gone.
/// Each call tries to open the file again, so the process need not be restarted.
#[derive(Debug)]
pub struct RedbStore {
    file: Arc<File>,
    order: CommitOrder,
    claims: LocalClaims,
}

impl RedbStore {
    /// Opens the file at `path`; creates it if it does not exist. Its directory must exist.
    ///
    /// An empty file, and a file whose creation was interrupted by a crash, is treated as a new one. A file
    /// of an older format is read as it is; the first commit upgrades it, and older releases reject it from
    /// then on. Blocks the thread, for longer if a repair is needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::OpenFailed`] if the file is not a fitness database or cannot be opened,
    /// [`StoreError::NewerFormat`], [`StoreError::Corrupt`], [`StoreError::Backend`] if a retry
    /// may help. A rejected file is left unchanged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let location = path.display().to_string();
        Self::on(location.clone(), move || open::writer(&path, &location))
    }

    /// Opens the file at `path` for reading. Commits fail with [`StoreError::ReadOnly`].
    ///
    /// Several processes can read a file at once, but not while another has it open for writing. The file is
    /// never changed. A file that was not closed properly is repaired in memory; then only one process at
    /// a time can read it, and it needs permission to write the file.
    ///
    /// # Errors
    ///
    /// As [`RedbStore::open`]; [`StoreError::OpenFailed`] if the file does not exist.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let location = path.display().to_string();
        Self::on(location.clone(), move || open::reader(&path, &location))
    }

    /// Opens a database on a storage backend of redb; creates it if the backend is empty.
    ///
    /// `connect` creates the backend, now and again after each failure. Errors name it as `location`.
    ///
    /// # Errors
    ///
    /// As [`RedbStore::open`].
    pub fn with_backend<B: StorageBackend>(
        location: impl Into<String>,
        connect: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let location = location.into();
        Self::on(location.clone(), move || {
            let connect = || {
                connect()
                    .map_err(|error| Failure::from(error).into_store_error("open the database", &location))
            };
            open::on_backend(connect, &location)
        })
    }

    fn on(
        location: String,
        open: impl Fn() -> Result<Handle, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            file: Arc::new(File::open(location, open)?),
            order: CommitOrder::default(),
            claims: LocalClaims::default(),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Handle, &str) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = Arc::clone(&self.file);
        blocking::unblock(move || file.with(operation, |handle| read(handle, file.location()))).await
    }
}

#[async_trait::async_trait]
impl Store for RedbStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.read("list the observers", |handle, _| read::observers(handle)).await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        let observer = *observer;
        self.read("read the observer", move |handle, at| read::observer(handle, at, &observer)).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let (observer, after) = (*observer, after.copied());
        let page = move |handle: &Handle, at: &str| read::peers(handle, at, &observer, after.as_ref(), limit);
        self.read("read the peers", page).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let (observer, node_id) = (*observer, *node_id);
        self.read("read a peer", move |handle, at| read::peer(handle, at, &observer, &node_id)).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let (observer, node_id) = (*observer, *node_id);
        let log =
            move |handle: &Handle, at: &str| read::segments(handle, at, &observer, &node_id, from, limit);
        self.read("read a log", log).await
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let observer = *observer;
        let gaps = move |handle: &Handle, at: &str| read::gaps(handle, at, &observer, from, limit);
        self.read("read the gaps", gaps).await
    }

    /// Covers this process. The file lock keeps other processes from writing.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.claims.acquire(observer, self.file.location())
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (file, observer) = (Arc::clone(&self.file), *observer);
        let task = self.order.begin(|mut turn| {
            blocking::unblock(move || {
                turn.wait();
                let result = file.with("store a batch", |handle| {
                    write::commit(handle, file.location(), &observer, &batch)
                });
                // Before the turn ends: the next one may rely on the file being closed if the store is gone.
                drop(file);
                drop(turn);
                result
            })
        });
        task.await
    }
}
