//! From when to when somebody asks.

use fitness_core::{StandardWindow, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// One of the usual windows, which end now.
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
    fn from(span: StandardWindow) -> Self {
        match span {
            StandardWindow::Day => Self::Day,
            StandardWindow::Week => Self::Week,
            StandardWindow::Month => Self::Month,
            StandardWindow::Quarter => Self::Quarter,
            StandardWindow::Lifetime => Self::Lifetime,
        }
    }
}

/// The latest moment that can be asked about: what an `int64` holds, which is in the year 2262.
const LATEST_NS: u64 = i64::MAX.unsigned_abs();

/// A moment as it is asked for.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let asked = Option::<u64>::deserialize(deserializer)?;
    match asked {
        Some(ns) if ns > LATEST_NS => Err(D::Error::custom(format!("{ns} is later than {LATEST_NS}"))),
        _ => Ok(asked),
    }
}

/// From when to when, as it was asked for: by name, or by its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) window: Option<WindowName>,
    pub(crate) from_ns: Option<u64>,
    pub(crate) to_ns: Option<u64>,
}

impl Range {
    /// Its ends. What was left open goes as far as there is something; where nothing was asked for it
    /// is `usual`.
    pub(crate) fn ends(
        self,
        now: Timestamp,
        usual: StandardWindow,
    ) -> Result<(Timestamp, Timestamp), String> {
        match (self.window, self.from_ns, self.to_ns) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err("ask for a `window` or for `from_ns` and `to_ns`, not for both".to_owned())
            }
            (None, Some(from), Some(to)) if from > to => {
                Err(format!("`from_ns` is {from}, and later than `to_ns`, which is {to}"))
            }
            (None, None, None) => Ok((usual.start(now), now)),
            (Some(name), ..) => Ok((StandardWindow::from(name).start(now), now)),
            (None, from, to) => {
                let to = to.map_or(now, |to| Timestamp::from_nanos(to).min(now));
                Ok((Timestamp::from_nanos(from.unwrap_or_default()), to))
            }
        }
    }
}
