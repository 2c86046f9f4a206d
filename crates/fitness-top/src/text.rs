//! Numbers, moments and names as people read them, in so many columns of a terminal.

use fitness_core::NodeId;
pub(crate) use fitness_words::{NA, coarse_duration as duration, datetime, percent};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::api::Cause;

/// The most characters of a stranger's text that are kept.
const LONGEST: usize = 64;

/// A duration, or `n/a` where there is none.
pub(crate) fn known(ns: Option<u64>) -> String {
    ns.map_or_else(|| NA.to_owned(), duration)
}

/// A whole number with its thousands apart.
pub(crate) fn count(number: usize) -> String {
    fitness_words::group_digits(u64::try_from(number).unwrap_or(u64::MAX))
}

/// `1 peer`, `3 peers`.
pub(crate) fn counted(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Why we could not tell, in a few words.
pub(crate) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::NotRunning => "our program was not running",
        Cause::Suspended => "we were suspended",
        Cause::NetworkDown => "our network was out",
        Cause::Paused => "the wallet paused us",
        Cause::Other => "we could not tell",
    }
}

/// What is harmless of a text that a stranger wrote: one line, nothing that steers a terminal, is invisible
/// or turns the text around it, and not too long; `None` where nothing is left.
pub(crate) fn harmless(text: &str) -> Option<String> {
    fitness_words::sanitize_line(text, LONGEST)
}

/// The two ends of an id.
pub(crate) fn short(id: &impl ToString, head: usize, gap: &str) -> String {
    fitness_words::shorten_id(id, head, gap, 4)
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
        assert_eq!([counted(1, "peer"), counted(2_000, "peer")], ["1 peer", "2,000 peers"]);
        assert_eq!([known(None), known(Some(61_000_000_000))], ["n/a", "1m 01s"]);
    }

    #[test]
    fn what_would_steer_a_terminal_is_taken_out() {
        let seen = |name: &str| harmless(name).unwrap_or_default();
        assert_eq!(seen("a\u{1b}[31mb\u{7}\u{9b}2Jc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}2Jc");
        assert_eq!(seen("safe\u{202e}gnp.exe"), "safe\u{fffd}gnp.exe");
        assert_eq!(seen(" two\r\n lines\t"), "two lines");
        assert_eq!(seen("ビットコイン ⚡"), "ビットコイン ⚡");
        assert_eq!(harmless(" \n\u{a0}"), None);
        assert_eq!(seen(&"x".repeat(10_000)).chars().count(), LONGEST + 1, "and a gap");
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
