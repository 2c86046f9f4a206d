//! A file is written only once it is known for ours, and sound.
//!
//! redb writes to a file while it opens it: it puts a header right, it repairs what a crash left.
//! If it then turns out that the file is damaged, or of a later release, it has been changed all
//! the same. So it is opened on trial: what would be written is kept in memory, and goes to the
//! file, in the same order, when the trial is over.

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

/// A backend on trial. Clones are the same one: redb has one, and whoever ends the trial another.
#[derive(Debug)]
pub(crate) struct Trial<B> {
    shared: Arc<Shared<B>>,
}

impl<B> Clone for Trial<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<B> {
    backend: B,
    doubting: bool,
    over: AtomicBool,
    /// What is to be done to the backend; `None` until it is first asked for anything.
    steps: Mutex<Option<Vec<Step>>>,
}

impl<B: StorageBackend> Trial<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self::with(backend, false)
    }

    /// Has redb take the later one of the last two commits that is whole.
    ///
    /// It synced what the last one refers to before it referred to it, and so trusts it. A disk that
    /// does not sync when it says so then loses one commit, and not everything.
    pub(crate) fn doubting_the_last_commit(backend: B) -> Self {
        Self::with(backend, true)
    }

    fn with(backend: B, doubting: bool) -> Self {
        let (over, steps) = (AtomicBool::new(false), Mutex::new(None));
        Self { shared: Arc::new(Shared { backend, doubting, over, steps }) }
    }

    /// Does to the backend what was to be done, and from now on everything at once.
    ///
    /// After an error the trial goes on, and the backend is as a crash would have left it.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.on_trial(|backend, steps| {
            for step in steps.drain(..) {
                match step {
                    Step::Write(offset, data) => backend.write(offset, &data)?,
                    Step::SetLen(len) => backend.set_len(len)?,
                    Step::Sync => backend.sync_data()?,
                }
            }
            self.shared.over.store(true, Ordering::Release);
            Ok(())
        })
    }

    /// The backend, once the trial is over.
    fn direct(&self) -> Option<&B> {
        self.shared.over.load(Ordering::Acquire).then_some(&self.shared.backend)
    }

    fn on_trial<T>(&self, call: impl FnOnce(&B, &mut Vec<Step>) -> io::Result<T>) -> io::Result<T> {
        let Shared { backend, steps, .. } = &*self.shared;
        let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.is_none() {
            // redb holds its lock by now, so it is no creation that is still going on.
            *steps = Some(self.first_steps()?);
        }
        call(backend, steps.get_or_insert_default())
    }

    /// What is done to the backend before redb sees it.
    fn first_steps(&self) -> io::Result<Vec<Step>> {
        let Shared { backend, doubting, .. } = &*self.shared;
        if header::is_cut_short(backend)? {
            tracing::warn!("found a file whose creation was cut short; creating it anew");
            return Ok(vec![Step::SetLen(0)]);
        }
        match header::flags(backend)? {
            Some(flags) if *doubting && flags & header::NOT_CLOSED != 0 => {
                Ok(vec![Step::Write(header::FLAGS, vec![flags & !header::SYNCED_FIRST])])
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
    // What of `out` lies below an offset of the file.
    let part_below = |limit: u64| usize::try_from(limit.clamp(offset, end) - offset).unwrap_or(usize::MAX);
    let untouched = part_below(backend.len()?);
    out[untouched..].fill(0);
    if untouched > 0 {
        backend.read(offset, &mut out[..untouched])?;
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

impl<B: StorageBackend> StorageBackend for Trial<B> {
    fn len(&self) -> io::Result<u64> {
        match self.direct() {
            Some(backend) => backend.len(),
            None => self.on_trial(|backend, steps| len_after(backend, steps)),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.read(offset, out),
            None => self.on_trial(|backend, steps| read_after(backend, steps, offset, out)),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.set_len(len),
            None => self.on_trial(|_, steps| {
                steps.push(Step::SetLen(len));
                Ok(())
            }),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.sync_data(),
            None => self.on_trial(|_, steps| {
                steps.push(Step::Sync);
                Ok(())
            }),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.direct() {
            Some(backend) => backend.write(offset, data),
            None => self.on_trial(|_, steps| {
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

    /// On trial everything looks as it would without; the backend sees it at the end.
    #[test]
    fn a_trial_looks_like_the_real_thing() {
        let trial = Trial::new(backend(&[1; 20]));
        let real = backend(&[1; 20]);
        let same = |step: u32| {
            let (on_trial, real) = (contents(&trial), contents(&real));
            assert_eq!(on_trial, real, "after step {step}");
            for from in 0..real.len() {
                for to in from..=real.len() {
                    let mut part = vec![0xaa; to - from];
                    trial.read(from as u64, &mut part).unwrap();
                    assert_eq!(part, real[from..to], "{from}..{to} after step {step}");
                }
            }
            assert!(trial.read(real.len() as u64, &mut [0]).is_err());
            assert!(trial.read(u64::MAX, &mut [0]).is_err());
        };
        for on in [&trial as &dyn StorageBackend, &real] {
            on.write(3, &[2; 5]).unwrap();
            on.write(6, &[3; 5]).unwrap();
        }
        same(1);
        for on in [&trial as &dyn StorageBackend, &real] {
            on.set_len(8).unwrap();
            on.set_len(25).unwrap();
        }
        same(2);
        for on in [&trial as &dyn StorageBackend, &real] {
            on.write(23, &[4; 2]).unwrap();
            on.sync_data().unwrap();
            on.write(0, &[5; 4]).unwrap();
        }
        same(3);
        assert_eq!(contents(&trial.shared.backend), [1; 20], "the backend was left alone");
        trial.end().unwrap();
        assert_eq!(contents(&trial.shared.backend), contents(&real));
        trial.write(1, &[9]).unwrap();
        assert_eq!(contents(&trial.shared.backend)[..3], [5, 9, 5]);
    }
}
