//! The open file, and opening it again after a failure.
//!
//! Once the system has refused redb a read or a write, redb refuses everything until the database
//! is opened anew. So after such a failure the file is closed, and the next call opens it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use fitness_store::StoreError;
use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, WriteTransaction};

/// A redb database, as it was opened.
pub(crate) enum Handle {
    Writer(Database),
    /// Shared with other readers, refused to any writer.
    Reader(ReadOnlyDatabase),
    /// It had to be repaired before it could be read, in memory; for that it is opened as a writer
    /// does.
    Repaired(Database),
}

impl Handle {
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Fault> {
        Ok(match self {
            Self::Writer(database) | Self::Repaired(database) => database.begin_read()?,
            Self::Reader(database) => database.begin_read()?,
        })
    }

    /// `None` where the store was opened for reading.
    pub(crate) fn begin_write(&self) -> Result<Option<WriteTransaction>, Fault> {
        match self {
            Self::Writer(database) => {
                let mut transaction = database.begin_write()?;
                // What a commit writes is durable before anything refers to it. With one sync for
                // both, a sync that fails leaves a commit that can be read and is lost with the
                // power, and the next one would be built on it.
                transaction.set_two_phase_commit(true);
                Ok(Some(transaction))
            }
            Self::Reader(_) | Self::Repaired(_) => Ok(None),
        }
    }
}

/// Why something could not be done, before it is known what was to be done and where.
#[derive(Debug)]
pub(crate) enum Fault {
    Redb(Box<redb::Error>),
    /// Found by ourselves, and explained already.
    Found(Box<StoreError>),
    /// redb panicked, which it does over a file that was changed behind its back.
    Panicked(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Found(Box::new(error))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::from(redb::StorageError::from(error))
    }
}

macro_rules! redb_faults {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        })*
    };
}

redb_faults!(DatabaseError, StorageError, TableError, TransactionError, CommitError);

impl Fault {
    /// Whether the database has to be opened anew before anything else can be done with it.
    const fn ends_the_handle(&self) -> bool {
        // Of what redb itself says, only that the bytes are damaged leaves it in working order.
        match self {
            Self::Redb(error) => !matches!(**error, redb::Error::Corrupted(_)),
            Self::Panicked(_) => true,
            Self::Found(_) => false,
        }
    }

    /// Whether bytes are not what was written.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Redb(error) => matches!(**error, redb::Error::Corrupted(_)),
            Self::Panicked(_) => true,
            Self::Found(_) => false,
        }
    }

    /// What it means to whoever asked for `operation`.
    pub(crate) fn explain(self, operation: &'static str, location: &str) -> StoreError {
        let location = location.to_owned();
        let what = "the database".to_owned();
        match self {
            Self::Found(error) => *error,
            Self::Panicked(message) => StoreError::Corrupt { item: what, location, source: message.into() },
            Self::Redb(error) => match *error {
                redb::Error::Corrupted(_) => StoreError::Corrupt { item: what, location, source: error },
                redb::Error::Io(cut_off) if cut_off.kind() == ErrorKind::UnexpectedEof => {
                    StoreError::Corrupt { item: what, location, source: "it ends too early".into() }
                }
                error => StoreError::Backend { operation, location, source: error.into() },
            },
        }
    }
}

/// Runs `call`, and turns a panic of redb's into a fault.
pub(crate) fn guard<T>(call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What a panic leaves half done is the database's own, and that is closed after it.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("redb gave up on it");
        Err(Fault::Panicked(message.to_owned()))
    })
}

type Open = Box<dyn Fn() -> Result<Handle, StoreError> + Send + Sync>;

/// A file that is open, or will be by the next call.
pub(crate) struct File {
    /// For errors.
    location: String,
    open: Open,
    handle: RwLock<Option<Handle>>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("location", &self.location).finish_non_exhaustive()
    }
}

impl File {
    /// Opens a file by `open`, now and whenever it has to be opened again.
    pub(crate) fn open(
        location: String,
        open: impl Fn() -> Result<Handle, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let file = Self { location, open: Box::new(open), handle: RwLock::new(None) };
        file.ensure_open()?;
        Ok(file)
    }

    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Runs `call` on the open database. Blocks.
    pub(crate) fn with<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Handle) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.ensure_open()?;
        let guarded = {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            match &*handle {
                Some(handle) => guard(|| call(handle)),
                // Another call failed since.
                None => Err(Fault::Redb(Box::new(redb::Error::PreviousIo))),
            }
        };
        guarded.map_err(|fault| {
            if fault.ends_the_handle() {
                tracing::warn!(location = self.location, operation, ?fault, "closing the database");
                let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
                close(handle.take());
            }
            fault.explain(operation, &self.location)
        })
    }

    fn ensure_open(&self) -> Result<(), StoreError> {
        if self.handle.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if handle.is_none() {
            let opened = guard(|| Ok((self.open)()?));
            *handle = Some(opened.map_err(|fault| fault.explain("open the database", &self.location))?);
            tracing::debug!(location = self.location, "opened the database");
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        close(self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Closing reads and writes as well, so a damaged file can make it panic as anything else.
fn close(handle: Option<Handle>) {
    if let Err(fault) = guard(|| {
        drop(handle);
        Ok(())
    }) {
        tracing::warn!(?fault, "the database was not closed properly");
    }
}
