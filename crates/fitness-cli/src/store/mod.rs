//! Opens the stores that are named on the command line, of any kind.
//!
//! `url` parses the name of a store and `display` formats it. `sqlite` checks an SQLite file before it is opened,
//! because ldk-node's store creates its tables in any file it is given.

mod display;
mod sqlite;
mod url;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::{Store, StoreError};
use fitness_store_kv::KvStore;
use fitness_store_postgres::PostgresStore;
use fitness_store_redb::RedbStore;
use lightning_persister::fs_store::FilesystemStore;
use tokio::runtime::Runtime;

pub(crate) use self::url::{StoreUrl, StoreUrlParser, URL_FORMATS};
use crate::error::CliError;

/// The namespace of the history in LDK's key-value stores, which is a directory in `FilesystemStore`.
const KV_NAMESPACE: &str = "ldk_fitness";

impl StoreUrl {
    /// Opens the store for reading and writing. Creates it if it does not exist, but not its parent directory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be opened or created.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.open_in_mode(Mode::Create).await
    }

    /// Opens an existing store for reading. Never creates anything.
    ///
    /// redb files and PostgreSQL databases are opened read-only. The other kinds would accept a commit.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::open`], and [`StoreError::OpenFailed`] if the store does not exist or has no history.
    pub(crate) async fn open_read_only(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.open_in_mode(Mode::Existing).await
    }

    /// Opens an existing store as the source of a copy, so that other processes can be kept from writing to it if
    /// its kind supports that.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::open_read_only`].
    pub(crate) async fn open_for_copy(&self) -> Result<Arc<dyn Store>, StoreError> {
        let reader = self.open_read_only().await?;
        if !matches!(self, Self::Postgres(_)) {
            return Ok(reader);
        }
        // A read-only connection cannot claim an observer, and this user may not have write permission.
        match self.open_claimable().await {
            Ok(store) => Ok(store),
            Err(error) => {
                tracing::warn!(store = %self, %error, "source cannot be locked, other processes can write to it");
                Ok(reader)
            }
        }
    }

    /// Opens a store in which this user is allowed to claim observers.
    async fn open_claimable(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.open().await?;
        let observers = store.observers().await?;
        let Some(observer) = observers.first() else { return Ok(store) };
        let claimed = store.claim(observer).await.map(drop);
        match claimed {
            // Another process has it. The copy itself will report that.
            Ok(()) | Err(StoreError::Claimed { .. } | StoreError::Locked { .. }) => Ok(store),
            Err(error) => Err(error),
        }
    }

    /// Returns the observers to report on in an open store: `requested`, or all.
    ///
    /// # Errors
    ///
    /// [`CliError::Store`] if the store cannot be read, and [`CliError::UnknownObserver`] if it has no history of
    /// `requested`.
    pub(crate) async fn observers(
        &self,
        store: &dyn Store,
        requested: Option<NodeId>,
    ) -> Result<Vec<NodeId>, CliError> {
        let all = store.observers().await?;
        match requested {
            None => Ok(all),
            Some(observer) if all.contains(&observer) => Ok(vec![observer]),
            Some(observer) => Err(CliError::unknown_observer(self, observer, &all)),
        }
    }

    /// Returns the observer to report on, for a command that shows only one.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::observers`], and [`CliError::AmbiguousObserver`] if there are several or none.
    pub(crate) async fn one_observer(
        &self,
        store: &dyn Store,
        requested: Option<NodeId>,
    ) -> Result<NodeId, CliError> {
        match *self.observers(store, requested).await? {
            [observer] => Ok(observer),
            ref all => Err(CliError::AmbiguousObserver { store: self.to_string(), available: all.to_vec() }),
        }
    }

    async fn open_in_mode(&self, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        if let Self::Postgres(url) = self {
            return Ok(match mode {
                Mode::Create => Arc::new(PostgresStore::open(url).await?),
                Mode::Existing => Arc::new(PostgresStore::open_read_only(url).await?),
            });
        }
        let url = self.clone();
        let opened = tokio::task::spawn_blocking(move || match &url {
            Self::Redb(path) => url.redb(path, mode),
            Self::Directory(path) => url.directory(path, mode),
            Self::Sqlite { file, table } => url.sqlite(file, table, mode),
            Self::Postgres(_) => Err(url.open_failed("expected a local store")),
        });
        // ldk-node panics on unexpected SQLite errors; a panic in the task becomes an error here.
        opened.await.unwrap_or_else(|error| Err(self.backend("open the store", error)))
    }

    /// Returns whether both names refer to the same store, as far as the names show it.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Redb(a), Self::Redb(b)) | (Self::Directory(a), Self::Directory(b)) => {
                resolve(a) == resolve(b)
            }
            (Self::Sqlite { file: a, table: table_a }, Self::Sqlite { file: b, table: table_b }) => {
                // SQLite compares names case-insensitively.
                resolve(a) == resolve(b) && table_a.eq_ignore_ascii_case(table_b)
            }
            (Self::Postgres(a), Self::Postgres(b)) => a == b,
            _ => false,
        }
    }

    fn redb(&self, path: &Path, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        if path.is_dir() {
            return Err(self.open_failed(is_directory_reason(path)));
        }
        if sqlite::is_database(path) {
            let file = path.display();
            return Err(self.open_failed(format!(
                "it is an SQLite file; for a database of ldk-node, use sqlite:{file}"
            )));
        }
        Ok(match mode {
            Mode::Create => Arc::new(RedbStore::open(path)?),
            Mode::Existing => Arc::new(RedbStore::open_read_only(path)?),
        })
    }

    fn directory(&self, path: &Path, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        let found = std::fs::metadata(path);
        match (found, mode) {
            (Ok(found), _) if !found.is_dir() => {
                return Err(self.open_failed("it is a file, not a directory; for a redb file, omit dir:"));
            }
            (Ok(_), Mode::Create) => {}
            (Ok(_), Mode::Existing) if path.join(KV_NAMESPACE).is_dir() => {}
            (Ok(_), Mode::Existing) => return Err(self.open_failed(no_history_reason(path))),
            (Err(error), Mode::Create) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir(path).map_err(|error| self.io_error("create the directory", error))?;
            }
            (Err(error), _) => return Err(self.io_error("open the directory", error)),
        }
        let store = Arc::new(FilesystemStore::new(path.to_owned()));
        Ok(Arc::new(KvStore::from_sync(store, self.to_string())))
    }

    fn open_failed(&self, reason: impl Into<String>) -> StoreError {
        StoreError::OpenFailed { location: self.to_string(), reason: reason.into(), source: None }
    }

    fn backend(
        &self,
        operation: &'static str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::Backend { operation, location: self.to_string(), source: Box::new(error) }
    }

    /// Converts an I/O error. Common errors get a reason with a suggestion.
    fn io_error(&self, operation: &'static str, error: std::io::Error) -> StoreError {
        let reason = match error.kind() {
            ErrorKind::NotFound => "no such file or directory; check the path, or create the directory",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "permission denied; change the owner or the permissions"
            }
            ErrorKind::NotADirectory => "a parent of the path is not a directory; check the path",
            _ => return self.backend(operation, error),
        };
        // The reason replaces the source, which would only repeat it.
        self.open_failed(reason)
    }
}

/// Creates a runtime on which a store of any kind can be opened.
///
/// # Errors
///
/// [`CliError::Runtime`].
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    // Stores over a network need timers and sockets.
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)
}

/// Whether to create a store that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Existing,
}

/// Resolves symbolic links and `..` in a path whose last component may not exist yet.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.canonicalize().unwrap_or_else(|_| match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().unwrap_or_else(|_| parent.to_owned()).join(name),
        _ => absolute.clone(),
    })
}

/// Returns the reason why a directory cannot be opened as a file, with a suggestion.
fn is_directory_reason(path: &Path) -> String {
    match find_store_near(path) {
        Some(store) => format!("it is a directory; use {store} for the store in it"),
        None => {
            "it is a directory; give the path of a file, or dir:PATH for a directory of LDK's FilesystemStore"
                .to_owned()
        }
    }
}

/// Returns the reason why a directory without a history cannot be opened, with a suggestion.
fn no_history_reason(path: &Path) -> String {
    match find_store_near(path) {
        Some(store) => format!("it has no history; try {store}"),
        None => format!("it has no history (no subdirectory {KV_NAMESPACE}); check the path"),
    }
}

/// Searches for a store where a wallet with this directory would have it.
fn find_store_near(path: &Path) -> Option<StoreUrl> {
    let database = path.join(ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME);
    let directory = |path: PathBuf| path.join(KV_NAMESPACE).is_dir().then_some(StoreUrl::Directory(path));
    let parent = || path.file_name().filter(|name| *name == KV_NAMESPACE).and_then(|_| path.parent());
    directory(path.to_owned())
        .or_else(|| directory(path.join("fs_store")))
        .or_else(|| directory(parent()?.to_owned()))
        .or_else(|| {
            let table = ldk_node::io::sqlite_store::KV_TABLE_NAME.to_owned();
            database.is_file().then_some(StoreUrl::Sqlite { file: database, table })
        })
}
