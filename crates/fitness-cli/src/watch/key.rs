//! Who we are to the nodes that are watched, kept in a file: the same observer with each run.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fitness_watch::Identity;

use crate::error::CliError;
use crate::store::StoreUrl;

/// The file beside a store on this machine; `None` for others.
pub(super) fn beside(store: &StoreUrl) -> Option<PathBuf> {
    let path = match store {
        StoreUrl::Redb(path) | StoreUrl::Directory(path) => path,
        StoreUrl::Sqlite { file, .. } => file,
        StoreUrl::Postgres(_) => return None,
    };
    let mut name = path.file_name()?.to_owned();
    name.push(".key");
    Some(path.with_file_name(name))
}

/// The identity that is kept in a file, or a new one that is kept there from now on.
///
/// # Errors
///
/// A file that is no key, or that cannot be read or made.
pub(super) fn read_or_make(path: &Path) -> Result<Identity, CliError> {
    let failed = |task| move |source| CliError::Key { task, path: path.to_owned(), source };
    let seed = match std::fs::read_to_string(path) {
        Ok(text) => parse(text.trim()).ok_or_else(|| CliError::NoKey { path: path.to_owned() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(failed("make"))?,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(CliError::NoKey { path: path.to_owned() });
        }
        Err(error) => return Err(failed("read")(error)),
    };
    Ok(Identity::from_seed(&seed)?)
}

fn make(path: &Path) -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // It is nobody else's business.
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
    fn a_key_is_made_once_and_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("watch.key");
        let made = read_or_make(&path).expect("it is made").node_id();
        assert_eq!(read_or_make(&path).expect("it is read").node_id(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_key_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("watch.key");
        for text in [&b""[..], b"02", &[b'g'; 64], &[b'1'; 65], "ü".repeat(32).as_bytes(), &[0xff; 64]] {
            std::fs::write(&path, text).expect("it is written");
            assert!(matches!(read_or_make(&path), Err(CliError::NoKey { .. })), "{text:?}");
            assert_eq!(std::fs::read(&path).expect("it is there"), text);
        }
        let nowhere = directory.path().join("no/such/key");
        let error = read_or_make(&nowhere).expect_err("there is no such directory").to_string();
        assert!(error.starts_with("cannot make the key "), "{error}");
    }

    #[test]
    fn a_key_stands_beside_its_store() {
        let of = |store: &str| beside(&store.parse().expect("it is one"));
        assert_eq!(of("a/lsps.redb"), Some("a/lsps.redb.key".into()));
        assert_eq!(of("sqlite:b.sqlite?table=t"), Some("b.sqlite.key".into()));
        assert_eq!(of("dir:wallet"), Some("wallet.key".into()));
        assert_eq!(of("postgres://u@host/db"), None);
    }
}
