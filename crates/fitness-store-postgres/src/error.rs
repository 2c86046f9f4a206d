//! What the server and the network say, as the port's errors.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use fitness_store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why something could not be done, before it is known what was to be done and where.
#[derive(Debug)]
pub(crate) enum Fault {
    Database(Error),
    /// The connection is gone, for this reason.
    Lost(String),
    /// No answer for so long.
    Silent(Duration),
    /// Somebody else was quicker.
    Overtaken,
    /// Found by ourselves, and explained already.
    Found(Box<StoreError>),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Found(Box::new(error))
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::Lost("all connections for reading are busy".to_owned())
            }
            PoolError::Timeout(_) => Self::Lost("the server lets nobody in in time".to_owned()),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl Fault {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the connection it came from is of no use any more.
    pub(crate) fn ends_the_connection(&self) -> bool {
        match self {
            Self::Database(error) => match error.code() {
                // An administrator's word, a crash, a shutdown; and a standby, which will never take it:
                // another connection may find the server that does.
                Some(code) => {
                    code.code().starts_with("57P")
                        || code.code().starts_with("08")
                        || matches!(
                            *code,
                            SqlState::READ_ONLY_SQL_TRANSACTION
                                | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                        )
                }
                None => true,
            },
            Self::Lost(_) | Self::Silent(_) => true,
            Self::Overtaken | Self::Found(_) => false,
        }
    }

    /// Whether the same may succeed at once: two transactions got into each other's way.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Overtaken)
            || matches!(
                self.code(),
                Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
            )
    }

    /// Whether something was to be made that somebody else made in the meantime.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(
            self.code(),
            Some(
                &SqlState::UNIQUE_VIOLATION
                    | &SqlState::DUPLICATE_TABLE
                    | &SqlState::DUPLICATE_SCHEMA
                    | &SqlState::DUPLICATE_OBJECT
            )
        )
    }

    /// Whether the role lacks a right.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// What it means to whoever asked for `operation`.
    pub(crate) fn explain(self, operation: &'static str, location: &str) -> StoreError {
        let location = location.to_owned();
        match self {
            Self::Found(error) => *error,
            Self::Database(error) => match what_to_do(&error) {
                Some(what_to_do) => {
                    let reason = format!("{}; {what_to_do}", explained(&error));
                    StoreError::OpenFailed { location, reason, source: Some(error.into()) }
                }
                None => StoreError::Backend { operation, location, source: Self::Database(error).into() },
            },
            fault => StoreError::Backend { operation, location, source: fault.into() },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => f.write_str(&explained(error)),
            Self::Lost(reason) => write!(f, "the connection was lost: {reason}"),
            Self::Overtaken => f.write_str("others claim the same observer all the time"),
            Self::Silent(time) => write!(f, "the server has not answered for {time:?}"),
            Self::Found(error) => error.fmt(f),
        }
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::Found(error) => error.source(),
            Self::Lost(_) | Self::Silent(_) | Self::Overtaken => None,
        }
    }
}

/// The way out, where somebody has to act before anything can get better.
fn what_to_do(error: &Error) -> Option<&'static str> {
    let Some(code) = error.code() else { return what_to_do_here(error) };
    Some(match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check user and password, and pg_hba.conf on the server"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or name another one",
        SqlState::INSUFFICIENT_PRIVILEGE => "grant the role what it lacks",
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            "somebody removed or changed the tables: restore a backup"
        }
        _ => return None,
    })
}

/// The same, where it was not the server that refused.
fn what_to_do_here(error: &Error) -> Option<&'static str> {
    // The library has no other way to tell these apart; the tests hold it to them.
    match (error.to_string().as_str(), StdError::source(error).map(ToString::to_string).as_deref()) {
        ("invalid configuration", Some("password missing")) => {
            Some("give it in the URL, as PGPASSWORD, or in a password file")
        }
        ("invalid configuration" | "authentication error", _) => Some("correct the URL"),
        ("error performing TLS handshake", Some("server does not support TLS")) => {
            Some("turn it on there, or ask for less with sslmode=prefer")
        }
        _ => is_tls(error).then_some("check sslmode, sslrootcert and sslcert, and the server's certificate"),
    }
}

/// Whether TLS failed for a reason of its own, not for one of the network's.
fn is_tls(error: &Error) -> bool {
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// An error with all that the server or the system said about it. No part of it is a secret.
pub(crate) fn explained(error: &Error) -> String {
    if let Some(database) = error.as_db_error() {
        let mut said = format!("{} (SQLSTATE {})", database.message(), database.code().code());
        for more in [database.detail(), database.hint()].into_iter().flatten() {
            said.push_str("; ");
            said.push_str(more);
        }
        return said;
    }
    let mut said = error.to_string();
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said.push_str(": ");
            said.push_str(&cause_said);
        }
        source = cause.source();
    }
    said
}
