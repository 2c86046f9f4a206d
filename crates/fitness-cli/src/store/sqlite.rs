//! SQLite files: looked at before ldk-node's store gets them, which makes one of whatever it is given.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use fitness_store::{Store, StoreError};
use fitness_store_kv::KvStore;
use ldk_node::io::sqlite_store::SqliteStore;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{KEPT, Mode, StoreUrl, is_directory};

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The `user_version` of the files that ldk-node writes. It brings an older one up to date, which an older
/// wallet would then refuse, and that is the wallet's to decide.
const LDK_NODE_VERSION: i64 = 2;

/// Whether the file is one of SQLite's.
pub(super) fn is_database(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *MAGIC
}

impl StoreUrl {
    pub(super) fn sqlite(&self, file: &Path, table: &str, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
        // Neither `file:` nor `:memory:` means anything in an absolute path.
        let file = std::path::absolute(file).map_err(|error| self.system("find the file", error))?;
        let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
        else {
            return Err(self.refused(is_directory(&file)));
        };
        match std::fs::metadata(&file) {
            Ok(found) if found.is_dir() => return Err(self.refused(is_directory(&file))),
            Ok(found) if found.len() == 0 && mode == Mode::Create => {}
            Ok(_) if !is_database(&file) => {
                return Err(self.refused("it is no SQLite file; a redb file is given without sqlite:"));
            }
            Ok(_) => self.check(&file, table, mode)?,
            Err(error)
                if error.kind() == ErrorKind::NotFound && mode == Mode::Create && directory.is_dir() => {}
            Err(error) => return Err(self.system("open the file", error)),
        }
        let store = SqliteStore::new(directory.to_owned(), Some(name.to_owned()), Some(table.to_owned()));
        let store = store.map_err(|error| self.backend("open the database", error))?;
        Ok(Arc::new(KvStore::from_sync(Arc::new(store), self.to_string())))
    }

    /// Makes sure that opening the file makes no other file of it.
    fn check(&self, file: &Path, table: &str, mode: Mode) -> Result<(), StoreError> {
        // Not to read alone: what a crash left in the file's journal has to be undone first, as SQLite
        // does. Where the file cannot be written, it is opened to read all the same.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let looked =
            Connection::open_with_flags(file, flags).and_then(|connection| Contents::of(&connection, table));
        let contents = looked.map_err(|error| match error.sqlite_error_code() {
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
        let others = || contents.tables.join(", ");
        let reason = match (contents.version, contents.table) {
            (version, _) if version > LDK_NODE_VERSION => format!(
                "it is of version {version}, and this release reads those of ldk-node up to {LDK_NODE_VERSION}; use a later one"
            ),
            (_, Table::None) if contents.tables.is_empty() && mode == Mode::Create => return Ok(()),
            (_, Table::None) if contents.tables.is_empty() => "it is empty; check the path".to_owned(),
            (LDK_NODE_VERSION, Table::None) if mode == Mode::Create => return Ok(()),
            (_, Table::None) => {
                format!("it has no table {table}, and has {}; a wallet's is named by ?table=NAME", others())
            }
            (_, Table::Foreign) => {
                format!("its table {table} is none of LDK's; another is named by ?table=NAME")
            }
            (version, _) if version < LDK_NODE_VERSION => format!(
                "it is of version {version}, of an older ldk-node; start the wallet with one of version \
                 {LDK_NODE_VERSION} first, which brings it up to date"
            ),
            (_, Table::WithoutHistory) if mode == Mode::Existing => {
                format!(
                    "there is no history in its table {table}; check the path, or name another by ?table=NAME"
                )
            }
            (_, Table::WithoutHistory | Table::WithHistory) => return Ok(()),
        };
        Err(self.refused(reason))
    }
}

/// What there is in a file.
struct Contents {
    /// SQLite's `user_version`.
    version: i64,
    tables: Vec<String>,
    table: Table,
}

/// What there is of the table that was named.
enum Table {
    None,
    /// It has other columns than LDK's have.
    Foreign,
    WithoutHistory,
    WithHistory,
}

impl Contents {
    fn of(connection: &Connection, name: &str) -> Result<Self, rusqlite::Error> {
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut listed = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
        let tables = listed.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let table = if !tables.iter().any(|table| table.eq_ignore_ascii_case(name)) {
            Table::None
        } else {
            let of_ldk = "SELECT COUNT(*) FROM pragma_table_info(?1) WHERE name IN \
                          ('primary_namespace', 'secondary_namespace', 'key', 'value')";
            let columns: i64 = connection.query_row(of_ldk, [name], |row| row.get(0))?;
            if columns == 4 { Self::history(connection, name)? } else { Table::Foreign }
        };
        Ok(Self { version, tables, table })
    }

    fn history(connection: &Connection, name: &str) -> Result<Table, rusqlite::Error> {
        // A name of letters, digits and underscores.
        let first = format!("SELECT 1 FROM {name} WHERE primary_namespace = ?1 LIMIT 1");
        let found: Option<i64> = connection.query_row(&first, [KEPT], |row| row.get(0)).optional()?;
        Ok(if found.is_some() { Table::WithHistory } else { Table::WithoutHistory })
    }
}
