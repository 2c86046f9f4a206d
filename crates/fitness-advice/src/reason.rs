//! The reasons behind a recommendation.

use std::fmt;

use crate::DAY_NS;
use crate::duration_text::{Days, Percent};

/// A rule that a peer broke, or the reason why the rules were not applied to it.
///
/// `Display` describes the reason for people: `availability 71.3% over 60.2 days, at or below the 80.0%
/// threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "rule", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// The availability is at or below the threshold, even if everything that the log dropped counts in the
    /// peer's favour.
    AvailabilityLow {
        /// The peer's availability, from 0 to 1.
        availability: f64,
        /// The threshold, from 0 to 1.
        threshold: f64,
        /// How long the peer was observed in the window, in nanoseconds.
        observed_ns: u64,
    },
    /// The availability is far below that of the other peers.
    Outlier {
        /// The peer's availability, from 0 to 1.
        availability: f64,
        /// The availability below which a peer is an outlier.
        lower_fence: f64,
        /// The first quartile of the availability of all compared peers.
        first_quartile: f64,
        /// The number of compared peers.
        compared_peers: usize,
    },
    /// The connection goes up and down too often.
    Flapping {
        /// The number of connection changes in 7 days, up and down. A lower bound if the log is incomplete.
        flaps: u64,
        /// The highest number allowed.
        limit: u64,
    },
    /// The peer has not been online for a long time.
    LongOffline {
        /// The observed time since the peer was last online, in nanoseconds.
        offline_ns: u64,
        /// The observed time offline from which this rule applies, in nanoseconds.
        limit_ns: u64,
    },
    /// The peer was not observed for long enough to be evaluated.
    InsufficientData {
        /// How long the peer was observed, in nanoseconds.
        observed_ns: u64,
        /// How long it must be observed, in nanoseconds.
        needed_ns: u64,
    },
    /// The peer is private or mobile. Such peers need not always be online, so they are not compared with
    /// other peers.
    NotCompared,
    /// The peer is on the ignore list.
    Ignored,
}

impl Reason {
    /// Returns the name of the rule, such as `availability_low`. The serialised form uses the same name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::AvailabilityLow { .. } => "availability_low",
            Self::Outlier { .. } => "outlier",
            Self::Flapping { .. } => "flapping",
            Self::LongOffline { .. } => "long_offline",
            Self::InsufficientData { .. } => "insufficient_data",
            Self::NotCompared => "not_compared",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AvailabilityLow { availability, threshold, observed_ns } => write!(
                f,
                "availability {} over {}, at or below the {} threshold",
                Percent(availability),
                Days(observed_ns),
                Percent(threshold)
            ),
            Self::Outlier { availability, lower_fence, first_quartile, compared_peers } => write!(
                f,
                "availability {}, below the outlier limit of {} ({compared_peers} peers, first quartile {})",
                Percent(availability),
                Percent(lower_fence),
                Percent(first_quartile)
            ),
            Self::Flapping { flaps, limit } => write!(f, "{flaps} flaps in 7 days (limit {limit})"),
            Self::LongOffline { offline_ns, limit_ns } => {
                write!(f, "offline for {} (limit {})", Days(offline_ns), Days(limit_ns))
            }
            Self::InsufficientData { observed_ns, needed_ns } => {
                let (observed, needed) = (Days(observed_ns), Days(needed_ns));
                if needed_ns < DAY_NS {
                    write!(f, "needs {needed} of data (has {observed})")
                } else if observed_ns < DAY_NS {
                    write!(f, "needs {needed} of data (has less than 1)")
                } else {
                    write!(f, "needs {needed} of data (has {})", observed.number())
                }
            }
            Self::NotCompared => f.write_str("not compared with other peers (private or mobile)"),
            Self::Ignored => f.write_str("on the ignore list"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_carry_the_numbers_and_their_units() {
        let hour = DAY_NS / 24;
        let needs = |observed_ns, needed_ns| Reason::InsufficientData { observed_ns, needed_ns };
        let texts = [
            (
                Reason::AvailabilityLow { availability: 0.713, threshold: 0.8, observed_ns: 60 * DAY_NS },
                "availability 71.3% over 60 days, at or below the 80.0% threshold",
            ),
            (
                Reason::Outlier {
                    availability: 0.713,
                    lower_fence: 0.945,
                    first_quartile: 0.97,
                    compared_peers: 10,
                },
                "availability 71.3%, below the outlier limit of 94.5% (10 peers, first quartile 97.0%)",
            ),
            (Reason::Flapping { flaps: 52, limit: 50 }, "52 flaps in 7 days (limit 50)"),
            (
                Reason::LongOffline { offline_ns: 60 * DAY_NS, limit_ns: 30 * DAY_NS },
                "offline for 60 days (limit 30 days)",
            ),
            (needs(hour, 28 * DAY_NS), "needs 28 days of data (has less than 1)"),
            (needs(28 * DAY_NS - 1, 28 * DAY_NS), "needs 28 days of data (has 27.9)"),
            (needs(hour / 2, hour), "needs 1 h of data (has 30 min)"),
        ];
        for (reason, text) in texts {
            assert_eq!(reason.to_string(), text);
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn rule_names_match_the_serialised_form() {
        let reasons = [
            Reason::AvailabilityLow { availability: 0.5, threshold: 0.8, observed_ns: 1 },
            Reason::Outlier { availability: 0.5, lower_fence: 0.6, first_quartile: 0.7, compared_peers: 3 },
            Reason::Flapping { flaps: 2, limit: 1 },
            Reason::LongOffline { offline_ns: 2, limit_ns: 1 },
            Reason::InsufficientData { observed_ns: 1, needed_ns: 2 },
            Reason::NotCompared,
            Reason::Ignored,
        ];
        for reason in reasons {
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json["rule"], reason.rule());
        }
    }
}
