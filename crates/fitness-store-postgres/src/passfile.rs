//! Passwords that stand elsewhere than in the URL, where libpq looks for them, too.

use std::path::{Path, PathBuf};
use std::{env, fs};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Gives a configuration without a password that of `PGPASSWORD`, or else of the password file: the
/// one named, or `PGPASSFILE`, or `.pgpass` at home.
pub(crate) fn complete(config: &mut Config, named: Option<&Path>) {
    if config.get_password().is_some() {
        return;
    }
    if let Some(password) = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
        config.password(password);
        return;
    }
    let path = named.map(Path::to_owned).or_else(|| env::var_os("PGPASSFILE").map(PathBuf::from));
    let path = path.or_else(|| env::home_dir().map(|home| home.join(".pgpass")));
    if let Some(password) = path.and_then(|path| look_up(&path, config)) {
        config.password(password);
    }
}

fn look_up(path: &Path, config: &Config) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    if !is_private(&metadata) {
        tracing::warn!(path = %path.display(), "passed over: others may read it; chmod 600 makes it private");
        return None;
    }
    let user = config.get_user().map(str::to_owned).or_else(|| env::var("USER").ok())?;
    let database = config.get_dbname().unwrap_or(&user);
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        // A socket goes by this name there.
        _ => "localhost".to_owned(),
    };
    let sought = [&host, &port, database, &user];
    fs::read_to_string(path).ok()?.lines().find_map(|line| password_of(line, sought))
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

/// The password of a line `host:port:database:user:password`, if it is about that.
fn password_of(line: &str, sought: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let (password, names) = fields.split_last()?;
    let is_meant = names.len() == sought.len()
        && names.iter().zip(sought).all(|(name, sought)| name == "*" || name == sought);
    is_meant.then(|| password.clone())
}

/// Five fields, in which `\` takes a `:` or `\` for what it is.
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
    fn a_line_says_whom_it_is_for() {
        let sought = ["h", "5432", "d", "u"];
        assert_eq!(password_of("h:5432:d:u:secret", sought).as_deref(), Some("secret"));
        assert_eq!(password_of("*:*:*:u:se\\:c\\\\ret", sought).as_deref(), Some("se:c\\ret"));
        assert_eq!(password_of("*:*:*:u:se:cret", sought).as_deref(), Some("se:cret"));
        for other in ["#h:5432:d:u:x", "i:5432:d:u:x", "h:1:d:u:x", "h:5432:e:u:x", "h:5432:d:v:x", "h", ""] {
            assert_eq!(password_of(other, sought), None, "{other}");
        }
    }
}
