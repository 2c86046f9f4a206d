//! Which store: as it is typed.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use ldk_node::io::sqlite_store::KV_TABLE_NAME;

/// The forms of a store, for a help and for whoever typed another.
pub(crate) const FORMS: &str = "  \
  PATH, redb:PATH            a redb file
  sqlite:PATH[?table=NAME]   an SQLite file as ldk-node keeps one; its table is ldk_node_data
  dir:PATH                   a directory as LDK's FilesystemStore keeps one
  postgres://USER@HOST/NAME  a PostgreSQL database";

/// A store, by its kind and place. What it shows of itself never has a password in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A redb file.
    Redb(PathBuf),
    /// A directory of LDK's `FilesystemStore`.
    Directory(PathBuf),
    /// An SQLite file of ldk-node's, and the table in it.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// The table: letters, digits and underscores.
        table: String,
    },
    /// A PostgreSQL database, by its URL, which may have a password in it.
    Postgres(String),
}

/// Why a text names no store. It never has a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreUrlError {
    /// Nothing is named.
    #[error("no store is named; give one of\n{FORMS}")]
    Empty,

    /// There is no path where one should be.
    #[error("{scheme}: names no path; give one of\n{FORMS}")]
    NoPath {
        /// The kind of store.
        scheme: &'static str,
    },

    /// No kind of store has this name.
    #[error(
        "there is no kind of store called {scheme:?}; give one of\n{FORMS}\nA file whose name begins so is redb:{scheme}:…"
    )]
    UnknownScheme {
        /// What was typed before the colon.
        scheme: String,
    },

    /// A URL that ends before it says where.
    #[error("a PostgreSQL database is given as postgres://USER@HOST/NAME")]
    NoHost,

    /// An option of SQLite's that there is not.
    #[error("sqlite: knows no option {option:?}; it knows ?table=NAME")]
    UnknownOption {
        /// Its name.
        option: String,
    },

    /// A table whose name is none.
    #[error("{table:?} cannot be the name of a table: letters, digits and underscores can, at most 64")]
    TableName {
        /// What was typed.
        table: String,
    },

    /// A path that is no text, behind the name of a kind.
    #[error("only the path of a redb file, given without redb:, can be other than UTF-8")]
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

/// What stands before the first colon and after it, where that is no part of a path: neither a drive's
/// letter nor anything with a dot or a slash in it.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let begins = scheme.len() > 1 && scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on = scheme.chars().all(|each| each.is_ascii_alphanumeric() || "+-_".contains(each));
    (begins && goes_on).then_some((scheme, rest))
}

fn path(scheme: &'static str, text: &str) -> Result<PathBuf, StoreUrlError> {
    // As a URL has it: `dir:///var/lib/wallet`.
    let text = text.strip_prefix("//").unwrap_or(text);
    if text.is_empty() {
        return Err(StoreUrlError::NoPath { scheme });
    }
    // No shell does this behind a colon.
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
    // ldk-node puts it into its statements as it is.
    let is_name = table.len() <= 64
        && table.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(StoreUrlError::TableName { table: table.to_owned() });
    }
    Ok(StoreUrl::Sqlite { file: path("sqlite", file)?, table: table.to_owned() })
}

/// Reads a store from the command line. clap's own messages repeat what was typed; ours do not.
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
        text.parse().expect("it names a store")
    }

    fn sqlite_file(file: &str, table: &str) -> StoreUrl {
        StoreUrl::Sqlite { file: file.into(), table: table.to_owned() }
    }

    #[test]
    fn each_form() {
        for path in [
            "fitness.redb",
            "/var/lib/fitness.redb",
            "./sqlite:x",
            "C:\\Users\\me\\fitness.redb",
            "2026-01-01T10:00.redb",
            "a.b:c",
        ] {
            assert_eq!(url(path), StoreUrl::Redb(path.into()), "{path} is a path");
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
    fn what_names_no_store_is_told_the_forms() {
        let told = |text: &str| text.parse::<StoreUrl>().expect_err("it names none").to_string();
        for text in ["", "redb:", "dir://", "sqlite:", "sqllite:x", "mysql://root@db/fitness", "http://x"] {
            let told = told(text);
            assert!(
                ["redb:PATH", "sqlite:PATH", "dir:PATH", "postgres://"]
                    .iter()
                    .all(|form| told.contains(form)),
                "{told}"
            );
        }
        assert!(told("sqllite:x").contains("redb:sqllite:"), "a file may have such a name");
        for text in ["postgres:", "postgres://", "postgresql:db"] {
            assert!(told(text).contains("postgres://USER@HOST/NAME"));
        }
        assert!(told("sqlite:x?mode=ro").contains("\"mode\""));
        for table in ["", "a b", "a;DROP TABLE channels", "1a", "ä", &"a".repeat(65)] {
            assert!(
                told(&format!("sqlite:x?table={table}")).contains("letters, digits and underscores"),
                "{table}"
            );
        }
    }

    #[test]
    fn the_home_directory_is_found_behind_a_colon() {
        let home = std::env::home_dir().expect("there is one");
        assert_eq!(url("dir:~/wallet"), StoreUrl::Directory(home.join("wallet")));
        assert_eq!(url("dir:~wallet"), StoreUrl::Directory("~wallet".into()));
        assert_eq!(url("~/x.redb"), StoreUrl::Redb("~/x.redb".into()), "here the shell would have done it");
    }

    proptest! {
        #[test]
        fn what_is_shown_names_the_same_store(text in "(redb:|dir:|sqlite:|//|/)?[a-z?:=/~.]{1,12}(\\?table=[a-z_]{1,4})?") {
            if let Ok(store) = text.parse::<StoreUrl>() {
                prop_assert_eq!(store.to_string().parse::<StoreUrl>(), Ok(store));
            }
        }
    }
}
