//! Internal errors, and their conversion to [`StoreError`].

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use fitness_store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The cause of a failed operation, without the operation and the location.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(Error),
    /// The connection was lost; the string is the reason.
    ConnectionLost(String),
    /// The server did not reply within this time.
    NoReply(Duration),
    /// Another store claimed the observer at the same time.
    ClaimConflict,
    /// An error that is already complete.
    Store(Box<StoreError>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::ConnectionLost("all read connections are busy".to_owned())
            }
            PoolError::Timeout(_) => {
                Self::ConnectionLost("the server did not accept the connection in time".to_owned())
            }
            other => Self::ConnectionLost(other.to_string()),
        }
    }
}

impl Failure {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
            _ => None,
        }
    }

    /// Returns whether the connection on which it happened must not be used any more.
    pub(crate) fn breaks_connection(&self) -> bool {
        match self {
            Self::Database(error) => match error.code() {
                // 57P: the server was shut down, has crashed, or an administrator terminated the session.
                // A standby never accepts writes, but another connection may reach the primary.
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
            Self::ConnectionLost(_) | Self::NoReply(_) => true,
            Self::ClaimConflict | Self::Store(_) => false,
        }
    }

    /// Returns whether two transactions conflicted, so that an immediate retry may succeed.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::ClaimConflict)
            || matches!(
                self.code(),
                Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
            )
    }

    /// Returns whether the object to create exists already.
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

    /// Returns whether the role lacks a privilege.
    pub(crate) fn is_permission_denied(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Converts the failure of `operation` to the error that the store returns.
    ///
    /// An error that needs intervention becomes [`StoreError::OpenFailed`], also in an open store.
    pub(crate) fn into_store_error(self, operation: &'static str, location: &str) -> StoreError {
        let location = location.to_owned();
        match self {
            Self::Store(error) => *error,
            Self::Database(error) => match remedy(&error) {
                Some(remedy) => {
                    let reason = format!("{}; {remedy}", describe(&error));
                    StoreError::OpenFailed { location, reason, source: Some(error.into()) }
                }
                None => StoreError::Backend { operation, location, source: Self::Database(error).into() },
            },
            failure => StoreError::Backend { operation, location, source: failure.into() },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => f.write_str(&describe(error)),
            Self::ConnectionLost(reason) => write!(f, "connection lost: {reason}"),
            Self::ClaimConflict => f.write_str("repeated conflicts with stores that claim the same observer"),
            Self::NoReply(time) => write!(f, "no reply from the server within {time:?}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl StdError for Failure {
    // Display contains the text of the sources.
}

/// Returns what to do about an error that a retry cannot fix, or `None` if a retry may succeed.
fn remedy(error: &Error) -> Option<&'static str> {
    let Some(code) = error.code() else { return client_remedy(error) };
    Some(match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user and the password, and pg_hba.conf on the server"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or use another one",
        SqlState::INSUFFICIENT_PRIVILEGE => "grant the role the missing privilege",
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            "the tables were changed or deleted: restore a backup"
        }
        _ => return None,
    })
}

/// The same for an error of the client library.
fn client_remedy(error: &Error) -> Option<&'static str> {
    // tokio-postgres distinguishes these errors only by their text. The tests check the texts.
    match (error.to_string().as_str(), StdError::source(error).map(ToString::to_string).as_deref()) {
        ("invalid configuration", Some("password missing")) => {
            Some("provide it in the URL, in PGPASSWORD or in a password file")
        }
        ("invalid configuration" | "authentication error", _) => Some("correct the URL"),
        ("error performing TLS handshake", Some("server does not support TLS")) => {
            Some("turn on TLS on the server, or use sslmode=prefer")
        }
        _ => {
            is_tls_error(error).then_some("check sslmode, sslrootcert, sslcert and the server's certificate")
        }
    }
}

/// Returns whether rustls reported the error, as opposed to a network error during the handshake.
fn is_tls_error(error: &Error) -> bool {
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

/// Describes an error with its detail, hint and causes. The text contains no secret.
pub(crate) fn describe(error: &Error) -> String {
    if let Some(database) = error.as_db_error() {
        let mut text = format!("{} (SQLSTATE {})", database.message(), database.code().code());
        for more in [database.detail(), database.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
        return text;
    }
    let mut text = error.to_string();
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
