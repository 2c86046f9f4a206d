//! Parses the name of a store on the command line.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use ldk_node::io::sqlite_store::KV_TABLE_NAME;

/// The formats of store names, for help and error messages.
pub(crate) const URL_FORMATS: &str = "  \
  PATH, redb:PATH            a redb file
  sqlite:PATH[?table=NAME]   an SQLite file of ldk-node; the default table is ldk_node_data
  dir:PATH                   a directory of LDK's FilesystemStore
  postgres://USER@HOST/NAME  a PostgreSQL database";

/// The kind and location of a store. `Display` and `Debug` never include a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A redb file.
    Redb(PathBuf),
    /// A directory of LDK's `FilesystemStore`.
    Directory(PathBuf),
    /// A table in an SQLite file of ldk-node.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// The table: letters, digits and underscores.
        table: String,
    },
    /// A PostgreSQL database. The URL may contain a password.
    Postgres(String),
}

/// The reason why a store name is invalid. Messages never include a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreUrlError {
    /// The name is empty.
    #[error("empty store name: expected one of\n{URL_FORMATS}")]
    Empty,

    /// There is no path after the scheme.
    #[error("missing path after {scheme}: expected one of\n{URL_FORMATS}")]
    NoPath {
        /// The kind of store.
        scheme: &'static str,
    },

    /// The scheme is unknown.
    #[error(
        "unknown store kind {scheme:?}: expected one of\n{URL_FORMATS}\n\
         For a redb file whose name starts with {scheme:?}, use redb:{scheme}:…"
    )]
    UnknownScheme {
        /// The text before the colon.
        scheme: String,
    },

    /// A PostgreSQL URL has no host.
    #[error("invalid PostgreSQL URL: expected postgres://USER@HOST/NAME")]
    NoHost,

    /// An option of an SQLite file is unknown.
    #[error("unknown option {option:?} of sqlite: expected ?table=NAME")]
    UnknownOption {
        /// The name of the option.
        option: String,
    },

    /// A table name is invalid.
    #[error("invalid table name {table:?}: expected at most 64 letters, digits and underscores")]
    TableName {
        /// The name.
        table: String,
    },

    /// A path after a scheme is not UTF-8.
    #[error(
        "invalid UTF-8 in the store name: only the path of a redb file, without redb:, may be other than UTF-8"
    )]
    NotText,
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text.is_empty() {
            return Err(StoreUrlError::Empty);
        }
        let Some((scheme, rest)) = split_scheme(text) else { return Ok(Self::Redb(text.into())) };
        match scheme.to_ascii_lowercase().as_str() {
            "redb" => Ok(Self::Redb(path("redb", rest)?)),
            "dir" => Ok(Self::Directory(path("dir", rest)?)),
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => match rest.strip_prefix("//") {
                Some(rest) if !rest.is_empty() => Ok(Self::Postgres(format!("postgres://{rest}"))),
                _ => Err(StoreUrlError::NoHost),
            },
            _ => Err(StoreUrlError::UnknownScheme { scheme: scheme.to_owned() }),
        }
    }
}

/// Splits a name into the scheme and the rest, at the first colon.
///
/// Returns `None` if the text before the colon is part of a path: a drive letter, or text with a dot or a slash.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let has_valid_start = scheme.len() > 1 && scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let has_valid_chars = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-_".contains(c));
    (has_valid_start && has_valid_chars).then_some((scheme, rest))
}

fn path(scheme: &'static str, text: &str) -> Result<PathBuf, StoreUrlError> {
    // As in a URL: `dir:///var/lib/wallet`.
    let text = text.strip_prefix("//").unwrap_or(text);
    if text.is_empty() {
        return Err(StoreUrlError::NoPath { scheme });
    }
    // A shell does not expand `~` after a colon.
    let home = text.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    Ok(home.unwrap_or_else(|| text.into()))
}

fn sqlite(text: &str) -> Result<StoreUrl, StoreUrlError> {
    let option = text.rsplit_once('?').and_then(|(file, option)| Some((file, option.split_once('=')?)));
    let (file, table) = match option {
        Some((file, ("table", table))) => (file, table),
        Some((_, (option, _))) => return Err(StoreUrlError::UnknownOption { option: option.to_owned() }),
        None => (text, KV_TABLE_NAME),
    };
    // ldk-node inserts the name into SQL statements unquoted.
    let is_valid = table.len() <= 64
        && table.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_valid {
        return Err(StoreUrlError::TableName { table: table.to_owned() });
    }
    Ok(StoreUrl::Sqlite { file: path("sqlite", file)?, table: table.to_owned() })
}

/// Parses a store name for clap. Unlike clap's own messages, its errors do not repeat the argument, which may
/// contain a password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreUrlParser;

impl ValueParserFactory for StoreUrl {
    type Parser = StoreUrlParser;

    fn value_parser() -> StoreUrlParser {
        StoreUrlParser
    }
}

impl TypedValueParser for StoreUrlParser {
    type Value = StoreUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<StoreUrl, clap::Error> {
        let parsed = match value.to_str() {
            Some(text) => text.parse(),
            None if split_scheme(&value.to_string_lossy()).is_some() => Err(StoreUrlError::NotText),
            None => Ok(StoreUrl::Redb(value.into())),
        };
        parsed.map_err(|error| {
            let argument = argument.map(|argument| format!("{argument}: ")).unwrap_or_default();
            clap::Error::raw(ErrorKind::ValueValidation, format!("{argument}{error}\n")).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.parse().expect("valid store name")
    }

    fn sqlite_file(file: &str, table: &str) -> StoreUrl {
        StoreUrl::Sqlite { file: file.into(), table: table.to_owned() }
    }

    #[test]
    fn every_format_is_parsed() {
        for path in [
            "fitness.redb",
            "/var/lib/fitness.redb",
            "./sqlite:x",
            "C:\\Users\\me\\fitness.redb",
            "2026-01-01T10:00.redb",
            "a.b:c",
        ] {
            assert_eq!(url(path), StoreUrl::Redb(path.into()), "{path}");
        }
        assert_eq!(url("redb:dir:x"), StoreUrl::Redb("dir:x".into()));
        assert_eq!(url("REDB:C:\\x"), StoreUrl::Redb("C:\\x".into()));
        assert_eq!(url("dir:wallet/fs_store"), StoreUrl::Directory("wallet/fs_store".into()));
        assert_eq!(url("dir:///var/wallet"), StoreUrl::Directory("/var/wallet".into()));
        assert_eq!(url("sqlite:w.sqlite"), sqlite_file("w.sqlite", "ldk_node_data"));
        assert_eq!(url("sqlite://w.sqlite?table=ldk_data"), sqlite_file("w.sqlite", "ldk_data"));
        assert_eq!(url("sqlite:what?.db"), sqlite_file("what?.db", "ldk_node_data"));
        for text in ["postgres://me@db/fitness", "postgresql://me@db/fitness", "Postgres://me@db/fitness"] {
            assert_eq!(url(text), StoreUrl::Postgres("postgres://me@db/fitness".to_owned()));
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        let error = |text: &str| text.parse::<StoreUrl>().expect_err(text);
        assert_eq!(error(""), StoreUrlError::Empty);
        for (text, scheme) in [("redb:", "redb"), ("dir://", "dir"), ("sqlite:", "sqlite")] {
            assert_eq!(error(text), StoreUrlError::NoPath { scheme });
        }
        for (text, scheme) in
            [("sqllite:x", "sqllite"), ("mysql://root@db/fitness", "mysql"), ("http://x", "http")]
        {
            assert_eq!(error(text), StoreUrlError::UnknownScheme { scheme: scheme.to_owned() });
        }
        for text in ["postgres:", "postgres://", "postgresql:db"] {
            assert_eq!(error(text), StoreUrlError::NoHost);
        }
        assert_eq!(error("sqlite:x?mode=ro"), StoreUrlError::UnknownOption { option: "mode".to_owned() });
        for table in ["", "a b", "a;DROP TABLE channels", "1a", "ä", &"a".repeat(65)] {
            let text = format!("sqlite:x?table={table}");
            assert_eq!(error(&text), StoreUrlError::TableName { table: table.to_owned() });
        }
    }

    #[test]
    fn errors_list_every_format() {
        for text in ["", "redb:", "sqllite:x"] {
            let message = text.parse::<StoreUrl>().expect_err(text).to_string();
            assert!(message.contains(URL_FORMATS), "{message}");
        }
    }

    #[test]
    fn tilde_after_a_scheme_is_the_home_directory() {
        let home = std::env::home_dir().expect("a home directory");
        assert_eq!(url("dir:~/wallet"), StoreUrl::Directory(home.join("wallet")));
        assert_eq!(url("dir:~wallet"), StoreUrl::Directory("~wallet".into()));
        assert_eq!(
            url("~/x.redb"),
            StoreUrl::Redb("~/x.redb".into()),
            "without a scheme, the shell expands it"
        );
    }

    proptest! {
        #[test]
        fn displayed_name_parses_as_the_same_store(text in "(redb:|dir:|sqlite:|//|/)?[a-z?:=/~.]{1,12}(\\?table=[a-z_]{1,4})?") {
            if let Ok(store) = text.parse::<StoreUrl>() {
                prop_assert_eq!(store.to_string().parse::<StoreUrl>(), Ok(store));
            }
        }
    }
}
