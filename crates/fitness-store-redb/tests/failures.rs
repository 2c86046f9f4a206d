//! What the system does to a store while it is open: disks that fill up, reads that fail, power
//! that goes. The store is put on a disk of memory that can be told to do all of that.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fitness_core::{
    Changes, GapCause, GapRecord, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence, Totals,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Replacement, Store, StoreError};
use fitness_store_redb::RedbStore;
use redb::StorageBackend;

const OBSERVER: NodeId = NodeId([3; 33]);
const PEERS: u8 = 50;
/// A file that an earlier release wrote.
const FORMAT_1: &[u8] = include_bytes!("fixtures/format-1.redb");

/// What is on the disk, and what would be there after the power went.
#[derive(Debug, Default)]
struct Images {
    live: Vec<u8>,
    durable: Vec<u8>,
}

/// A disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
struct Disk {
    images: Arc<Mutex<Images>>,
    /// Refuses to write, as one that is full.
    full: Arc<AtomicBool>,
    /// Refuses to read.
    unreadable: Arc<AtomicBool>,
    /// After so many more writes and syncs the power goes.
    power: Arc<AtomicU64>,
}

impl Disk {
    fn new() -> Self {
        let disk = Self::default();
        disk.power.store(u64::MAX, Ordering::SeqCst);
        disk
    }

    /// A disk with what the power loss left on this one: the synced bytes alone, or with all that
    /// was written since.
    fn after_power_loss(&self, with_unsynced: bool) -> Self {
        let images = self.images();
        let left = if with_unsynced { images.live.clone() } else { images.durable.clone() };
        Self::holding(&left)
    }

    /// A disk with these bytes on it.
    fn holding(bytes: &[u8]) -> Self {
        let disk = Self::new();
        *disk.images() = Images { durable: bytes.to_vec(), live: bytes.to_vec() };
        disk
    }

    fn images(&self) -> MutexGuard<'_, Images> {
        self.images.lock().expect("no test panics while it has the disk")
    }

    fn step(&self) -> std::io::Result<()> {
        let spend = self.power.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        spend.map(drop).map_err(|_| Error::other("the power is gone"))
    }

    fn check_full(&self) -> std::io::Result<()> {
        if self.full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        RedbStore::with_backend("a disk of memory", move || Ok(disk.clone()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.images().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(Error::other("the disk does not answer"));
        }
        let offset = usize::try_from(offset).map_err(Error::other)?;
        let images = self.images();
        let bytes = images.live.get(offset..offset + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.check_full()?;
        self.step()?;
        self.images().live.resize(usize::try_from(len).map_err(Error::other)?, 0);
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.step()?;
        let mut images = self.images();
        images.durable = images.live.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check_full()?;
        self.step()?;
        let offset = usize::try_from(offset).map_err(Error::other)?;
        let mut images = self.images();
        images
            .live
            .get_mut(offset..offset + data.len())
            .ok_or(ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}

/// A batch that bears `version` all over.
fn marked(version: u32) -> Arc<Batch> {
    let peer = |number: u8| PeerRecord {
        node_id: NodeId([number; 33]),
        watched: true,
        awaited: false,
        first_seen_ns: 1,
        presence: Presence::Online,
        since_ns: 2,
        totals: Totals::default(),
        flap_count: version,
        last_flap_ns: None,
        disconnects: 6,
        log_end: version,
        channels: Vec::new(),
    };
    let entry = LogEntry::new(u64::from(version), Presence::Online, Totals::default());
    let segment = LogSegment { node_id: NodeId([0; 33]), first: 0, entries: vec![entry; 64] };
    let replacement = Replacement {
        node_id: NodeId([1; 33]),
        below: 1,
        segments: vec![LogSegment { node_id: NodeId([1; 33]), first: 0, entries: vec![entry; 64] }],
    };
    let at_ns = u64::from(version);
    let gap = GapRecord { number: version, cause: GapCause::Suspended, from_ns: at_ns, to_ns: at_ns };
    let heartbeat = ObserverRecord { started_at_ns: 1, heartbeat_ns: at_ns, ..ObserverRecord::default() };
    Arc::new(Batch {
        changes: Changes {
            peers: (0..PEERS).map(peer).collect(),
            segments: vec![segment],
            gaps: vec![gap],
            ..Changes::default()
        },
        observer: Some(heartbeat),
        replaced: vec![replacement],
        gaps_before: Some(version),
    })
}

/// The version of the batch that all that is stored is of; 0 if nothing is.
fn version(store: &RedbStore) -> Result<u32, StoreError> {
    block_on(async {
        let peers = store.peers(&OBSERVER, None, 1_000).await?;
        let log = store.segments(&OBSERVER, &NodeId([0; 33]), 0, 10).await?;
        let replaced = store.segments(&OBSERVER, &NodeId([1; 33]), 0, 10).await?;
        let gaps = store.gaps(&OBSERVER, 0, 10).await?;
        let observer = store.observer(&OBSERVER).await?;
        let Some(first) = peers.first() else {
            assert!(log.is_empty() && replaced.is_empty() && gaps.is_empty(), "a part of a batch");
            assert!(observer.is_none(), "a part of a batch");
            return Ok(0);
        };
        let version = first.flap_count;
        assert_eq!(peers.len(), usize::from(PEERS));
        assert!(peers.iter().all(|peer| peer.flap_count == version), "a part of a batch");
        assert_eq!(log[0].entries[0].at_ns(), u64::from(version));
        assert_eq!(replaced[0].entries[0].at_ns(), u64::from(version));
        assert_eq!(gaps.iter().map(|gap| gap.number).collect::<Vec<_>>(), [version]);
        assert_eq!(observer.map(|record| record.heartbeat_ns), Some(u64::from(version)));
        Ok(version)
    })
}

fn assert_transient(error: &StoreError) {
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("a disk of memory"), "{error}");
}

#[test]
fn a_full_disk_loses_nothing_and_passes() {
    let disk = Disk::new();
    let store = disk.open().expect("a store");
    block_on(store.commit(&OBSERVER, marked(1))).expect("a commit");
    for round in 0..3 {
        disk.full.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let error = block_on(store.commit(&OBSERVER, marked(100))).expect_err("the disk is full");
            assert_transient(&error);
        }
        disk.full.store(false, Ordering::SeqCst);
        // Nothing needs to be opened by the user: the store works again as soon as the disk does.
        block_on(store.commit(&OBSERVER, marked(round + 2))).expect("a commit");
        assert_eq!(version(&store).expect("an answer"), round + 2);
    }
    drop(store);
    assert_eq!(version(&disk.open().expect("a store")).expect("an answer"), 4);
}

#[test]
fn a_disk_that_does_not_answer_passes() {
    let disk = Disk::new();
    let store = disk.open().expect("a store");
    block_on(store.commit(&OBSERVER, marked(1))).expect("a commit");
    // Everything is in memory until the file has to be opened again.
    disk.full.store(true, Ordering::SeqCst);
    assert_transient(&block_on(store.commit(&OBSERVER, marked(100))).expect_err("the disk is full"));
    disk.full.store(false, Ordering::SeqCst);
    disk.unreadable.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_transient(&version(&store).expect_err("the disk does not answer"));
    }
    disk.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&store).expect("an answer"), 1);
    block_on(store.commit(&OBSERVER, marked(2))).expect("a commit");
    assert_eq!(version(&store).expect("an answer"), 2);
}

#[test]
fn a_failure_to_open_passes() {
    let disk = Disk::new();
    disk.full.store(true, Ordering::SeqCst);
    assert_transient(&disk.open().expect_err("the disk is full"));
    disk.full.store(false, Ordering::SeqCst);
    assert_eq!(version(&disk.open().expect("a store")).expect("an answer"), 0);
}

/// The power goes at each write and each sync of a life: creation, three commits, the close.
#[test]
fn no_power_loss_loses_a_commit() {
    for with_unsynced in [false, true] {
        let mut steps = 0;
        loop {
            let disk = Disk::new();
            disk.power.store(steps, Ordering::SeqCst);
            let mut committed = 0;
            let lived = disk.open().and_then(|store| {
                for number in 1..4 {
                    block_on(store.commit(&OBSERVER, marked(number)))?;
                    committed = number;
                }
                Ok(())
            });
            let power_left = disk.power.load(Ordering::SeqCst) > 0;

            let left = disk.after_power_loss(with_unsynced);
            let store = left.open().unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            let found = version(&store).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            assert!(
                found == committed || found == committed + 1,
                "after {steps} steps {committed} was committed, and {found} is there",
            );
            // And life goes on.
            block_on(store.commit(&OBSERVER, marked(9))).expect("a commit");
            assert_eq!(version(&store).expect("an answer"), 9);
            if lived.is_ok() && power_left {
                break;
            }
            steps += 1;
        }
        assert!(steps > 20, "only {steps} steps were tried");
    }
}

/// The power goes at each step of the first commit into a file of format 1, which makes it one of
/// format 2: nothing that was there is lost, and the commit is wholly there or not at all.
#[test]
fn no_power_loss_spoils_a_file_of_format_1() {
    let gap = GapRecord { number: 0, cause: GapCause::Down, from_ns: 1, to_ns: 2 };
    let heartbeat = ObserverRecord { heartbeat_ns: 99, ..ObserverRecord::default() };
    let batch = Arc::new(Batch {
        changes: Changes { gaps: vec![gap], ..Changes::default() },
        observer: Some(heartbeat),
        ..Batch::default()
    });
    for with_unsynced in [false, true] {
        let (mut steps, mut outcomes) = (0, [0, 0]);
        loop {
            let disk = Disk::holding(FORMAT_1);
            disk.power.store(steps, Ordering::SeqCst);
            let lived = disk.open().and_then(|store| block_on(store.commit(&OBSERVER, Arc::clone(&batch))));
            let power_left = disk.power.load(Ordering::SeqCst) > 0;

            let left = disk.after_power_loss(with_unsynced);
            let store = left.open().unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            block_on(async {
                let peers = store.peers(&OBSERVER, None, 10).await.expect("peers");
                assert_eq!(peers.len(), 2, "after {steps} steps");
                let log = store.segments(&OBSERVER, &NodeId([1; 33]), 0, 10).await.expect("a log");
                assert_eq!(log.iter().map(|segment| segment.entries.len()).sum::<usize>(), 70);
                let gaps = store.gaps(&OBSERVER, 0, 10).await.expect("gaps");
                let landed = store.observer(&OBSERVER).await.expect("an observer") == Some(heartbeat);
                assert_eq!(gaps, if landed { vec![gap] } else { Vec::new() }, "after {steps} steps");
                assert!(landed || lived.is_err(), "after {steps} steps the commit is lost");
                outcomes[usize::from(landed)] += 1;
                store.commit(&OBSERVER, Arc::clone(&batch)).await.expect("a commit");
                assert_eq!(store.gaps(&OBSERVER, 0, 10).await.expect("gaps"), [gap]);
            });
            if lived.is_ok() && power_left {
                break;
            }
            steps += 1;
        }
        assert!(outcomes[0] > 5 && outcomes[1] > 0, "{outcomes:?}");
    }
}
