//! Numbers as people read them.

use fitness_core::Timestamp;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// A duration in its two largest units: `3d 04h`, `4h 07m`, `2m 05s`, `12.3s`, `250ms`.
///
/// What is smaller is cut off, not rounded, so that a part never looks longer than its whole.
pub(crate) fn duration(ns: u64) -> String {
    let secs = ns / SECOND;
    let (mins, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match ns {
        0 => "0s".to_owned(),
        _ if days >= 1_000 => format!("{days}d"),
        _ if days > 0 => format!("{days}d {:02}h", hours % 24),
        _ if hours > 0 => format!("{hours}h {:02}m", mins % 60),
        _ if mins > 0 => format!("{mins}m {:02}s", secs % 60),
        SECOND.. => format!("{secs}.{}s", ns % SECOND / (SECOND / 10)),
        MILLI.. => format!("{}ms", ns / MILLI),
        MICRO.. => format!("{}us", ns / MICRO),
        _ => format!("{ns}ns"),
    }
}

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

/// Uptime over observed time: `99.95 %`, or `n/a` where nothing was observed.
///
/// Only what was up all the time is 100.00 %, and only what never was is 0.00 %.
pub(crate) fn availability(uptime_ns: u64, observed_ns: u64) -> String {
    if observed_ns == 0 {
        return UNKNOWN.to_owned();
    }
    let (uptime, observed) = (u128::from(uptime_ns), u128::from(observed_ns));
    let rounded = (uptime * 10_000 + observed / 2) / observed;
    let hundredths = match uptime_ns {
        0 => 0,
        _ if uptime_ns >= observed_ns => 10_000,
        _ => rounded.clamp(1, 9_999),
    };
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// What stands for a number that is not known.
pub(crate) const UNKNOWN: &str = "n/a";

/// A duration, or `n/a` where there is none.
pub(crate) fn known(ns: Option<u64>) -> String {
    ns.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// A duration, and how far it may be off where it may be.
pub(crate) fn within(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} +/- {}", duration(error_ns)) }
}

/// The two ends of an id: `02ab12…9f3c`, with `head` digits before the `gap` and four after it.
pub(crate) fn short(id: &str, head: usize, gap: &str) -> String {
    match (id.get(..head), id.len().checked_sub(4).and_then(|tail| id.get(tail..))) {
        (Some(start), Some(end)) if head + 4 < id.len() => format!("{start}{gap}{end}"),
        _ => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let texts = [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_500, "1us"),
            (999_999_999, "999ms"),
            (SECOND, "1.0s"),
            (12_399_999_999, "12.3s"),
            (59_999_999_999, "59.9s"),
            (60 * SECOND, "1m 00s"),
            (3_599 * SECOND, "59m 59s"),
            (3_600 * SECOND, "1h 00m"),
            (86_399 * SECOND, "23h 59m"),
            (86_400 * SECOND, "1d 00h"),
            (76 * 3_600 * SECOND, "3d 04h"),
            (1_000 * 86_400 * SECOND, "1000d"),
            (u64::MAX, "213503d"),
        ];
        for (ns, text) in texts {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn only_perfection_looks_perfect() {
        assert_eq!(availability(0, 0), "n/a");
        assert_eq!(availability(0, 5), "0.00 %");
        assert_eq!(availability(1, u64::MAX), "0.01 %");
        assert_eq!(availability(2, 3), "66.67 %");
        assert_eq!(availability(57, 100), "57.00 %");
        assert_eq!(availability(u64::MAX - 1, u64::MAX), "99.99 %");
        assert_eq!(availability(u64::MAX, u64::MAX), "100.00 %");
    }

    #[test]
    fn differences_are_signed() {
        assert_eq!(difference(5 * MILLI, 7 * MILLI), "-2ms");
        assert_eq!(difference(7 * MILLI, 5 * MILLI), "+2ms");
        assert_eq!(difference(7, 7), "0s");
    }

    #[test]
    fn ids_keep_both_ends() {
        assert_eq!(short("02ab12cdef9f3c", 6, "…"), "02ab12…9f3c");
        assert_eq!(short("02ab12", 6, "…"), "02ab12");
    }
}
