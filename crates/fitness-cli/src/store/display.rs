//! Formats the name of a store, without its password, so that it parses as the same store.

use std::fmt;
use std::path::Path;

use fitness_store_postgres::redact_url;
use ldk_node::io::sqlite_store::KV_TABLE_NAME;

use super::url::{StoreUrl, split_scheme};

/// Formats the name of the store. A password is left out; otherwise it parses as the same store.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(path) if is_plain(path) => write!(f, "{}", path.display()),
            Self::Redb(path) => write!(f, "redb:{}", PathAfterScheme(path)),
            Self::Directory(path) => write!(f, "dir:{}", PathAfterScheme(path)),
            Self::Sqlite { file, table } => {
                write!(f, "sqlite:{}", PathAfterScheme(file))?;
                // Without a table, a `?` in the file name could be parsed as the start of an option.
                let has_question_mark = file.to_str().is_none_or(|file| file.contains('?'));
                if table != KV_TABLE_NAME || has_question_mark { write!(f, "?table={table}") } else { Ok(()) }
            }
            Self::Postgres(url) => f.write_str(&redact_url(url)),
        }
    }
}

impl StoreUrl {
    /// Returns the name of the store, quoted for a shell if needed.
    pub(crate) fn shell_quoted(&self) -> String {
        let name = self.to_string();
        let is_safe = |c: char| c.is_alphanumeric() || "/:.,_-+@%".contains(c);
        if name.chars().all(is_safe) { name } else { format!("'{}'", name.replace('\'', r"'\''")) }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns whether the path alone parses as a path, so that it needs no scheme.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_none_or(|text| split_scheme(text).is_none())
}

/// Formats a path after a scheme and a colon.
struct PathAfterScheme<'a>(&'a Path);

impl fmt::Display for PathAfterScheme<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parser strips a leading `//`, as in a URL.
        let prefix = if self.0.to_str().is_some_and(|text| text.starts_with("//")) { "//" } else { "" };
        write!(f, "{prefix}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.parse().expect("valid store name")
    }

    #[test]
    fn name_is_quoted_for_a_shell() {
        assert_eq!(url("dir:/var/wallet").shell_quoted(), "dir:/var/wallet");
        assert_eq!(url("sqlite:w.sqlite?table=a").shell_quoted(), "'sqlite:w.sqlite?table=a'");
        assert_eq!(url("Bob's files/f.redb").shell_quoted(), r"'Bob'\''s files/f.redb'");
    }

    #[test]
    fn password_is_not_displayed() {
        for (text, displayed) in [
            ("postgres://me:hunter2@db:5432/fitness?sslmode=require", "postgres://me@db:5432/fitness"),
            ("postgres://me@db:1/fitness?password=hunter2", "postgres://me@db:1/fitness"),
            ("postgres://me:hun%40ter2@db:1/fitness", "postgres://me@db:1/fitness"),
            // It is unclear where these passwords end.
            ("postgres://me:hun@ter2@db/fitness", "postgres://…"),
            ("postgres://me:hun/ter2@db/fitness", "postgres://…"),
            ("postgres://me:hun?ter2@db/fitness", "postgres://…"),
            ("postgres://me@db/fitness?password=hun@ter2", "postgres://…"),
            ("postgres://me:hunter2", "postgres://…"),
        ] {
            assert_eq!(url(text).to_string(), displayed);
            assert_eq!(format!("{:?}", url(text)), displayed);
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_password_is_displayed(password in "[0-9]{6,9}[@/?:#a-z%]{0,3}[0-9]{6,9}", rest in "@(db)?(:1)?/[a-z]{1,3}(\\?a=b)?") {
            let displayed = url(&format!("postgres://me:{password}{rest}")).to_string();
            prop_assert!(!password.as_bytes().windows(6).any(|part| displayed.as_bytes().windows(6).any(|it| it == part)), "{}", displayed);
        }
    }
}
