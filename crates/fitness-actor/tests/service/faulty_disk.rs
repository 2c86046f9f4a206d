//! A redb database on an in-memory disk with injected faults.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Claim, Store, StoreError};
use fitness_store_redb::RedbStore;
use redb::StorageBackend;

/// The kind of a disk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Sync,
}

/// How a disk operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation has no effect.
    NoEffect(ErrorKind),
    /// The operation takes effect, but returns an error.
    AfterEffect(ErrorKind),
}

/// The name of the disk in error messages.
pub(crate) const DISK_NAME: &str = "in-memory disk";

pub(crate) const FULL: Fault = Fault::NoEffect(ErrorKind::StorageFull);
pub(crate) const BROKEN: Fault = Fault::NoEffect(ErrorKind::Other);
pub(crate) const RESULT_LOST: Fault = Fault::AfterEffect(ErrorKind::Other);

impl Fault {
    /// Returns whether the fault affects an operation of this kind. Only a broken disk fails to read.
    fn affects(self, operation: Operation) -> bool {
        self == BROKEN || operation != Operation::Read
    }

    /// Returns the index of the operation counter that this fault refers to.
    pub(crate) fn counter(self) -> usize {
        usize::from(self != BROKEN)
    }
}

#[derive(Debug, Default)]
pub(crate) struct DiskState {
    bytes: Vec<u8>,
    /// The number of all operations so far, and of those other than reads.
    pub(crate) operations: [usize; 2],
    /// The number of the operation that fails, and how.
    pub(crate) fault: Option<(usize, Fault)>,
    /// Whether all writes fail because the disk is full.
    pub(crate) full: bool,
    /// The number of failed operations.
    pub(crate) failed: usize,
}

/// An in-memory disk. Clones share the same data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<DiskState>>);

impl Disk {
    pub(crate) fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        RedbStore::with_backend(DISK_NAME, move || Ok(disk.clone()))
    }

    pub(crate) fn failing(number: usize, fault: Fault) -> Self {
        let disk = Self::default();
        disk.state().fault = Some((number, fault));
        disk
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap()
    }

    fn run<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut Vec<u8>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let numbers = state.operations;
        state.operations = [numbers[0] + 1, numbers[1] + usize::from(operation != Operation::Read)];
        let fault = match state.fault {
            Some((number, fault)) if fault.affects(operation) && number == numbers[fault.counter()] => {
                Some(fault)
            }
            _ if state.full && operation == Operation::Write => Some(FULL),
            _ => None,
        };
        state.failed += usize::from(fault.is_some());
        match fault {
            None => effect(&mut state.bytes),
            Some(Fault::NoEffect(kind)) => Err(kind.into()),
            Some(Fault::AfterEffect(kind)) => effect(&mut state.bytes).and(Err(kind.into())),
        }
    }
}

fn range(bytes: &mut [u8], offset: u64, len: usize) -> io::Result<&mut [u8]> {
    let offset = usize::try_from(offset).map_err(io::Error::other)?;
    bytes.get_mut(offset..offset + len).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.run(Operation::Read, |bytes| Ok(bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.run(Operation::Read, |bytes| {
            out.copy_from_slice(range(bytes, offset, out.len())?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(Operation::Write, |bytes| {
            bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(Operation::Sync, |_| Ok(()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.run(Operation::Write, |bytes| {
            range(bytes, offset, data.len())?.copy_from_slice(data);
            Ok(())
        })
    }
}

/// A database that blocks the calling thread. Redb works on threads of its own, and tokio's paused clock
/// would advance while a task waits for them.
pub(crate) struct Blocking(pub(crate) RedbStore);

#[async_trait::async_trait]
impl Store for Blocking {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        block_on(self.0.observers())
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        block_on(self.0.observer(observer))
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        block_on(self.0.peers(observer, after, limit))
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        block_on(self.0.peer(observer, node_id))
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        block_on(self.0.segments(observer, node_id, from, limit))
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        block_on(self.0.gaps(observer, from, limit))
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        block_on(self.0.claim(observer))
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        block_on(self.0.commit(observer, batch))
    }
}
