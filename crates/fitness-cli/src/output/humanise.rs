//! Numbers as people read them.

use fitness_core::Timestamp;

pub(crate) use fitness_words::{NA, duration, or_na, percent as availability};

/// How long before `now` a moment was.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    duration(now.nanos_since(at)) + " ago"
}

/// How far `measured_ns` is from `true_ns`, signed.
pub(crate) fn difference(measured_ns: u64, true_ns: u64) -> String {
    let sign = match measured_ns.cmp(&true_ns) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    };
    format!("{sign}{}", duration(measured_ns.abs_diff(true_ns)))
}

/// A duration, and how far it may be off where it may be.
pub(crate) fn within(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} +/- {}", duration(error_ns)) }
}

/// The two ends of an id: `02ab12…9f3c`, with `head` digits before the `gap` and four after it.
pub(crate) fn short(id: &str, head: usize, gap: &str) -> String {
    fitness_words::shorten_id(&id, head, gap, 4)
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
