//! The open file, which is reopened after a failure.
//!
//! After an I/O error redb rejects all calls until the database is opened again. So the file is closed
//! after such an error, and the next call opens it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use fitness_store::StoreError;
use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, WriteTransaction};

/// An open redb database.
pub(crate) enum Handle {
    Writer(Database),
    /// Opened for reading, together with other readers. Writers are rejected.
    Reader(ReadOnlyDatabase),
    /// Opened for reading after a repair in memory, which needs the lock of a writer.
    Repaired(Database),
}

impl Handle {
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Failure> {
        Ok(match self {
            Self::Writer(database) | Self::Repaired(database) => database.begin_read()?,
            Self::Reader(database) => database.begin_read()?,
        })
    }

    /// Begins a write transaction; returns `None` if the store was opened for reading.
    pub(crate) fn begin_write(&self) -> Result<Option<WriteTransaction>, Failure> {
        match self {
            Self::Writer(database) => {
                let mut transaction = database.begin_write()?;
                // Makes the data of a commit durable before anything refers to it. With one sync for both,
                // a failed sync would leave a commit that can be read but is lost with the power, and
                // the next commit would build on it.
                transaction.set_two_phase_commit(true);
                Ok(Some(transaction))
            }
            Self::Reader(_) | Self::Repaired(_) => Ok(None),
        }
    }
}

/// A failed operation, before the name of the operation and the location are known.
#[derive(Debug)]
pub(crate) enum Failure {
    Redb(Box<redb::Error>),
    /// An error that this crate found, complete already.
    Complete(Box<StoreError>),
    /// redb panicked, as it does if the file was changed while it was open.
    Panicked(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Complete(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(redb::StorageError::from(error))
    }
}

macro_rules! redb_failures {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        })*
    };
}

redb_failures!(DatabaseError, StorageError, TableError, TransactionError, CommitError);

impl Failure {
    /// Whether the database must be opened again before it can be used.
    const fn requires_reopen(&self) -> bool {
        // Of redb's own errors, only `Corrupted` leaves the database usable.
        match self {
            Self::Redb(error) => !matches!(**error, redb::Error::Corrupted(_)),
            Self::Panicked(_) => true,
            Self::Complete(_) => false,
        }
    }

    /// Whether the file is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Redb(error) => matches!(**error, redb::Error::Corrupted(_)),
            Self::Panicked(_) => true,
            Self::Complete(_) => false,
        }
    }

    /// Returns the error of `operation` on `location`.
    pub(crate) fn into_store_error(self, operation: &'static str, location: &str) -> StoreError {
        let location = location.to_owned();
        let item = "the database".to_owned();
        match self {
            Self::Complete(error) => *error,
            Self::Panicked(message) => StoreError::Corrupt { item, location, source: message.into() },
            Self::Redb(error) => match *error {
                redb::Error::Corrupted(_) => StoreError::Corrupt { item, location, source: error },
                redb::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    StoreError::Corrupt { item, location, source: "unexpected end of file".into() }
                }
                error => StoreError::Backend { operation, location, source: error.into() },
            },
        }
    }
}

/// Runs `call`, and turns a panic of redb into a failure.
pub(crate) fn guard<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Only the database may be left inconsistent by a panic, and it is closed afterwards.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("redb panicked");
        Err(Failure::Panicked(message.to_owned()))
    })
}

type Open = Box<dyn Fn() -> Result<Handle, StoreError> + Send + Sync>;

/// A file that is open, or is opened by the next call.
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
    /// Opens a file with `open`, now and whenever it must be opened again.
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
        call: impl FnOnce(&Handle) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.ensure_open()?;
        let result = {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            match &*handle {
                Some(handle) => guard(|| call(handle)),
                // Another call has failed and closed it meanwhile.
                None => Err(Failure::Redb(Box::new(redb::Error::PreviousIo))),
            }
        };
        result.map_err(|failure| {
            if failure.requires_reopen() {
                tracing::warn!(location = self.location, operation, error = ?failure, "database closed after an error");
                let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
                close(handle.take());
            }
            failure.into_store_error(operation, &self.location)
        })
    }

    fn ensure_open(&self) -> Result<(), StoreError> {
        if self.handle.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if handle.is_none() {
            let opened = guard(|| Ok((self.open)()?));
            *handle = Some(
                opened.map_err(|failure| failure.into_store_error("open the database", &self.location))?,
            );
            tracing::debug!(location = self.location, "database opened");
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        close(self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Closes the database. Closing reads and writes as well, so it can panic on a damaged file.
fn close(handle: Option<Handle>) {
    if let Err(failure) = guard(|| {
        drop(handle);
        Ok(())
    }) {
        tracing::warn!(error = ?failure, "closing the database failed");
    }
}
