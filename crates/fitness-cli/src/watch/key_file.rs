//! The file with the watcher's identity key, which makes it the same observer on each run.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fitness_watch::Identity;

use crate::error::CliError;
use crate::store::StoreUrl;

/// Returns the default key file: beside the store, with `.key` appended to its name. Returns `None` for a
/// store on a server.
pub(super) fn default_path(store: &StoreUrl) -> Option<PathBuf> {
    let path = match store {
        StoreUrl::Redb(path) | StoreUrl::Directory(path) => path,
        StoreUrl::Sqlite { file, .. } => file,
        StoreUrl::Postgres(_) => return None,
    };
    let mut name = path.file_name()?.to_owned();
    name.push(".key");
    Some(path.with_file_name(name))
}

/// Reads the identity key from a file, or creates the file with a new key.
///
/// # Errors
///
/// Fails if the file cannot be read or created, or if its content is not a key.
pub(super) fn read_or_create(path: &Path) -> Result<Identity, CliError> {
    let failed = |operation| move |source| CliError::KeyFile { operation, path: path.to_owned(), source };
    let seed = match std::fs::read_to_string(path) {
        Ok(text) => parse(text.trim()).ok_or_else(|| CliError::InvalidKeyFile { path: path.to_owned() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(failed("create"))?,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(CliError::InvalidKeyFile { path: path.to_owned() });
        }
        Err(error) => return Err(failed("read")(error)),
    };
    Ok(Identity::from_seed(&seed)?)
}

fn create(path: &Path) -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Only the owner may read the key.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(seed)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_created_once_and_then_read() {
        let directory = tempfile::tempdir().expect("create a directory");
        let path = directory.path().join("watch.key");
        let created = read_or_create(&path).expect("create the key").node_id();
        assert_eq!(read_or_create(&path).expect("read the key").node_id(), created);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("the key file exists").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn invalid_key_file_is_rejected_and_not_changed() {
        let directory = tempfile::tempdir().expect("create a directory");
        let path = directory.path().join("watch.key");
        for text in [&b""[..], b"02", &[b'g'; 64], &[b'1'; 65], "ü".repeat(32).as_bytes(), &[0xff; 64]] {
            std::fs::write(&path, text).expect("write the file");
            assert!(matches!(read_or_create(&path), Err(CliError::InvalidKeyFile { .. })), "{text:?}");
            assert_eq!(std::fs::read(&path).expect("read the file"), text);
        }
        let missing = directory.path().join("no/such/key");
        let error = read_or_create(&missing).expect_err("the directory does not exist");
        assert!(matches!(error, CliError::KeyFile { operation: "create", .. }), "{error}");
    }

    #[test]
    fn default_key_file_is_beside_the_store() {
        let default_path = |store: &str| default_path(&store.parse().expect("a valid store"));
        assert_eq!(default_path("a/lsps.redb"), Some("a/lsps.redb.key".into()));
        assert_eq!(default_path("sqlite:b.sqlite?table=t"), Some("b.sqlite.key".into()));
        assert_eq!(default_path("dir:wallet"), Some("wallet.key".into()));
        assert_eq!(default_path("postgres://u@host/db"), None);
    }
}
