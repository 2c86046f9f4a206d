//! Passwords from `PGPASSWORD` and from password files, as in libpq.

use std::path::{Path, PathBuf};
use std::{env, fs};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Sets the password of a configuration that has none.
///
/// It is taken from `PGPASSWORD`, or else from the password file: `passfile`, `PGPASSFILE` or `~/.pgpass`.
pub(crate) fn set_password(config: &mut Config, passfile: Option<&Path>) {
    if config.get_password().is_some() {
        return;
    }
    if let Some(password) = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
        config.password(password);
        return;
    }
    let path = passfile.map(Path::to_owned).or_else(|| env::var_os("PGPASSFILE").map(PathBuf::from));
    let path = path.or_else(|| env::home_dir().map(|home| home.join(".pgpass")));
    if let Some(password) = path.and_then(|path| find_password(&path, config)) {
        config.password(password);
    }
}

fn find_password(path: &Path, config: &Config) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    if !is_private(&metadata) {
        tracing::warn!(
            path = %path.display(),
            "password file ignored: accessible by group or others; run chmod 600"
        );
        return None;
    }
    let user = config.get_user().map(str::to_owned).or_else(|| env::var("USER").ok())?;
    let database = config.get_dbname().unwrap_or(&user);
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        // In password files, localhost also stands for a Unix socket.
        _ => "localhost".to_owned(),
    };
    let target = [&host, &port, database, &user];
    fs::read_to_string(path).ok()?.lines().find_map(|line| matching_password(line, target))
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

/// Returns the password of a line `host:port:database:user:password` if its other fields match the target.
fn matching_password(line: &str, target: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let (password, patterns) = fields.split_last()?;
    let is_match = patterns.len() == target.len()
        && patterns.iter().zip(target).all(|(pattern, value)| pattern == "*" || pattern == value);
    is_match.then(|| password.clone())
}

/// Splits a line into at most five fields. A backslash escapes `:` and `\`.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(character);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_matches_exact_fields_and_wildcards() {
        let target = ["h", "5432", "d", "u"];
        assert_eq!(matching_password("h:5432:d:u:secret", target).as_deref(), Some("secret"));
        assert_eq!(matching_password("*:*:*:u:se\\:c\\\\ret", target).as_deref(), Some("se:c\\ret"));
        assert_eq!(matching_password("*:*:*:u:se:cret", target).as_deref(), Some("se:cret"));
        for other in ["#h:5432:d:u:x", "i:5432:d:u:x", "h:1:d:u:x", "h:5432:e:u:x", "h:5432:d:v:x", "h", ""] {
            assert_eq!(matching_password(other, target), None, "{other}");
        }
    }
}
