//! Opening a file: creating it, knowing it for ours, and saying why not.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use fitness_store::StoreError;
use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend, TableError, TableHandle};

use crate::file::{Fault, Handle, guard};
use crate::tables::{FORMAT, FORMAT_ROW, META, OLDEST_FORMAT};
use crate::trial::Trial;
use crate::write::upgrade;

/// Pages that redb keeps in memory, half of it at most for what is being written.
///
/// redb's own default is 1 GiB. The file is read once, at start, and written a little at a time;
/// the system's cache does the rest.
const CACHE_BYTES: usize = 128 << 20;

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens the file at `path` to read and write; creates it where there is none.
pub(crate) fn writer(path: &Path, location: &str) -> Result<Handle, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let handle = on_backend(|| file_backend(&options, path, location), location)?;
    sync_directory_of(path).map_err(|error| Fault::from(error).explain("open the database", location))?;
    Ok(handle)
}

/// A file that was created is only there after a power loss if its directory was synced, too.
///
/// Whoever opened the file before may not have got as far as this. So it is done every time.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened, nor need it be.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let path = path.canonicalize()?;
    // Of a directory that this user may write and not read, nothing better can be had.
    let Some(Ok(directory)) = path.parent().map(File::open) else { return Ok(()) };
    match directory.sync_all() {
        // Some network file systems know no such thing.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Opens what `connect` leads to, to read and write; creates it where that is empty.
pub(crate) fn on_backend<B: StorageBackend>(
    connect: impl Fn() -> Result<B, StoreError>,
    location: &str,
) -> Result<Handle, StoreError> {
    let (trial, database) = on_trial(connect, location)?;
    let handle = Handle::Writer(database);
    let contents = check(&handle, location)?;
    trial.end().map_err(|error| Fault::from(error).explain("open the database", location))?;
    if contents == Contents::Nothing {
        create_tables(&handle, location)?;
    }
    Ok(handle)
}

/// Opens the file at `path` to read. It is never written: a repair, where one is needed, stays in
/// memory.
pub(crate) fn reader(path: &Path, location: &str) -> Result<Handle, StoreError> {
    match open_reader(path, location) {
        Ok(handle) => Ok(handle),
        Err(Refusal::NeedsRepair) => {
            // To write it is asked of the system for the sake of the lock alone.
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            let (_, database) = on_trial(|| file_backend(&options, path, location), location)?;
            let handle = Handle::Repaired(database);
            check(&handle, location)?;
            Ok(handle)
        }
        Err(Refusal::For(error)) => Err(error),
    }
}

fn file_backend(options: &OpenOptions, path: &Path, location: &str) -> Result<FileBackend, StoreError> {
    let explain = |fault| refused(fault, location).into_error(location);
    let file = options.open(path).map_err(|error| explain(Fault::from(error)))?;
    FileBackend::new(file).map_err(|error| explain(Fault::from(error)))
}

/// The database as its last commit left it; where that is damaged, the one before.
fn on_trial<B: StorageBackend>(
    connect: impl Fn() -> Result<B, StoreError>,
    location: &str,
) -> Result<(Trial<B>, Database), StoreError> {
    let open = |trial: Trial<B>| {
        let opened = guard(|| Ok(builder().create_with_backend(trial.clone())?));
        opened.map(|database| (trial, database))
    };
    let explain = |fault| refused(fault, location).into_error(location);
    let damage = match open(Trial::new(connect()?)) {
        Err(fault) if fault.is_damage() => fault,
        opened => return opened.map_err(explain),
    };
    // redb has closed the first one.
    let opened = open(Trial::doubting_the_last_commit(connect()?));
    if opened.is_ok() {
        tracing::warn!(location, "the last commit is damaged; going back to the one before");
    }
    opened.map_err(|fault| explain(if fault.is_damage() { damage } else { fault }))
}

fn open_reader(path: &Path, location: &str) -> Result<Handle, Refusal> {
    let opened = guard(|| Ok(builder().open_read_only(path)?));
    let handle = Handle::Reader(opened.map_err(|fault| refused(fault, location))?);
    check(&handle, location).map_err(Refusal::For)?;
    Ok(handle)
}

/// What is known of the tables of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Nothing,
    Ours,
}

/// Refuses a file that is not ours, or of a later format.
fn check(handle: &Handle, location: &str) -> Result<Contents, StoreError> {
    let checked = guard(|| {
        let transaction = handle.begin_read()?;
        let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
        if names.is_empty() {
            return Ok(Contents::Nothing);
        }
        let format = match transaction.open_table(META) {
            Ok(meta) => meta.get(FORMAT_ROW)?.map(|row| row.value()),
            Err(TableError::Storage(error)) => return Err(error.into()),
            Err(_) => None,
        };
        match format {
            Some(OLDEST_FORMAT..=FORMAT) => Ok(Contents::Ours),
            Some(found) if found > FORMAT => Err(Fault::from(StoreError::NewerFormat {
                item: "the database".to_owned(),
                location: location.to_owned(),
                found,
                supported: FORMAT,
            })),
            _ => Err(Fault::from(StoreError::OpenFailed {
                location: location.to_owned(),
                reason: "it is the database of another program; choose another path".to_owned(),
                source: None,
            })),
        }
    });
    checked.map_err(|fault| fault.explain("read the format", location))
}

/// Makes the tables of a new file.
fn create_tables(handle: &Handle, location: &str) -> Result<(), StoreError> {
    let created = guard(|| {
        let Some(transaction) = handle.begin_write()? else { return Ok(()) };
        upgrade(&transaction)?;
        transaction.commit()?;
        Ok(())
    });
    created.map_err(|fault| fault.explain("create the tables", location))
}

/// Why a file cannot be opened.
enum Refusal {
    /// It was not closed properly, and was to be opened for reading alone.
    NeedsRepair,
    For(StoreError),
}

impl Refusal {
    fn into_error(self, location: &str) -> StoreError {
        match self {
            Self::For(error) => error,
            Self::NeedsRepair => StoreError::OpenFailed {
                location: location.to_owned(),
                reason: "it was not closed properly, and needs a repair".to_owned(),
                source: None,
            },
        }
    }
}

fn refused(fault: Fault, location: &str) -> Refusal {
    let Fault::Redb(error) = fault else {
        return Refusal::For(fault.explain("open the database", location));
    };
    let reason = match &*error {
        redb::Error::RepairAborted => return Refusal::NeedsRepair,
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            return Refusal::For(StoreError::Locked { location: location.to_owned() });
        }
        redb::Error::UpgradeRequired(_) => {
            Some("it is of a format older than any that this program ever wrote; choose another path")
        }
        redb::Error::Io(error) => reason_of(error.kind()),
        _ => None,
    };
    Refusal::For(match reason {
        Some(reason) => StoreError::OpenFailed {
            location: location.to_owned(),
            reason: reason.to_owned(),
            source: Some(error),
        },
        None => Fault::Redb(error).explain("open the database", location),
    })
}

/// What the system's refusal means, and the way out; `None` where trying again may be one.
const fn reason_of(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        // This is how redb says that a file is none of its own.
        ErrorKind::InvalidData => {
            "it is no fitness database; choose another path, or move the file away to start anew"
        }
        ErrorKind::NotFound => "there is no such file or directory; check the path, or create the directory",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "this user may not read and write it; change its owner or its permissions"
        }
        ErrorKind::IsADirectory => "it is a directory; give the path of a file in it",
        ErrorKind::NotADirectory => "a part of its path is no directory; check the path",
        _ => return None,
    })
}
