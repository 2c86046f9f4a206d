//! Finds the installed PostgreSQL.

use std::env;
use std::path::{Path, PathBuf};

/// The panic message of a test that needs PostgreSQL and does not find it.
pub const NEEDS_POSTGRESQL: &str = "needs PostgreSQL (Debian: postgresql)";

/// Returns the directory that contains `initdb` and `postgres`.
///
/// `PATH` is searched first, then `/usr/lib/postgresql`, where Debian installs it. If several versions are
/// installed there, the directory that sorts last is used.
fn find_bin_directory() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).find_map(|directory| bin_directory_of(&directory.join("initdb")));
    in_path.or_else(|| {
        let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
        let directories = versions.flatten().map(|version| version.path().join("bin"));
        directories.filter(|directory| has_all_programs(directory)).max()
    })
}

/// Returns the directory of `initdb` after resolving links: `PATH` may contain a link to it alone.
fn bin_directory_of(initdb: &Path) -> Option<PathBuf> {
    let directory = initdb.canonicalize().ok()?.parent()?.to_owned();
    has_all_programs(&directory).then_some(directory)
}

fn has_all_programs(directory: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_isready", "pg_basebackup"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

/// Returns the directory of the programs. If PostgreSQL is not installed, prints that to standard error and
/// returns `None`.
///
/// # Panics
///
/// If PostgreSQL is not installed and the environment contains `CI=true`.
pub(crate) fn bin_directory_or_report() -> Option<PathBuf> {
    let found = find_bin_directory();
    if found.is_none() {
        let missing = "PostgreSQL is not installed: initdb is neither in PATH nor under /usr/lib/postgresql";
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
        eprintln!("{missing}");
    }
    found
}
