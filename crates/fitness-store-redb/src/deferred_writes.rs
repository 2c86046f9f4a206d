//! A redb backend that keeps writes in memory until the file has been checked.
//!
//! redb writes to a file while it opens it: it corrects the header and repairs the effects of a crash. If the
//! file then turns out to be damaged or to have a newer format, it would have been changed nevertheless.
//! So writes are kept in memory at first, and are applied to the file in the same order once it is accepted.

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::header;

#[derive(Debug)]
enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A backend whose writes are deferred until [`DeferredWrites::apply`].
///
/// Clones share their state: redb has one, the caller that applies the writes has another.
#[derive(Debug)]
pub(crate) struct DeferredWrites<B> {
    shared: Arc<Shared<B>>,
}

impl<B> Clone for DeferredWrites<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<B> {
    backend: B,
    ignores_last_commit: bool,
    applied: AtomicBool,
    /// The deferred writes; `None` before the first call of redb.
    steps: Mutex<Option<Vec<Step>>>,
}

impl<B: StorageBackend> DeferredWrites<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self::with(backend, false)
    }

    /// Makes redb use the later of the last two commits that is complete.
    ///
    /// redb trusts the last commit, since its data was synced before anything referred to it. If the disk
    /// reported a sync that it did not do, this loses one commit instead of the whole file.
    pub(crate) fn ignoring_last_commit(backend: B) -> Self {
        Self::with(backend, true)
    }

    fn with(backend: B, ignores_last_commit: bool) -> Self {
        let (applied, steps) = (AtomicBool::new(false), Mutex::new(None));
        Self { shared: Arc::new(Shared { backend, ignores_last_commit, applied, steps }) }
    }

    /// Applies the deferred writes. Later writes go to the backend directly.
    ///
    /// After an error, writes are deferred still, and the backend is in the state of a crash.
    pub(crate) fn apply(&self) -> io::Result<()> {
        self.deferred(|backend, steps| {
            for step in steps.drain(..) {
                match step {
                    Step::Write(offset, data) => backend.write(offset, &data)?,
                    Step::SetLen(len) => backend.set_len(len)?,
                    Step::Sync => backend.sync_data()?,
                }
            }
            self.shared.applied.store(true, Ordering::Release);
            Ok(())
        })
    }

    /// Returns the backend once the writes have been applied.
    fn direct(&self) -> Option<&B> {
        self.shared.applied.load(Ordering::Acquire).then_some(&self.shared.backend)
    }

    fn deferred<T>(&self, call: impl FnOnce(&B, &mut Vec<Step>) -> io::Result<T>) -> io::Result<T> {
        let Shared { backend, steps, .. } = &*self.shared;
        let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.is_none() {
            // redb holds its lock by now, so another process is not creating the file at the same time.
            *steps = Some(self.first_steps()?);
        }
        call(backend, steps.get_or_insert_default())
    }

    /// Returns the writes to make before redb reads the file.
    fn first_steps(&self) -> io::Result<Vec<Step>> {
        let Shared { backend, ignores_last_commit, .. } = &*self.shared;
        if header::is_incomplete_creation(backend)? {
            tracing::warn!("creation of the file was interrupted, creating it again");
            return Ok(vec![Step::SetLen(0)]);
        }
        match header::flags(backend)? {
            Some(flags) if *ignores_last_commit && flags & header::NOT_CLOSED != 0 => {
                Ok(vec![Step::Write(header::FLAGS, vec![flags & !header::TWO_PHASE_COMMIT])])
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn len_after(backend: &impl StorageBackend, steps: &[Step]) -> io::Result<u64> {
    let last = steps.iter().rev().find_map(|step| match step {
        Step::SetLen(len) => Some(*len),
        Step::Write(..) | Step::Sync => None,
    });
    last.map_or_else(|| backend.len(), Ok)
}

fn read_after(backend: &impl StorageBackend, steps: &[Step], offset: u64, out: &mut [u8]) -> io::Result<()> {
    // A slice is never longer than 2^63.
    let end = offset.checked_add(out.len() as u64).ok_or(ErrorKind::UnexpectedEof)?;
    if end > len_after(backend, steps)? {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    // The length of the part of `out` before an offset of the file.
    let part_below = |limit: u64| usize::try_from(limit.clamp(offset, end) - offset).unwrap_or(usize::MAX);
    let existing = part_below(backend.len()?);
    out[existing..].fill(0);
    if existing > 0 {
        backend.read(offset, &mut out[..existing])?;
    }
    for step in steps {
        match step {
            Step::Write(start, data) => {
                let from = part_below(*start);
                let to = part_below(start.saturating_add(data.len() as u64));
                if from < to {
                    let skipped = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX);
                    out[from..to].copy_from_slice(&data[skipped..skipped + (to - from)]);
                }
            }
            Step::SetLen(len) => out[part_below(*len)..].fill(0),
            Step::Sync => {}
        }
    }
    Ok(())
}

impl<B: StorageBackend> StorageBackend for DeferredWrites<B> {
    fn len(&self) -> io::Result<u64> {
        match self.direct() {
            Some(backend) => backend.len(),
            None => self.deferred(|backend, steps| len_after(backend, steps)),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.read(offset, out),
            None => self.deferred(|backend, steps| read_after(backend, steps, offset, out)),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.set_len(len),
            None => self.deferred(|_, steps| {
                steps.push(Step::SetLen(len));
                Ok(())
            }),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.sync_data(),
            None => self.deferred(|_, steps| {
                steps.push(Step::Sync);
                Ok(())
            }),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.write(offset, data),
            None => self.deferred(|_, steps| {
                steps.push(Step::Write(offset, data.to_vec()));
                Ok(())
            }),
        }
    }

    fn close(&self) -> io::Result<()> {
        self.shared.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.shared.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.shared.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.shared.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.shared.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.shared.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.shared.backend.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    fn backend(bytes: &[u8]) -> InMemoryBackend {
        let backend = InMemoryBackend::new();
        backend.set_len(bytes.len() as u64).unwrap();
        backend.write(0, bytes).unwrap();
        backend
    }

    fn contents(backend: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0xaa; usize::try_from(backend.len().unwrap()).unwrap()];
        backend.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn deferred_writes_read_like_direct_writes() {
        let deferred = DeferredWrites::new(backend(&[1; 20]));
        let direct = backend(&[1; 20]);
        let assert_equal = |step: u32| {
            let (deferred_bytes, direct_bytes) = (contents(&deferred), contents(&direct));
            assert_eq!(deferred_bytes, direct_bytes, "after step {step}");
            for from in 0..direct_bytes.len() {
                for to in from..=direct_bytes.len() {
                    let mut part = vec![0xaa; to - from];
                    deferred.read(from as u64, &mut part).unwrap();
                    assert_eq!(part, direct_bytes[from..to], "{from}..{to} after step {step}");
                }
            }
            assert!(deferred.read(direct_bytes.len() as u64, &mut [0]).is_err());
            assert!(deferred.read(u64::MAX, &mut [0]).is_err());
        };
        for on in [&deferred as &dyn StorageBackend, &direct] {
            on.write(3, &[2; 5]).unwrap();
            on.write(6, &[3; 5]).unwrap();
        }
        assert_equal(1);
        for on in [&deferred as &dyn StorageBackend, &direct] {
            on.set_len(8).unwrap();
            on.set_len(25).unwrap();
        }
        assert_equal(2);
        for on in [&deferred as &dyn StorageBackend, &direct] {
            on.write(23, &[4; 2]).unwrap();
            on.sync_data().unwrap();
            on.write(0, &[5; 4]).unwrap();
        }
        assert_equal(3);
        assert_eq!(
            contents(&deferred.shared.backend),
            [1; 20],
            "the backend is unchanged before the writes are applied"
        );
        deferred.apply().unwrap();
        assert_eq!(contents(&deferred.shared.backend), contents(&direct));
        deferred.write(1, &[9]).unwrap();
        assert_eq!(contents(&deferred.shared.backend)[..3], [5, 9, 5]);
    }
}
