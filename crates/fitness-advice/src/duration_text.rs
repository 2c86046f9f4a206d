//! Durations and percentages in the texts of reasons and alerts.

use std::fmt;

use crate::{DAY_NS, SECOND_NS};

/// A duration in nanoseconds, shown in its two largest units, rounded down: `1 d 2 h`, `1 h 5 min`, `10 min`.
pub(crate) struct TwoUnits(pub(crate) u64);

impl fmt::Display for TwoUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
        let seconds = self.0 / SECOND_NS;
        let largest = UNITS.iter().position(|(length, _)| seconds >= *length).unwrap_or(UNITS.len() - 1);
        let (length, unit) = UNITS[largest];
        write!(f, "{} {unit}", seconds / length)?;
        let rest = seconds % length;
        match UNITS.get(largest + 1) {
            Some((length, unit)) if rest >= *length => write!(f, " {} {unit}", rest / length),
            _ => Ok(()),
        }
    }
}

/// A duration in nanoseconds, shown in days, rounded down to a tenth: `28 days`, `1 day`, `60.2 days`. Shown
/// in smaller units if it is less than a day.
pub(crate) struct Days(pub(crate) u64);

impl Days {
    /// Returns the number of days without the unit: `28`, `60.2`.
    pub(crate) fn number(&self) -> String {
        let tenths = self.0 / (DAY_NS / 10);
        match tenths % 10 {
            0 => (tenths / 10).to_string(),
            tenth => format!("{}.{tenth}", tenths / 10),
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < DAY_NS {
            return TwoUnits(self.0).fmt(f);
        }
        let number = self.number();
        let unit = if number == "1" { "day" } else { "days" };
        write!(f, "{number} {unit}")
    }
}

/// A ratio from 0 to 1, shown as a percentage: `71.3%`.
pub(crate) struct Percent(pub(crate) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}%", self.0 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_at_most_two_units() {
        let texts = [
            (0, "0 s"),
            (59, "59 s"),
            (600, "10 min"),
            (3_905, "1 h 5 min"),
            (3_605, "1 h"),
            (86_400, "1 d"),
            (93_600, "1 d 2 h"),
        ];
        for (seconds, text) in texts {
            assert_eq!(TwoUnits(seconds * SECOND_NS).to_string(), text);
        }
    }

    #[test]
    fn days_are_rounded_down_to_a_tenth() {
        let texts = [
            (DAY_NS - 1, "23 h 59 min"),
            (DAY_NS, "1 day"),
            (28 * DAY_NS, "28 days"),
            (28 * DAY_NS - 1, "27.9 days"),
            (602 * (DAY_NS / 10), "60.2 days"),
        ];
        for (ns, text) in texts {
            assert_eq!(Days(ns).to_string(), text);
        }
    }
}
