//! Opens and creates files, and rejects files that are not ours.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use fitness_store::StoreError;
use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend, TableError, TableHandle};

use crate::deferred_writes::DeferredWrites;
use crate::file::{Failure, Handle, guard};
use crate::tables::{FORMAT, FORMAT_ROW, META, OLDEST_FORMAT};
use crate::write::upgrade;

/// The size of redb's page cache. At most half of it is used for writes.
///
/// redb's default is 1 GiB. The file is read once, at the start, and then written in small commits, so the
/// cache of the operating system is enough for the rest.
const CACHE_BYTES: usize = 128 << 20;

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens the file at `path` for reading and writing; creates it if it does not exist.
pub(crate) fn writer(path: &Path, location: &str) -> Result<Handle, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let handle = on_backend(|| file_backend(&options, path, location), location)?;
    sync_directory_of(path)
        .map_err(|error| Failure::from(error).into_store_error("open the database", location))?;
    Ok(handle)
}

/// Syncs the directory of the file: a new file survives a power loss only if its directory was synced as well.
///
/// The process that created the file may have ended before this, so every open syncs the directory.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Other systems cannot open a directory and do not need it to be synced.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let path = path.canonicalize()?;
    // A directory that this user may write but not read cannot be synced.
    let Some(Ok(directory)) = path.parent().map(File::open) else { return Ok(()) };
    match directory.sync_all() {
        // Some network file systems cannot sync a directory.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Opens the backend that `connect` returns for reading and writing; creates the database if it is empty.
pub(crate) fn on_backend<B: StorageBackend>(
    connect: impl Fn() -> Result<B, StoreError>,
    location: &str,
) -> Result<Handle, StoreError> {
    let (writes, database) = open_deferred(connect, location)?;
    let handle = Handle::Writer(database);
    let contents = check(&handle, location)?;
    writes.apply().map_err(|error| Failure::from(error).into_store_error("open the database", location))?;
    if contents == Contents::Empty {
        create_tables(&handle, location)?;
    }
    Ok(handle)
}

/// Opens the file at `path` for reading. The file is never written: a repair, if needed, stays in memory.
pub(crate) fn reader(path: &Path, location: &str) -> Result<Handle, StoreError> {
    match open_reader(path, location) {
        Ok(handle) => Ok(handle),
        Err(Rejection::NeedsRepair) => {
            // Opened for writing only because that takes the lock.
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            let (_, database) = open_deferred(|| file_backend(&options, path, location), location)?;
            let handle = Handle::Repaired(database);
            check(&handle, location)?;
            Ok(handle)
        }
        Err(Rejection::Error(error)) => Err(error),
    }
}

fn file_backend(options: &OpenOptions, path: &Path, location: &str) -> Result<FileBackend, StoreError> {
    let explain = |failure| rejection(failure, location).into_error(location);
    let file = options.open(path).map_err(|error| explain(Failure::from(error)))?;
    FileBackend::new(file).map_err(|error| explain(Failure::from(error)))
}

/// Opens the database as of its last commit or, if that is damaged, the commit before it.
fn open_deferred<B: StorageBackend>(
    connect: impl Fn() -> Result<B, StoreError>,
    location: &str,
) -> Result<(DeferredWrites<B>, Database), StoreError> {
    let open = |writes: DeferredWrites<B>| {
        let opened = guard(|| Ok(builder().create_with_backend(writes.clone())?));
        opened.map(|database| (writes, database))
    };
    let explain = |failure| rejection(failure, location).into_error(location);
    let damage = match open(DeferredWrites::new(connect()?)) {
        Err(failure) if failure.is_damage() => failure,
        opened => return opened.map_err(explain),
    };
    // redb has closed the first backend.
    let opened = open(DeferredWrites::ignoring_last_commit(connect()?));
    if opened.is_ok() {
        tracing::warn!(location, "last commit is damaged, using the one before it");
    }
    opened.map_err(|failure| explain(if failure.is_damage() { damage } else { failure }))
}

fn open_reader(path: &Path, location: &str) -> Result<Handle, Rejection> {
    let opened = guard(|| Ok(builder().open_read_only(path)?));
    let handle = Handle::Reader(opened.map_err(|failure| rejection(failure, location))?);
    check(&handle, location).map_err(Rejection::Error)?;
    Ok(handle)
}

/// What a file contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Empty,
    Ours,
}

/// Rejects a file that is not ours or has a newer format.
fn check(handle: &Handle, location: &str) -> Result<Contents, StoreError> {
    let result = guard(|| {
        let transaction = handle.begin_read()?;
        let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
        if names.is_empty() {
            return Ok(Contents::Empty);
        }
        let format = match transaction.open_table(META) {
            Ok(meta) => meta.get(FORMAT_ROW)?.map(|row| row.value()),
            Err(TableError::Storage(error)) => return Err(error.into()),
            Err(_) => None,
        };
        match format {
            Some(OLDEST_FORMAT..=FORMAT) => Ok(Contents::Ours),
            Some(found) if found > FORMAT => Err(Failure::from(StoreError::NewerFormat {
                item: "the database".to_owned(),
                location: location.to_owned(),
                found,
                supported: FORMAT,
            })),
            _ => Err(Failure::from(StoreError::OpenFailed {
                location: location.to_owned(),
                reason: "the file is a redb database of another program; choose another path".to_owned(),
                source: None,
            })),
        }
    });
    result.map_err(|failure| failure.into_store_error("read the format", location))
}

/// Creates the tables of a new file.
fn create_tables(handle: &Handle, location: &str) -> Result<(), StoreError> {
    let result = guard(|| {
        let Some(transaction) = handle.begin_write()? else { return Ok(()) };
        upgrade(&transaction)?;
        transaction.commit()?;
        Ok(())
    });
    result.map_err(|failure| failure.into_store_error("create the tables", location))
}

/// Why a file cannot be opened.
enum Rejection {
    /// The file was not closed properly and cannot be repaired by a reader.
    NeedsRepair,
    Error(StoreError),
}

impl Rejection {
    fn into_error(self, location: &str) -> StoreError {
        match self {
            Self::Error(error) => error,
            Self::NeedsRepair => StoreError::OpenFailed {
                location: location.to_owned(),
                reason: "the file was not closed properly and needs a repair; open it for writing".to_owned(),
                source: None,
            },
        }
    }
}

fn rejection(failure: Failure, location: &str) -> Rejection {
    let Failure::Redb(error) = failure else {
        return Rejection::Error(failure.into_store_error("open the database", location));
    };
    let reason = match &*error {
        redb::Error::RepairAborted => return Rejection::NeedsRepair,
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            return Rejection::Error(StoreError::Locked { location: location.to_owned() });
        }
        redb::Error::UpgradeRequired(_) => {
            Some("the file has a redb format that ldk-fitness has never written; choose another path")
        }
        redb::Error::Io(error) => reason_for(error.kind()),
        _ => None,
    };
    Rejection::Error(match reason {
        Some(reason) => StoreError::OpenFailed {
            location: location.to_owned(),
            reason: reason.to_owned(),
            source: Some(error),
        },
        None => Failure::Redb(error).into_store_error("open the database", location),
    })
}

/// Explains an I/O error and what to do about it; returns `None` for errors that a retry may fix.
const fn reason_for(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        // redb reports this for a file that is not a redb database.
        ErrorKind::InvalidData => {
            "the file is not a fitness database; choose another path, or move the file away to start with an empty history"
        }
        ErrorKind::NotFound => "no such file or directory; check the path, or create the directory",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "permission denied; change the owner or the permissions of the file"
        }
        ErrorKind::IsADirectory => "the path is a directory; name a file in it",
        ErrorKind::NotADirectory => "a parent of the path is not a directory; check the path",
        _ => return None,
    })
}
