//! Where PostgreSQL is installed.

use std::env;
use std::path::{Path, PathBuf};

/// The directory with `initdb` and `postgres`: the one in the path, or else the latest of Debian's.
pub(crate) fn directory() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).find_map(|directory| beside(&directory.join("initdb")));
    in_path.or_else(|| {
        let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
        let directories = versions.flatten().map(|version| version.path().join("bin"));
        directories.filter(|directory| is_installed(directory)).max()
    })
}

/// Where an `initdb` really is; in the path there may be a link to it alone.
fn beside(initdb: &Path) -> Option<PathBuf> {
    let directory = initdb.canonicalize().ok()?.parent()?.to_owned();
    is_installed(&directory).then_some(directory)
}

fn is_installed(directory: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_isready", "pg_basebackup"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

/// The directory, or `None` after saying that there is nothing to test with.
///
/// # Panics
///
/// Where there is none and the environment has `CI=true`: there nothing is passed over.
pub(crate) fn directory_or_excuse() -> Option<PathBuf> {
    let found = directory();
    if found.is_none() {
        let missing =
            "PostgreSQL is not installed: there is no initdb in the path nor under /usr/lib/postgresql";
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
        eprintln!("{missing}; this is passed over");
    }
    found
}
