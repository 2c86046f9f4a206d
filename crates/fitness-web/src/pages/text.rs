//! Numbers and moments as people read them, in the words of the program's tables.

use std::time::{Duration, SystemTime};

use fitness_core::{GapCause, NodeId, Timestamp};
use maud::{Markup, html};

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// The last second of the year 9999, beyond which dates have no usual form.
const LAST_SECOND: u64 = 253_402_300_799;

/// What stands for a number that is not known.
pub(super) const UNKNOWN: &str = "n/a";

/// A duration in its two largest units: `3d 04h`, `4h 07m`, `2m 05s`, `12.3s`, `250ms`.
///
/// What is smaller is cut off, not rounded, so that a part never looks longer than its whole.
pub(super) fn duration(ns: u64) -> String {
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

/// A duration, or `n/a` where there is none.
pub(super) fn known(ns: Option<u64>) -> String {
    ns.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// A duration, and how far it may be off where it may be.
pub(super) fn within(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} ± {}", duration(error_ns)) }
}

/// A part of a whole: `99.95 %`, or `n/a` where there is no whole.
///
/// Only all of it is 100.00 %, and only nothing is 0.00 %.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return UNKNOWN.to_owned();
    }
    let (wide_part, wide) = (u128::from(part), u128::from(whole));
    let hundredths = match part {
        0 => 0,
        _ if part >= whole => 10_000,
        _ => ((wide_part * 10_000 + wide / 2) / wide).clamp(1, 9_999),
    };
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// A whole number with its thousands apart.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same of what is counted in 64 bits.
pub(super) fn many(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX))
}

/// `one outage`, `3 outages`.
pub(super) fn counted(number: u64, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {more}", many(number)),
    }
}

/// A moment as programs read it: `2026-11-22T21:22:13Z`.
pub(super) fn machine(at: Timestamp) -> String {
    let secs = (at.as_nanos() / SECOND).min(LAST_SECOND);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).to_string()
}

/// A moment as people read it, in UTC: `2026-11-22 21:22:13`.
pub(super) fn moment(at: Timestamp) -> String {
    machine(at).replace('T', " ").replace('Z', "")
}

/// A moment on a page.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(machine(at)) { (moment(at)) } }
}

/// How long a moment is past, on a page, with the moment itself for whoever wants to know.
pub(super) fn since(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(machine(at)) title={ (moment(at)) " UTC" } { (duration(now.nanos_since(at))) } }
}

/// The two ends of an id.
pub(super) fn short(id: &impl ToString) -> String {
    let id = id.to_string();
    match (id.get(..8), id.len().checked_sub(6).and_then(|tail| id.get(tail..))) {
        (Some(start), Some(end)) => format!("{start}…{end}"),
        _ => id,
    }
}

/// What a peer is called: a name that may run in either direction and is never part of the sentence, or
/// the ends of its id.
pub(super) fn called(name: Option<&str>, node_id: &NodeId) -> Markup {
    html! {
        @match name {
            Some(name) => bdi.name { (name) },
            None => span.id { (short(node_id)) },
        }
    }
}

/// Why we could not tell, in a few words.
pub(super) const fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Down => "our program was not running",
        GapCause::Suspended => "we were suspended",
        GapCause::NetworkOut => "our network was out",
        GapCause::Paused => "the wallet paused us",
        _ => "we could not tell",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_perfection_looks_perfect() {
        assert_eq!(share(0, 0), "n/a");
        assert_eq!(share(0, 5), "0.00 %");
        assert_eq!(share(1, u64::MAX), "0.01 %");
        assert_eq!(share(2, 3), "66.67 %");
        assert_eq!(share(u64::MAX - 1, u64::MAX), "99.99 %");
        assert_eq!(share(u64::MAX, u64::MAX), "100.00 %");
    }

    #[test]
    fn durations_and_counts() {
        assert_eq!(duration(76 * 3_600 * SECOND), "3d 04h");
        assert_eq!(duration(59_999_999_999), "59.9s");
        assert_eq!(within(SECOND, 0), "1.0s");
        assert_eq!(within(SECOND, 1_500_000), "1.0s ± 1ms");
        assert_eq!(
            [0, 999, 1_000, 12_345, 1_234_567].map(count),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
        assert_eq!(counted(1, "outage", "outages"), "1 outage");
        assert_eq!(counted(0, "outage", "outages"), "0 outages");
    }

    #[test]
    fn every_moment_can_be_told() {
        assert_eq!(moment(Timestamp::from_secs(1_700_000_000)), "2023-11-14 22:13:20");
        assert_eq!(machine(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(machine(Timestamp::MAX), "2554-07-21T23:34:33Z");
        assert_eq!(short(&"02ab"), "02ab");
        assert_eq!(short(&NodeId([2; 33])), "02020202…020202");
    }
}
