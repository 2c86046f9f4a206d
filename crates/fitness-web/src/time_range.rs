//! Time ranges in queries.

use fitness_core::{StandardWindow, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A standard window. All of them end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum WindowName {
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
    #[serde(rename = "lifetime")]
    Lifetime,
}

impl From<WindowName> for StandardWindow {
    fn from(name: WindowName) -> Self {
        match name {
            WindowName::Day => Self::Day,
            WindowName::Week => Self::Week,
            WindowName::Month => Self::Month,
            WindowName::Quarter => Self::Quarter,
            WindowName::Lifetime => Self::Lifetime,
        }
    }
}

impl From<StandardWindow> for WindowName {
    fn from(window: StandardWindow) -> Self {
        match window {
            StandardWindow::Day => Self::Day,
            StandardWindow::Week => Self::Week,
            StandardWindow::Month => Self::Month,
            StandardWindow::Quarter => Self::Quarter,
            StandardWindow::Lifetime => Self::Lifetime,
        }
    }
}

/// The latest timestamp that a query may contain: the largest `int64`, a moment in the year 2262.
const MAX_TIMESTAMP_NS: u64 = i64::MAX.unsigned_abs();

/// Deserializes a timestamp parameter and checks its range.
pub(crate) fn timestamp_param<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<u64>::deserialize(deserializer)?;
    match value {
        Some(ns) if ns > MAX_TIMESTAMP_NS => {
            Err(D::Error::custom(format!("invalid timestamp {ns}: expected at most {MAX_TIMESTAMP_NS}")))
        }
        _ => Ok(value),
    }
}

/// The time range parameters of a query: a named window, or explicit ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeRange {
    pub(crate) window: Option<WindowName>,
    pub(crate) from_ns: Option<u64>,
    pub(crate) to_ns: Option<u64>,
}

impl TimeRange {
    /// Returns the start and the end of the range. A missing `from_ns` means the beginning of the history,
    /// a missing `to_ns` means now, and a query without any of the parameters means `default`.
    ///
    /// # Errors
    ///
    /// A message for the client.
    pub(crate) fn resolve(
        self,
        now: Timestamp,
        default: StandardWindow,
    ) -> Result<(Timestamp, Timestamp), String> {
        match (self.window, self.from_ns, self.to_ns) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err("`window` cannot be combined with `from_ns` or `to_ns`".to_owned())
            }
            (None, Some(from), Some(to)) if from > to => {
                Err(format!("invalid range: `from_ns` ({from}) is later than `to_ns` ({to})"))
            }
            (None, None, None) => Ok((default.start(now), now)),
            (Some(name), ..) => Ok((StandardWindow::from(name).start(now), now)),
            (None, from, to) => {
                let to = to.map_or(now, |to| Timestamp::from_nanos(to).min(now));
                Ok((Timestamp::from_nanos(from.unwrap_or_default()), to))
            }
        }
    }
}
