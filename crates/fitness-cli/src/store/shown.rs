//! A store as it is shown: so that it can be typed again, and never with a password.

use std::fmt;
use std::path::Path;

use fitness_store_postgres::redact_url;
use ldk_node::io::sqlite_store::KV_TABLE_NAME;

use super::url::{StoreUrl, split_scheme};

/// What can be typed to name it again, but for what is secret.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(path) if is_plain(path) => write!(f, "{}", path.display()),
            Self::Redb(path) => write!(f, "redb:{}", Typed(path)),
            Self::Directory(path) => write!(f, "dir:{}", Typed(path)),
            Self::Sqlite { file, table } => {
                write!(f, "sqlite:{}", Typed(file))?;
                // A file may be called so that what is there would be taken for an option.
                let reads_as_one = file.to_str().is_none_or(|file| file.contains('?'));
                if table != KV_TABLE_NAME || reads_as_one { write!(f, "?table={table}") } else { Ok(()) }
            }
            Self::Postgres(url) => f.write_str(&redact_url(url)),
        }
    }
}

impl StoreUrl {
    /// What is shown, as a word for a shell.
    pub(crate) fn in_a_shell(&self) -> String {
        let shown = self.to_string();
        let is_plain = |each: char| each.is_alphanumeric() || "/:.,_-+@%".contains(each);
        if shown.chars().all(is_plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether nobody takes it for anything but a path.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_none_or(|text| split_scheme(text).is_none())
}

/// A path behind a colon.
struct Typed<'a>(&'a Path);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It would be taken for that of a URL.
        let before = if self.0.to_str().is_some_and(|text| text.starts_with("//")) { "//" } else { "" };
        write!(f, "{before}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.parse().expect("it names a store")
    }

    #[test]
    fn a_shell_takes_it_for_one_word() {
        assert_eq!(url("dir:/var/wallet").in_a_shell(), "dir:/var/wallet");
        assert_eq!(url("sqlite:w.sqlite?table=a").in_a_shell(), "'sqlite:w.sqlite?table=a'");
        assert_eq!(url("Bob's files/f.redb").in_a_shell(), r"'Bob'\''s files/f.redb'");
    }

    #[test]
    fn a_password_is_never_shown() {
        for (typed, shown) in [
            ("postgres://me:hunter2@db:5432/fitness?sslmode=require", "postgres://me@db:5432/fitness"),
            ("postgres://me@db:1/fitness?password=hunter2", "postgres://me@db:1/fitness"),
            ("postgres://me:hun%40ter2@db:1/fitness", "postgres://me@db:1/fitness"),
            // Nobody knows where these end.
            ("postgres://me:hun@ter2@db/fitness", "postgres://…"),
            ("postgres://me:hun/ter2@db/fitness", "postgres://…"),
            ("postgres://me:hun?ter2@db/fitness", "postgres://…"),
            ("postgres://me@db/fitness?password=hun@ter2", "postgres://…"),
            ("postgres://me:hunter2", "postgres://…"),
        ] {
            assert_eq!(url(typed).to_string(), shown);
            assert_eq!(format!("{:?}", url(typed)), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_password_is_shown(password in "[0-9]{6,9}[@/?:#a-z%]{0,3}[0-9]{6,9}", place in "@(db)?(:1)?/[a-z]{1,3}(\\?a=b)?") {
            let shown = url(&format!("postgres://me:{password}{place}")).to_string();
            prop_assert!(!password.as_bytes().windows(6).any(|part| shown.as_bytes().windows(6).any(|it| it == part)), "{}", shown);
        }
    }
}
