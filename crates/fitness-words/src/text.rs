//! Untrusted text, such as the alias that a peer chose for itself, and shortened ids.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// The maximum number of characters of an alias to show. A node announces at most 32 bytes.
const MAX_ALIAS_CHARS: usize = 48;

/// The maximum number of combining marks on one letter.
const MAX_COMBINING_MARKS: usize = 2;

/// Makes an alias that a stranger chose safe to display: a single line without invisible characters, without
/// characters that change the text direction, without stacks of combining marks, and at most 48 characters
/// long. Returns `None` if nothing is left.
///
/// The result is plain text: escape it as usual for HTML, JSON or a terminal.
#[must_use]
pub fn sanitize(name: &str) -> Option<String> {
    sanitize_line(name, MAX_ALIAS_CHARS)
}

/// Makes any untrusted text safe to display, such as an error message from a server. Like [`sanitize`], but
/// keeps at most `max_chars` characters.
#[must_use]
pub fn sanitize_line(text: &str, max_chars: usize) -> Option<String> {
    let (mut kept, mut length, mut mark_run) = (String::new(), 0, 0);
    for c in text.chars() {
        // Drop the joiner of a combined emoji. It is then shown as separate emoji.
        let joins_emoji = c == '\u{200d}' && kept.chars().next_back().is_some_and(is_pictograph);
        if joins_emoji {
            continue;
        }
        let c = match c.general_category_group() {
            // Control, direction-changing, invisible and unassigned characters.
            GeneralCategoryGroup::Other => match c {
                '\t' | '\n' | '\r' => ' ',
                _ => char::REPLACEMENT_CHARACTER,
            },
            GeneralCategoryGroup::Separator => ' ',
            _ => c,
        };
        let is_mark =
            matches!(c.general_category(), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        mark_run = if is_mark { mark_run + 1 } else { 0 };
        let is_repeated_space = c == ' ' && kept.chars().next_back().is_none_or(|last| last == ' ');
        let is_excess_mark = is_mark && (mark_run > MAX_COMBINING_MARKS || kept.is_empty());
        if is_repeated_space || is_excess_mark {
            continue;
        }
        if length == max_chars {
            kept.push('…');
            return Some(kept);
        }
        kept.push(c);
        length += 1;
    }
    kept.truncate(kept.trim_end().len());
    (!kept.is_empty()).then_some(kept)
}

/// Shortens an id to its two ends, such as `02ab12…9f3c`: `head` digits before the `gap` and `tail` after it.
/// Returns an id of at most `head + tail` digits unchanged.
#[must_use]
pub fn shorten_id(id: &impl ToString, head: usize, gap: &str, tail: usize) -> String {
    let id = id.to_string();
    let ends = (id.get(..head), id.len().checked_sub(tail).and_then(|from| id.get(from..)));
    match ends {
        (Some(start), Some(end)) if head + tail < id.len() => format!("{start}{gap}{end}"),
        _ => id,
    }
}

/// Returns whether `c` is a pictograph or a modifier that can follow one.
fn is_pictograph(c: char) -> bool {
    let symbol =
        matches!(c.general_category(), GeneralCategory::OtherSymbol | GeneralCategory::ModifierSymbol);
    symbol || c == '\u{fe0f}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_unchanged() {
        for name in ["ACINQ", "Zürich ⚡ node", "ビットコイン", "عقدة البرق", "a\u{301}e\u{301}", "<b>&\"'"]
        {
            assert_eq!(sanitize(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn deceptive_characters_are_removed() {
        let shown = |name: &str| sanitize(name).unwrap_or_default();
        assert_eq!(shown("safe\u{202e}gnp.exe"), "safe\u{fffd}gnp.exe", "right-to-left override");
        assert_eq!(shown("\u{2066}iso\u{2069}"), "\u{fffd}iso\u{fffd}");
        assert_eq!(shown("ACI\u{200b}NQ"), "ACI\u{fffd}NQ", "zero-width space");
        assert_eq!(shown("🏴\u{200d}☠\u{fe0f}"), "🏴☠\u{fe0f}", "a joined emoji becomes two");
        assert_eq!(shown("a\0b\u{1b}[31mc\u{7f}"), "a\u{fffd}b\u{fffd}[31mc\u{fffd}");
        assert_eq!(shown(" two\r\n\u{2028} lines\u{3000}\t"), "two lines");
        assert_eq!(shown("\u{301}\u{301}x\u{301}\u{302}\u{303}\u{304}y"), "x\u{301}\u{302}y");
        assert_eq!(sanitize(" \n\u{a0}"), None);
        assert_eq!(sanitize(""), None);
    }

    #[test]
    fn shortened_ids_keep_both_ends() {
        assert_eq!(shorten_id(&"02ab12cdef9f3c", 6, "…", 4), "02ab12…9f3c");
        assert_eq!(shorten_id(&"02ab12", 6, "…", 4), "02ab12");
        assert_eq!(shorten_id(&"02ab12", 2, "..", 2), "02..12");
    }

    #[test]
    fn long_names_are_cut_at_a_character_boundary() {
        let cut = sanitize(&"⚡".repeat(10_000)).unwrap_or_default();
        assert_eq!(cut.chars().count(), MAX_ALIAS_CHARS + 1);
        assert!(cut.ends_with("⚡…"));
        assert_eq!(sanitize(&"x".repeat(MAX_ALIAS_CHARS)), Some("x".repeat(MAX_ALIAS_CHARS)));
    }
}
