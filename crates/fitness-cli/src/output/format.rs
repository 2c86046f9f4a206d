//! Formats numbers for tables.

use fitness_core::Timestamp;

pub(crate) use fitness_words::{NA, duration, or_na, percent as availability};

/// Formats how long before `now` a time was: `2m 05s ago`.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    duration(now.nanos_since(at)) + " ago"
}

/// Formats `measured_ns - true_ns`, with its sign.
pub(crate) fn difference(measured_ns: u64, true_ns: u64) -> String {
    let sign = match measured_ns.cmp(&true_ns) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    };
    format!("{sign}{}", duration(measured_ns.abs_diff(true_ns)))
}

/// Formats a duration, with its error unless that is 0: `2m 05s +/- 1.0s`.
pub(crate) fn with_error(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} +/- {}", duration(error_ns)) }
}

/// Shortens an id to its first `head` and last four digits: `02ab12…9f3c`.
pub(crate) fn short(id: &str, head: usize, ellipsis: &str) -> String {
    fitness_words::shorten_id(&id, head, ellipsis, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed() {
        const MILLI: u64 = 1_000_000;
        assert_eq!(difference(5 * MILLI, 7 * MILLI), "-2ms");
        assert_eq!(difference(7 * MILLI, 5 * MILLI), "+2ms");
        assert_eq!(difference(7, 7), "0s");
    }
}
