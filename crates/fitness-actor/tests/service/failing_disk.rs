//! A database on a disk of memory that fails as it is told.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Claim, Store, StoreError};
use fitness_store_redb::RedbStore;
use redb::StorageBackend;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Look,
    Change,
    Sync,
}

/// How a call of a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen.
    Refused(ErrorKind),
    /// It happens, and is reported as an error all the same.
    Done(ErrorKind),
}

pub(crate) const FULL: Fault = Fault::Refused(ErrorKind::StorageFull);
pub(crate) const BROKEN: Fault = Fault::Refused(ErrorKind::Other);
pub(crate) const ANSWER_LOST: Fault = Fault::Done(ErrorKind::Other);

impl Fault {
    /// Only what breaks breaks looks as well.
    fn concerns(self, call: Call) -> bool {
        self == BROKEN || call != Call::Look
    }

    /// Which of the counters of calls tells when.
    pub(crate) fn counter(self) -> usize {
        usize::from(self != BROKEN)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Platter {
    bytes: Vec<u8>,
    /// All calls so far, and those that were no looks.
    pub(crate) calls: [usize; 2],
    /// The call of that number fails.
    pub(crate) fault: Option<(usize, Fault)>,
    /// There is no room for anything new.
    pub(crate) full: bool,
    pub(crate) failed: usize,
}

/// A disk of memory. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    pub(crate) fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        RedbStore::with_backend("a disk of memory", move || Ok(disk.clone()))
    }

    pub(crate) fn failing(call: usize, fault: Fault) -> Self {
        let disk = Self::default();
        disk.platter().fault = Some((call, fault));
        disk
    }

    pub(crate) fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    fn call<T>(&self, call: Call, does: impl FnOnce(&mut Vec<u8>) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.platter();
        let numbers = platter.calls;
        platter.calls = [numbers[0] + 1, numbers[1] + usize::from(call != Call::Look)];
        let fault = match platter.fault {
            Some((number, fault)) if fault.concerns(call) && number == numbers[fault.counter()] => {
                Some(fault)
            }
            _ if platter.full && call == Call::Change => Some(FULL),
            _ => None,
        };
        platter.failed += usize::from(fault.is_some());
        match fault {
            None => does(&mut platter.bytes),
            Some(Fault::Refused(kind)) => Err(kind.into()),
            Some(Fault::Done(kind)) => does(&mut platter.bytes).and(Err(kind.into())),
        }
    }
}

fn part(bytes: &mut [u8], offset: u64, len: usize) -> io::Result<&mut [u8]> {
    let offset = usize::try_from(offset).map_err(io::Error::other)?;
    bytes.get_mut(offset..offset + len).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.call(Call::Look, |bytes| Ok(bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(Call::Look, |bytes| {
            out.copy_from_slice(part(bytes, offset, out.len())?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Call::Change, |bytes| {
            bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Call::Sync, |_| Ok(()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(Call::Change, |bytes| {
            part(bytes, offset, data.len())?.copy_from_slice(data);
            Ok(())
        })
    }
}

/// The database, whose threads are waited for here: a paused clock goes on while a task waits.
pub(crate) struct OnThisThread(pub(crate) RedbStore);

#[async_trait::async_trait]
impl Store for OnThisThread {
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
