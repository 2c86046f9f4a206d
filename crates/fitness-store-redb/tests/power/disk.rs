//! A disk of memory that notes down what is done to it, and fails as it is told.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use fitness_store::StoreError;
use fitness_store_redb::RedbStore;
use redb::StorageBackend;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Len,
    Read,
    SetLen,
    Sync,
    Write,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It does not happen.
    Refused(ErrorKind),
    /// It happens, and is reported as an error all the same.
    Done(ErrorKind),
    /// A sync that fails as systems let it fail: what was written since the last one is read as
    /// ever, and is never going to be durable unless it is written once more.
    Lost(ErrorKind),
}

/// One thing that happened, in the order of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
    /// A sync failed with [`Trouble::Lost`].
    LostSync,
    /// A commit began.
    Begun,
    /// It was acknowledged.
    Stored,
}

type Rule = Box<dyn FnMut(Call) -> Option<Trouble> + Send>;

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    rule: Option<Rule>,
    troubles: usize,
}

/// A disk. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// A disk with these bytes on it.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { bytes, ..State::default() })))
    }

    pub(crate) fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        RedbStore::with_backend("a disk of memory", move || Ok(disk.clone()))
    }

    /// From now on calls fail as the rule says.
    pub(crate) fn fail(&self, rule: impl FnMut(Call) -> Option<Trouble> + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    /// From now on all is well.
    pub(crate) fn mend(&self) {
        self.state().rule = None;
    }

    /// How many calls have failed.
    pub(crate) fn troubles(&self) -> usize {
        self.state().troubles
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// Notes down something that the disk itself does not see.
    pub(crate) fn note(&self, step: Step) {
        self.state().steps.push(step);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it has the disk")
    }

    fn call<T>(&self, call: Call, does: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let trouble = state.rule.as_mut().and_then(|rule| rule(call));
        state.troubles += usize::from(trouble.is_some());
        match trouble {
            None => does(&mut state),
            Some(Trouble::Refused(kind)) => Err(kind.into()),
            Some(Trouble::Done(kind)) => does(&mut state).and(Err(kind.into())),
            Some(Trouble::Lost(kind)) => {
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
