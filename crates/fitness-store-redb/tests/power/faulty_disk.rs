//! A simulated disk in memory that records all operations and fails on request.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use fitness_store::StoreError;
use fitness_store_redb::RedbStore;
use redb::StorageBackend;

/// An operation of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Len,
    Read,
    SetLen,
    Sync,
    Write,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The operation has no effect.
    Refused(ErrorKind),
    /// The operation takes effect, but reports an error.
    Done(ErrorKind),
    /// A sync fails as it may in an operating system: earlier writes can still be read, but are never made
    /// durable unless they are written again.
    Lost(ErrorKind),
}

/// Something that happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
    /// A sync failed with [`Failure::Lost`].
    LostSync,
    /// A commit began.
    Begun,
    /// A commit was acknowledged.
    Stored,
}

type Rule = Box<dyn FnMut(Call) -> Option<Failure> + Send>;

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    rule: Option<Rule>,
    failures: usize,
}

/// A disk. Clones share its contents.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// Returns a disk with these contents.
    pub(crate) fn with_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { bytes, ..State::default() })))
    }

    pub(crate) fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        RedbStore::with_backend("simulated disk", move || Ok(disk.clone()))
    }

    /// Makes operations fail as the rule decides.
    pub(crate) fn fail(&self, rule: impl FnMut(Call) -> Option<Failure> + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    /// Makes all operations succeed again.
    pub(crate) fn recover(&self) {
        self.state().rule = None;
    }

    /// Returns the number of failed operations.
    pub(crate) fn failures(&self) -> usize {
        self.state().failures
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// Records a step that the disk itself cannot see.
    pub(crate) fn record(&self, step: Step) {
        self.state().steps.push(step);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it has the disk")
    }

    fn call<T>(&self, call: Call, does: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let failure = state.rule.as_mut().and_then(|rule| rule(call));
        state.failures += usize::from(failure.is_some());
        match failure {
            None => does(&mut state),
            Some(Failure::Refused(kind)) => Err(kind.into()),
            Some(Failure::Done(kind)) => does(&mut state).and(Err(kind.into())),
            Some(Failure::Lost(kind)) => {
                state.steps.push(Step::LostSync);
                Err(kind.into())
            }
        }
    }
}

fn range(bytes: &[u8], offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(io::Error::other)?;
    let end = start.checked_add(len).filter(|&end| end <= bytes.len());
    end.map(|end| start..end).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.call(Call::Len, |state| Ok(state.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(Call::Read, |state| {
            out.copy_from_slice(&state.bytes[range(&state.bytes, offset, out.len())?]);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Call::SetLen, |state| {
            state.bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
            state.steps.push(Step::SetLen(len));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Call::Sync, |state| {
            state.steps.push(Step::Sync);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(Call::Write, |state| {
            let range = range(&state.bytes, offset, data.len())?;
            state.bytes[range].copy_from_slice(data);
            state.steps.push(Step::Write(offset, data.to_vec()));
            Ok(())
        })
    }
}
