//! The store itself: each question and each commit on a thread that may block.

use std::io;
use std::path::Path;
use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, LocalClaims, Store, StoreError};
use redb::StorageBackend;

use crate::file::{Fault, File, Handle};
use crate::order::Order;
use crate::{open, read, write};

/// Fitness histories in one redb file.
///
/// One process at a time may have the file open for writing; any other is refused with
/// [`StoreError::Locked`], and so is a second handle of the same process. The file is closed when
/// the store and its last unfinished call are gone; whatever was committed is there then, and after
/// a crash as well: each commit is synced twice, first what it wrote and then what refers to it, so
/// that neither a power loss nor a sync that fails leaves half of one. After a crash the next opening
/// repairs the file, which means reading all of it. A disk that says it synced and did not can cost
/// the last commit; then the file is opened as the one before left it, and the log says so.
///
/// After a failure of the system (a full disk, say) calls fail with [`StoreError::Backend`] until
/// it is over; every call opens the file anew, and none needs the process to be restarted.
#[derive(Debug)]
pub struct RedbStore {
    file: Arc<File>,
    order: Order,
    claims: LocalClaims,
}

impl RedbStore {
    /// Opens the file at `path`, and creates it where there is none, but not its directory.
    ///
    /// An empty file counts as none, and so does one whose creation was cut short by a crash. One of
    /// an earlier format is read as it is; the first commit makes it one of the present format, and
    /// from then on the releases before refuse it.
    /// Blocks, for longer where a crash has to be repaired.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::OpenFailed`] where it is no such file or may not be opened,
    /// [`StoreError::NewerFormat`], [`StoreError::Corrupt`], [`StoreError::Backend`] where trying
    /// again may help. A file that was refused is as it was, to the byte.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let location = path.display().to_string();
        Self::on(location.clone(), move || open::writer(&path, &location))
    }

    /// Opens the file at `path` to read. Commits are refused with [`StoreError::ReadOnly`].
    ///
    /// Several processes can read a file at once, but none while one has it open for writing. The
    /// file is never changed. One that was not closed properly is repaired in memory; it can be
    /// read by one process at a time, and by one alone that might also write it.
    ///
    /// # Errors
    ///
    /// As [`RedbStore::open`]; a file that is not there is [`StoreError::OpenFailed`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let location = path.display().to_string();
        Self::on(location.clone(), move || open::reader(&path, &location))
    }

    /// Opens what a storage backend of redb's holds, and creates it where that is empty.
    ///
    /// `connect` makes the backend, now and again after each failure of it. `location` names it in
    /// errors.
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
            let connect =
                || connect().map_err(|error| Fault::from(error).explain("open the database", &location));
            open::on_backend(connect, &location)
        })
    }

    fn on(
        location: String,
        open: impl Fn() -> Result<Handle, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            file: Arc::new(File::open(location, open)?),
            order: Order::default(),
            claims: LocalClaims::default(),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Handle, &str) -> Result<T, Fault> + Send + 'static,
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

    /// No other process can have opened the file to write.
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
                let done = file.with("store a batch", |handle| {
                    write::commit(handle, file.location(), &observer, &batch)
                });
                // Whoever comes next may find the file closed, if the store is gone.
                drop(file);
                drop(turn);
                done
            })
        });
        task.await
    }
}
