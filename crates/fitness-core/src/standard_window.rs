//! The windows that people ask about, and the hours and days that charts are made of.

use core::fmt;
use core::str::FromStr;

use crate::Timestamp;

const HOUR_NS: u64 = 3600 * 1_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;

/// One of the usual windows: each ends at the moment of the question.
///
/// ```
/// use fitness_core::{Span, Timestamp};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert_eq!("7d".parse(), Ok(Span::Week));
/// assert_eq!(Span::Week.before(now), Timestamp::from_secs(1_700_000_000 - 7 * 24 * 3600));
/// assert_eq!(Span::Lifetime.before(now), Timestamp::EPOCH);
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
    /// All the time there is.
    #[cfg_attr(feature = "serde", serde(rename = "lifetime"))]
    Lifetime,
}

impl StandardWindow {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Lifetime];

    /// Its name: `24h`, `7d`, `30d`, `90d` or `lifetime`.
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

    /// Its length in nanoseconds; `None` for the lifetime.
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

    /// Where it begins if it ends at `now`. A lifetime begins at the epoch, which every answer cuts to
    /// its own beginning.
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

/// Not the name of a [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseWindowError;

impl fmt::Display for ParseWindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 24h, 7d, 30d, 90d or lifetime")
    }
}

impl core::error::Error for ParseWindowError {}

/// How wide the bars of a chart are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BucketWidth {
    /// An hour, as it begins in UTC.
    Hour,
    /// A day, as it begins in UTC.
    Day,
}

impl BucketWidth {
    /// Its length, in nanoseconds.
    #[must_use]
    pub const fn width_ns(self) -> u64 {
        match self {
            Self::Hour => HOUR_NS,
            Self::Day => DAY_NS,
        }
    }

    /// Where the one that `at` lies in ends.
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
