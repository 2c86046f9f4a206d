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
    Threshold {
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
        fence: f64,
        /// The first quartile of all peers that were judged.
        first_quartile: f64,
        /// How many those were.
        among: usize,
    },
    /// Its connection changes all the time.
    Flapping {
        /// How often it changed in 7 days, down and up, at least.
        changes: u64,
        /// How often it may.
        limit: u64,
    },
    /// It has not been online for long.
    Gone {
        /// For how long, in nanoseconds of observed time.
        absent_ns: u64,
        /// How long it may be.
        limit_ns: u64,
    },
    /// It was not observed for long enough to be judged.
    TooEarly {
        /// How long it was observed, in nanoseconds.
        observed_ns: u64,
        /// How long it has to be.
        needed_ns: u64,
    },
    /// It is private or mobile: not expected to be always online, and not held against the others.
    Apart,
    /// It is to be left alone.
    Ignored,
}

impl Reason {
    /// The rule's name, which is also that of its serialised form: `threshold`.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "threshold",
            Self::Outlier { .. } => "outlier",
            Self::Flapping { .. } => "flapping",
            Self::Gone { .. } => "gone",
            Self::TooEarly { .. } => "too_early",
            Self::Apart => "apart",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Threshold { availability, threshold, observed_ns } => write!(
                f,
                "online {} of {} days, at or below {}",
                Percent(availability),
                Days(observed_ns),
                Percent(threshold)
            ),
            Self::Outlier { availability, fence, first_quartile, among } => write!(
                f,
                "online {}, while three quarters of {among} peers are at {} or more (outliers are below {})",
                Percent(availability),
                Percent(first_quartile),
                Percent(fence)
            ),
            Self::Flapping { changes, limit } => {
                write!(f, "its connection changed {changes} times in 7 days, more than {limit}")
            }
            Self::Gone { absent_ns, .. } => write!(f, "not online for {} days", Days(absent_ns)),
            Self::TooEarly { observed_ns, needed_ns } => {
                write!(f, "observed for {} days, and judged after {}", Days(observed_ns), Days(needed_ns))
            }
            Self::Apart => f.write_str("private or mobile, and judged by long absence alone"),
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
