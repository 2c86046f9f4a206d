//! Why, in words and with the numbers.

use std::fmt;

use crate::days;

/// A rule that a peer broke, or why no rule was applied to it.
///
/// Its text is made for people: `online 71.3 % of 60.2 days, at or below 80.0 %`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "rule", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// Its availability is at or below the threshold, even with all that the log dropped in its favour.
    AvailabilityLow {
        /// Its availability, from 0 to 1.
        availability: f64,
        /// The threshold.
        threshold: f64,
        /// Nanoseconds that it was observed in the window.
        observed_ns: u64,
    },
    /// Its availability is far below that of the others.
    Outlier {
        /// Its availability, from 0 to 1.
        availability: f64,
        /// What an outlier is below.
        lower_fence: f64,
        /// The first quartile of all peers that were judged.
        first_quartile: f64,
        /// How many those were.
        compared_peers: usize,
    },
    /// Its connection changes all the time.
    Flapping {
        /// How often it changed in 7 days, down and up, at least.
        flaps: u64,
        /// How often it may.
        limit: u64,
    },
    /// It has not been online for long.
    LongOffline {
        /// For how long, in nanoseconds of observed time.
        offline_ns: u64,
        /// How long it may be.
        limit_ns: u64,
    },
    /// It was not observed for long enough to be judged.
    InsufficientData {
        /// How long it was observed, in nanoseconds.
        observed_ns: u64,
        /// How long it has to be.
        needed_ns: u64,
    },
    /// It is private or mobile: not expected to be always online, and not held against the others.
    NotCompared,
    /// It is to be left alone.
    Ignored,
}

impl Reason {
    /// The rule's name, which is also that of its serialised form: `threshold`.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::AvailabilityLow { .. } => "threshold",
            Self::Outlier { .. } => "outlier",
            Self::Flapping { .. } => "flapping",
            Self::LongOffline { .. } => "gone",
            Self::InsufficientData { .. } => "too_early",
            Self::NotCompared => "apart",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AvailabilityLow { availability, threshold, observed_ns } => write!(
                f,
                "online {} of {} days, at or below {}",
                Percent(availability),
                Days(observed_ns),
                Percent(threshold)
            ),
            Self::Outlier { availability, lower_fence: fence, first_quartile, compared_peers } => write!(
                f,
                "online {}, while three quarters of {compared_peers} peers are at {} or more (outliers are below {})",
                Percent(availability),
                Percent(first_quartile),
                Percent(fence)
            ),
            Self::Flapping { flaps, limit } => {
                write!(f, "its connection changed {flaps} times in 7 days, more than {limit}")
            }
            Self::LongOffline { offline_ns, .. } => write!(f, "not online for {} days", Days(offline_ns)),
            Self::InsufficientData { observed_ns, needed_ns } => {
                write!(f, "observed for {} days, and judged after {}", Days(observed_ns), Days(needed_ns))
            }
            Self::NotCompared => f.write_str("private or mobile, and judged by long absence alone"),
            Self::Ignored => f.write_str("on the ignore list"),
        }
    }
}

struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

struct Days(u64);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", days(self.0))
    }
}
