//! Formats values for a limited number of terminal columns.

use fitness_core::NodeId;
pub(crate) use fitness_words::{NA, coarse_duration as duration, datetime, percent};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::api::Cause;

/// The most characters of an untrusted text that are kept.
const MAX_UNTRUSTED_LEN: usize = 64;

/// Formats a duration without fractions of a second, or `n/a` for `None`.
pub(crate) fn duration_or_na(ns: Option<u64>) -> String {
    ns.map_or_else(|| NA.to_owned(), duration)
}

/// Formats a number with digit grouping.
pub(crate) fn count(number: usize) -> String {
    fitness_words::group_digits(as_u64(number))
}

/// Formats a number and its noun, such as `1 peer` or `3 peers`.
pub(crate) fn pluralize(number: usize, one: &str, more: &str) -> String {
    fitness_words::pluralize(as_u64(number), one, more)
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Describes the cause of a monitoring gap.
pub(crate) fn cause(cause: Cause) -> &'static str {
    cause.known().map_or("unknown cause", fitness_words::gap_cause)
}

/// Makes an untrusted text safe to draw: one line of limited length without control characters, invisible
/// characters or changes of direction. Returns `None` if nothing is left.
pub(crate) fn sanitize(text: &str) -> Option<String> {
    fitness_words::sanitize_line(text, MAX_UNTRUSTED_LEN)
}

/// Shortens an id to its first `head` and last 4 characters, with `ellipsis` in between.
pub(crate) fn shorten_id(id: &impl ToString, head: usize, ellipsis: &str) -> String {
    fitness_words::shorten_id(id, head, ellipsis, 4)
}

/// Formats a node id in at most `width` columns; shortens it if necessary.
pub(crate) fn fit_node_id(node_id: &NodeId, width: usize, ellipsis: &str) -> String {
    let id = node_id.to_string();
    if id.len() <= width {
        return id;
    }
    shorten_id(node_id, width.saturating_sub(4 + ellipsis.width()).min(16), ellipsis)
}

/// Returns the number of terminal columns that a text occupies.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Truncates a text to at most `columns` columns. A truncated text ends with `ellipsis`.
pub(crate) fn truncate(text: &str, columns: usize, ellipsis: &str) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let available = columns.saturating_sub(ellipsis.width());
    let (mut kept, mut used) = (String::new(), 0);
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > available {
            break;
        }
        kept.push_str(grapheme);
    }
    if ellipsis.width() <= columns {
        kept.push_str(ellipsis);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_duration_is_na() {
        assert_eq!(duration_or_na(None), NA);
        assert_eq!(duration_or_na(Some(61_000_000_000)), duration(61_000_000_000));
    }

    #[test]
    fn untrusted_text_is_one_safe_line_of_limited_length() {
        let sanitized = |text: &str| sanitize(text).unwrap_or_default();
        assert_eq!(sanitized("a\u{1b}[31mb\u{7}\u{9b}2Jc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}2Jc");
        assert_eq!(sanitized("safe\u{202e}gnp.exe"), "safe\u{fffd}gnp.exe");
        assert_eq!(sanitized(" two\r\n lines\t"), "two lines");
        assert_eq!(sanitized("ビットコイン ⚡"), "ビットコイン ⚡");
        assert_eq!(sanitize(" \n\u{a0}"), None);
        assert_eq!(sanitized(&"x".repeat(10_000)).chars().count(), MAX_UNTRUSTED_LEN + 1, "with an ellipsis");
    }

    #[test]
    fn shortened_ids_keep_both_ends() {
        let id = NodeId([2; 33]);
        assert_eq!(fit_node_id(&id, 12, "…"), "0202020…0202");
        assert_eq!(fit_node_id(&id, 66, "…"), id.to_string());
        assert_eq!(fit_node_id(&id, 40, "…"), "0202020202020202…0202");
        assert_eq!(shorten_id(&"02ab", 6, "…"), "02ab");
    }

    proptest! {
        #[test]
        fn truncated_text_fits(text in "\\PC{0,40}", columns in 0_usize..30) {
            let text = sanitize(&text).unwrap_or_default();
            let truncated = truncate(&text, columns, "…");
            prop_assert!(width(&truncated) <= columns, "{truncated:?}");
            prop_assert!(width(&text) > columns || truncated == text);
        }
    }
}
