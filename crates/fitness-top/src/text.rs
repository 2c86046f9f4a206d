//! Numbers, moments and names as people read them, in so many columns of a terminal.

use std::time::{Duration, SystemTime};

use fitness_core::{NodeId, Timestamp};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::api::Cause;

const SECOND: u64 = 1_000_000_000;

/// The last second of the year 9999, beyond which dates have no usual form.
const LAST_SECOND: u64 = 253_402_300_799;

/// The most characters of a name that are kept.
const LONGEST: usize = 64;

/// What stands for a number that is not known.
pub(crate) const UNKNOWN: &str = "n/a";

/// A duration in its two largest units: `3d 04h`, `4h 07m`, `2m 05s`, `12s`.
///
/// What is smaller is cut off, not rounded, so that a part never looks longer than its whole.
pub(crate) fn duration(ns: u64) -> String {
    let secs = ns / SECOND;
    let (mins, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match secs {
        _ if days >= 1_000 => format!("{days}d"),
        _ if days > 0 => format!("{days}d {:02}h", hours % 24),
        _ if hours > 0 => format!("{hours}h {:02}m", mins % 60),
        _ if mins > 0 => format!("{mins}m {:02}s", secs % 60),
        _ => format!("{secs}s"),
    }
}

/// A duration, or `n/a` where there is none.
pub(crate) fn known(ns: Option<u64>) -> String {
    ns.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// A part of a whole: `99.95 %`, or `n/a` where there is no whole.
///
/// Only all of it is 100.00 %, and only nothing is 0.00 %.
pub(crate) fn share(part: u64, whole: u64) -> String {
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
pub(crate) fn count(number: usize) -> String {
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

/// `1 peer`, `3 peers`.
pub(crate) fn counted(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A moment in UTC: `2026-11-22 21:22:13`.
pub(crate) fn moment(at: Timestamp) -> String {
    let secs = (at.as_nanos() / SECOND).min(LAST_SECOND);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', "")
}

/// Why we could not tell, in a few words.
pub(crate) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Down => "our program was not running",
        Cause::Suspended => "we were suspended",
        Cause::NetworkOut => "our network was out",
        Cause::Paused => "the wallet paused us",
        Cause::Other => "we could not tell",
    }
}

/// What is harmless of a text that a stranger wrote: one line, nothing that steers a terminal, is invisible
/// or turns the text around it, and not too long; `None` where nothing is left.
pub(crate) fn harmless(text: &str) -> Option<String> {
    let mut kept = String::new();
    for c in text.chars().take(LONGEST) {
        match c.general_category_group() {
            GeneralCategoryGroup::Other if c != '\t' && c != '\n' && c != '\r' => {
                kept.push(char::REPLACEMENT_CHARACTER);
            }
            GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator => kept.push(' '),
            _ => kept.push(c),
        }
    }
    let words: Vec<&str> = kept.split_whitespace().collect();
    let kept = words.join(" ");
    (!kept.is_empty()).then_some(kept)
}

/// The two ends of an id.
pub(crate) fn short(id: &impl ToString, head: usize, gap: &str) -> String {
    let id = id.to_string();
    match (id.get(..head), id.len().checked_sub(4).and_then(|tail| id.get(tail..))) {
        (Some(start), Some(end)) if head + 4 < id.len() => format!("{start}{gap}{end}"),
        _ => id,
    }
}

/// An id in so many columns, with both ends where it does not fit.
pub(crate) fn id_in(node_id: &NodeId, width: usize, gap: &str) -> String {
    let id = node_id.to_string();
    if id.len() <= width { id } else { short(node_id, width.saturating_sub(4 + gap.width()).min(16), gap) }
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// As much of a text as fits into so many columns, with `gap` at the end of what was cut.
pub(crate) fn cut(text: &str, columns: usize, gap: &str) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(gap.width());
    let (mut kept, mut taken) = (String::new(), 0);
    for grapheme in text.graphemes(true) {
        taken += grapheme.width();
        if taken > room {
            break;
        }
        kept.push_str(grapheme);
    }
    if gap.width() <= columns {
        kept.push_str(gap);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers() {
        let texts = [(0, "0s"), (59, "59s"), (60, "1m 00s"), (3_600, "1h 00m"), (76 * 3_600, "3d 04h")];
        for (secs, text) in texts {
            assert_eq!(duration(secs * SECOND), text);
        }
        assert_eq!(duration(u64::MAX), "213503d");
        assert_eq!(
            [share(0, 0), share(1, u64::MAX), share(u64::MAX - 1, u64::MAX), share(7, 7)],
            ["n/a", "0.01 %", "99.99 %", "100.00 %"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "peer"), counted(2, "peer")], ["1 peer", "2 peers"]);
        assert_eq!(moment(Timestamp::from_secs(1_700_000_000)), "2023-11-14 22:13:20");
        assert_eq!(moment(Timestamp::MAX), "2554-07-21 23:34:33");
    }

    #[test]
    fn what_would_steer_a_terminal_is_taken_out() {
        let seen = |name: &str| harmless(name).unwrap_or_default();
        assert_eq!(seen("a\u{1b}[31mb\u{7}\u{9b}2Jc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}2Jc");
        assert_eq!(seen("safe\u{202e}gnp.exe"), "safe\u{fffd}gnp.exe");
        assert_eq!(seen(" two\r\n lines\t"), "two lines");
        assert_eq!(seen("ビットコイン ⚡"), "ビットコイン ⚡");
        assert_eq!(harmless(" \n\u{a0}"), None);
        assert_eq!(seen(&"x".repeat(10_000)).len(), LONGEST);
    }

    #[test]
    fn ids_keep_both_ends() {
        let id = NodeId([2; 33]);
        assert_eq!(id_in(&id, 12, "…"), "0202020…0202");
        assert_eq!(id_in(&id, 66, "…"), id.to_string());
        assert_eq!(id_in(&id, 40, "…"), "0202020202020202…0202");
        assert_eq!(short(&"02ab", 6, "…"), "02ab");
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in "\\PC{0,40}", columns in 0_usize..30) {
            let text = harmless(&text).unwrap_or_default();
            let cut = cut(&text, columns, "…");
            prop_assert!(width(&cut) <= columns, "{cut:?}");
            prop_assert!(width(&text) > columns || cut == text);
        }
    }
}
