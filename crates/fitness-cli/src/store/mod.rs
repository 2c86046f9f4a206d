//! Stores, of whatever kind: named on the command line, and opened.
//!
//! How a store is named stands in `url`, how it is shown in `shown`. What an SQLite file has to be is `sqlite`'s
//! business, since ldk-node's store would make one of anything.

mod shown;
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

pub(crate) use self::url::{FORMS, StoreUrl, StoreUrlParser};
use crate::error::CliError;

/// How a wallet's directory names what it keeps.
const KEPT: &str = "ldk_fitness";

impl StoreUrl {
    /// Opens the store to read and write, and creates it where there is none; but not the directory that it
    /// is to be in.
    ///
    /// # Errors
    ///
    /// [`StoreError`], which names the store and the way out.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.opened(Mode::Create).await
    }

    /// Opens what is there. Where nothing is, nothing is created.
    ///
    /// A redb file is opened to read alone. In other stores a commit is not refused.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::open`], and where no history was ever kept there.
    pub(crate) async fn open_read_only(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.opened(Mode::Existing).await
    }

    /// Opens what is there to copy it, so that nobody writes to it meanwhile, as far as its kind can see to that.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::open_read_only`].
    pub(crate) async fn open_at_rest(&self) -> Result<Arc<dyn Store>, StoreError> {
        let reader = self.open_read_only().await?;
        if !matches!(self, Self::Postgres(_)) {
            return Ok(reader);
        }
        // Whoever opened it to read cannot claim anything in it; and not everybody may write.
        match self.opened_to_claim().await {
            Ok(store) => Ok(store),
            Err(error) => {
                tracing::warn!(%error, "it is copied without keeping others out");
                Ok(reader)
            }
        }
    }

    /// Opens a store in which this user may claim an observer.
    async fn opened_to_claim(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.open().await?;
        let observers = store.observers().await?;
        let Some(observer) = observers.first() else { return Ok(store) };
        let claimed = store.claim(observer).await.map(drop);
        match claimed {
            // Somebody has it: whoever copies will find that out.
            Ok(()) | Err(StoreError::Claimed { .. } | StoreError::Locked { .. }) => Ok(store),
            Err(error) => Err(error),
        }
    }

    /// Whose histories are asked for, of a store that was opened: that of `asked`, or all.
    ///
    /// # Errors
    ///
    /// What the store says; and where it has nothing of `asked`.
    pub(crate) async fn observers(
        &self,
        store: &dyn Store,
        asked: Option<NodeId>,
    ) -> Result<Vec<NodeId>, CliError> {
        let all = store.observers().await?;
        match asked {
            None => Ok(all),
            Some(observer) if all.contains(&observer) => Ok(vec![observer]),
            Some(observer) => Err(CliError::unknown_observer(self, observer, &all)),
        }
    }

    /// Whose history is asked for, where only one can be shown.
    ///
    /// # Errors
    ///
    /// As [`StoreUrl::observers`]; and where there are several, or none.
    pub(crate) async fn one_observer(
        &self,
        store: &dyn Store,
        asked: Option<NodeId>,
    ) -> Result<NodeId, CliError> {
        match *self.observers(store, asked).await? {
            [observer] => Ok(observer),
            ref all => Err(CliError::WhichObserver { store: self.to_string(), known: all.to_vec() }),
        }
    }

    async fn opened(&self, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
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
            Self::Postgres(_) => Err(url.refused("it is none that is opened on this machine")),
        });
        // ldk-node gives up loudly on what it does not expect of SQLite.
        opened.await.unwrap_or_else(|error| Err(self.backend("open the store", error)))
    }

    /// Whether both are the same place, as far as can be told by the names.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Redb(a), Self::Redb(b)) | (Self::Directory(a), Self::Directory(b)) => real(a) == real(b),
            (Self::Sqlite { file: a, table: table_a }, Self::Sqlite { file: b, table: table_b }) => {
                // As SQLite compares names.
                real(a) == real(b) && table_a.eq_ignore_ascii_case(table_b)
            }
            (Self::Postgres(a), Self::Postgres(b)) => a == b,
            _ => false,
        }
    }

    fn redb(&self, path: &Path, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        if path.is_dir() {
            return Err(self.refused(is_directory(path)));
        }
        if sqlite::is_database(path) {
            let file = path.display();
            return Err(
                self.refused(format!("it is an SQLite file; one of ldk-node's is given as sqlite:{file}"))
            );
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
                return Err(self.refused("it is a file; that of a redb store is given without dir:"));
            }
            (Ok(_), Mode::Create) => {}
            (Ok(_), Mode::Existing) if path.join(KEPT).is_dir() => {}
            (Ok(_), Mode::Existing) => return Err(self.refused(nothing_kept(path))),
            (Err(error), Mode::Create) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir(path).map_err(|error| self.system("create the directory", error))?;
            }
            (Err(error), _) => return Err(self.system("open the directory", error)),
        }
        let store = Arc::new(FilesystemStore::new(path.to_owned()));
        Ok(Arc::new(KvStore::from_sync(store, self.to_string())))
    }

    /// What cannot be opened for what it is.
    fn refused(&self, reason: impl Into<String>) -> StoreError {
        StoreError::OpenFailed { location: self.to_string(), reason: reason.into(), source: None }
    }

    fn backend(
        &self,
        operation: &'static str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::Backend { operation, location: self.to_string(), source: Box::new(error) }
    }

    /// What the system refuses.
    fn system(&self, operation: &'static str, error: std::io::Error) -> StoreError {
        let reason = match error.kind() {
            ErrorKind::NotFound => {
                "there is no such file or directory; check the path, or create the directory"
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "this user may not read and write it; change its owner or its permissions"
            }
            ErrorKind::NotADirectory => "a part of its path is no directory; check the path",
            _ => return self.backend(operation, error),
        };
        StoreError::OpenFailed {
            location: self.to_string(),
            reason: reason.to_owned(),
            source: Some(Box::new(error)),
        }
    }
}

/// A runtime on which a store of any kind can be opened.
///
/// # Errors
///
/// [`CliError::Runtime`].
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    // Those over a network need its clock and its sockets.
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)
}

/// What to do where there is nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Existing,
}

/// A path without links and detours, also where its last part is not there yet.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.canonicalize().unwrap_or_else(|_| match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().unwrap_or_else(|_| parent.to_owned()).join(name),
        _ => absolute.clone(),
    })
}

/// What is said of a directory that was given for a file.
fn is_directory(path: &Path) -> String {
    match kept_near(path) {
        Some(store) => format!("it is a directory; the store in it is given as {store}"),
        None => "it is a directory; give the path of a file in it, or dir:PATH where LDK's FilesystemStore \
                 keeps one"
            .to_owned(),
    }
}

/// What is said of a directory without a history in it.
fn nothing_kept(path: &Path) -> String {
    match kept_near(path) {
        Some(store) => format!("there is no history in it; there may be one in {store}"),
        None => format!("there is no history in it, which would be in its directory {KEPT}; check the path"),
    }
}

/// Where a wallet whose directory this is would have it.
fn kept_near(path: &Path) -> Option<StoreUrl> {
    let database = path.join(ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME);
    let directory = |path: PathBuf| path.join(KEPT).is_dir().then_some(StoreUrl::Directory(path));
    let up = || path.file_name().filter(|name| *name == KEPT).and_then(|_| path.parent());
    directory(path.to_owned())
        .or_else(|| directory(path.join("fs_store")))
        .or_else(|| directory(up()?.to_owned()))
        .or_else(|| {
            let table = ldk_node::io::sqlite_store::KV_TABLE_NAME.to_owned();
            database.is_file().then_some(StoreUrl::Sqlite { file: database, table })
        })
}
