//! The standard windows of statistics, and the bucket widths of charts.

use core::fmt;
use core::str::FromStr;

use crate::Timestamp;

const HOUR_NS: u64 = 3600 * 1_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;

/// A standard window of time that ends at the time of the query.
///
/// ```
/// use fitness_core::{StandardWindow, Timestamp};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert_eq!("7d".parse(), Ok(StandardWindow::Week));
/// assert_eq!(StandardWindow::Week.start(now), Timestamp::from_secs(1_700_000_000 - 7 * 24 * 3600));
/// assert_eq!(StandardWindow::Lifetime.start(now), Timestamp::EPOCH);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StandardWindow {
    /// The last 24 hours.
    #[cfg_attr(feature = "serde", serde(rename = "24h"))]
    Day,
    /// The last 7 days.
    #[cfg_attr(feature = "serde", serde(rename = "7d"))]
    Week,
    /// The last 30 days.
    #[cfg_attr(feature = "serde", serde(rename = "30d"))]
    Month,
    /// The last 90 days.
    #[cfg_attr(feature = "serde", serde(rename = "90d"))]
    Quarter,
    /// The whole lifetime.
    #[cfg_attr(feature = "serde", serde(rename = "lifetime"))]
    Lifetime,
}

impl StandardWindow {
    /// All windows, shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Lifetime];

    /// Returns the name: `24h`, `7d`, `30d`, `90d` or `lifetime`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Lifetime => "lifetime",
        }
    }

    /// Returns the length in nanoseconds; `None` for [`StandardWindow::Lifetime`].
    #[must_use]
    pub const fn length_ns(self) -> Option<u64> {
        match self {
            Self::Day => Some(DAY_NS),
            Self::Week => Some(7 * DAY_NS),
            Self::Month => Some(30 * DAY_NS),
            Self::Quarter => Some(90 * DAY_NS),
            Self::Lifetime => None,
        }
    }

    /// Returns the start of the window that ends at `now`.
    ///
    /// For [`StandardWindow::Lifetime`], returns the epoch. Queries limit the window to the start of the
    /// history.
    #[must_use]
    pub const fn start(self, now: Timestamp) -> Timestamp {
        match self.length_ns() {
            Some(length_ns) => now.before_nanos(length_ns),
            None => Timestamp::EPOCH,
        }
    }
}

impl fmt::Display for StandardWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for StandardWindow {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, ParseWindowError> {
        Self::ALL.into_iter().find(|window| window.name() == text).ok_or(ParseWindowError)
    }
}

/// The error returned when parsing a [`StandardWindow`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseWindowError;

impl fmt::Display for ParseWindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid window: expected 24h, 7d, 30d, 90d or lifetime")
    }
}

impl core::error::Error for ParseWindowError {}

/// The width of the buckets of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BucketWidth {
    /// One UTC hour.
    Hour,
    /// One UTC day.
    Day,
}

impl BucketWidth {
    /// Returns the width in nanoseconds.
    #[must_use]
    pub const fn width_ns(self) -> u64 {
        match self {
            Self::Hour => HOUR_NS,
            Self::Day => DAY_NS,
        }
    }

    /// Returns the end of the bucket that contains `at`.
    pub(crate) const fn bucket_end(self, at: Timestamp) -> Timestamp {
        at.before_nanos(at.as_nanos() % self.width_ns()).after_nanos(self.width_ns())
    }
}

impl fmt::Display for BucketWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hour => "hour",
            Self::Day => "day",
        })
    }
}
