//! Opens SQLite files. Checks each file first, because ldk-node's store creates its tables in any file it is given.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use fitness_store::{Store, StoreError};
use fitness_store_kv::KvStore;
use ldk_node::io::sqlite_store::SqliteStore;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{KV_NAMESPACE, Mode, StoreUrl, is_directory_reason};

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The `user_version` of the files that ldk-node writes.
///
/// ldk-node upgrades older files when it opens them, and older wallets then reject them. Only the wallet should do
/// that, so older files are rejected here.
const LDK_NODE_VERSION: i64 = 2;

/// Returns whether the file is an SQLite database.
pub(super) fn is_database(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *MAGIC
}

impl StoreUrl {
    pub(super) fn sqlite(&self, file: &Path, table: &str, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        // In an absolute path, `file:` and `:memory:` have no special meaning.
        let file = std::path::absolute(file).map_err(|error| self.io_error("find the file", error))?;
        let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
        else {
            return Err(self.open_failed(is_directory_reason(&file)));
        };
        match std::fs::metadata(&file) {
            Ok(found) if found.is_dir() => return Err(self.open_failed(is_directory_reason(&file))),
            Ok(found) if found.len() == 0 && mode == Mode::Create => {}
            Ok(_) if !is_database(&file) => {
                return Err(self.open_failed("it is not an SQLite file; for a redb file, omit sqlite:"));
            }
            Ok(_) => self.check(&file, table, mode)?,
            Err(error)
                if error.kind() == ErrorKind::NotFound && mode == Mode::Create && directory.is_dir() => {}
            Err(error) => return Err(self.io_error("open the file", error)),
        }
        let store = SqliteStore::new(directory.to_owned(), Some(name.to_owned()), Some(table.to_owned()));
        let store = store.map_err(|error| self.backend("open the database", error))?;
        Ok(Arc::new(KvStore::from_sync(Arc::new(store), self.to_string())))
    }

    /// Checks that ldk-node's store can open the file without changing it.
    fn check(&self, file: &Path, table: &str, mode: Mode) -> Result<(), StoreError> {
        // Opened for writing so that SQLite can roll back a transaction that a crash left in the journal. SQLite
        // falls back to reading if the file is not writable.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let contents = Connection::open_with_flags(file, flags)
            .and_then(|connection| Contents::read(&connection, table));
        let contents = contents.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Locked { location: self.to_string() }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                item: "the database".to_owned(),
                location: self.to_string(),
                source: Box::new(error),
            },
            _ => self.backend("open the database", error),
        })?;
        let tables = || contents.tables.join(", ");
        let reason = match (contents.version, contents.table) {
            (version, _) if version > LDK_NODE_VERSION => format!(
                "its schema version is {version}, and this release supports ldk-node's up to {LDK_NODE_VERSION}; \
                 use a later release"
            ),
            (_, Table::Missing) if contents.tables.is_empty() && mode == Mode::Create => return Ok(()),
            (_, Table::Missing) if contents.tables.is_empty() => {
                "it has no tables; check the path".to_owned()
            }
            (LDK_NODE_VERSION, Table::Missing) if mode == Mode::Create => return Ok(()),
            (_, Table::Missing) => {
                format!("it has no table {table}; choose one with ?table=NAME: {}", tables())
            }
            (_, Table::Foreign) => {
                format!("its table {table} does not have LDK's columns; choose another with ?table=NAME")
            }
            (version, _) if version < LDK_NODE_VERSION => format!(
                "its schema version {version} is from an older ldk-node, expected {LDK_NODE_VERSION}; start the \
                 wallet with a current ldk-node first to upgrade it"
            ),
            (_, Table::WithoutHistory) if mode == Mode::Existing => {
                format!(
                    "its table {table} has no history; check the path, or choose another with ?table=NAME"
                )
            }
            (_, Table::WithoutHistory | Table::WithHistory) => return Ok(()),
        };
        Err(self.open_failed(reason))
    }
}

/// The contents of a database file.
struct Contents {
    /// SQLite's `user_version`.
    version: i64,
    tables: Vec<String>,
    table: Table,
}

/// The state of the requested table.
enum Table {
    Missing,
    /// The table does not have LDK's columns.
    Foreign,
    WithoutHistory,
    WithHistory,
}

impl Contents {
    fn read(connection: &Connection, table_name: &str) -> Result<Self, rusqlite::Error> {
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut query = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
        let tables = query.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let table = if !tables.iter().any(|table| table.eq_ignore_ascii_case(table_name)) {
            Table::Missing
        } else {
            let count_columns = "SELECT COUNT(*) FROM pragma_table_info(?1) WHERE name IN \
                          ('primary_namespace', 'secondary_namespace', 'key', 'value')";
            let columns: i64 = connection.query_row(count_columns, [table_name], |row| row.get(0))?;
            if columns == 4 { Self::find_history(connection, table_name)? } else { Table::Foreign }
        };
        Ok(Self { version, tables, table })
    }

    fn find_history(connection: &Connection, table_name: &str) -> Result<Table, rusqlite::Error> {
        // Not an injection risk: the name has only letters, digits and underscores.
        let query = format!("SELECT 1 FROM {table_name} WHERE primary_namespace = ?1 LIMIT 1");
        let found: Option<i64> = connection.query_row(&query, [KV_NAMESPACE], |row| row.get(0)).optional()?;
        Ok(if found.is_some() { Table::WithHistory } else { Table::WithoutHistory })
    }
}
