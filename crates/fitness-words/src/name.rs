//! Names and ids: what peers call themselves, which is whatever they like, and what they are called by.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// The most characters of an alias that are shown; a node announces at most 32 bytes.
const LONGEST: usize = 48;

/// How many marks may stand on one letter.
const MARKS: usize = 2;

/// What is harmless of a name that a stranger gave itself: one line, nothing invisible, nothing that
/// turns the text around it, no towers of accents, and not too long; `None` where nothing is left.
///
/// It is still text, to be escaped wherever it is written.
#[must_use]
pub fn sanitize(name: &str) -> Option<String> {
    sanitize_line(name, LONGEST)
}

/// The same for any text of a stranger, such as what a server says went wrong: `longest` characters of it.
#[must_use]
pub fn sanitize_line(text: &str, longest: usize) -> Option<String> {
    let (mut kept, mut length, mut marks) = (String::new(), 0, 0);
    for c in text.chars() {
        // Emoji that were joined into one fall apart, and are still emoji.
        let joins = c == '\u{200d}' && kept.chars().next_back().is_some_and(is_picture);
        if joins {
            continue;
        }
        let c = match c.general_category_group() {
            // Controls, what turns the direction, what is not seen, what is not assigned.
            GeneralCategoryGroup::Other => match c {
                '\t' | '\n' | '\r' => ' ',
                _ => char::REPLACEMENT_CHARACTER,
            },
            GeneralCategoryGroup::Separator => ' ',
            _ => c,
        };
        let is_mark =
            matches!(c.general_category(), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        marks = if is_mark { marks + 1 } else { 0 };
        let is_blank_again = c == ' ' && kept.chars().next_back().is_none_or(|last| last == ' ');
        let is_tower = is_mark && (marks > MARKS || kept.is_empty());
        if is_blank_again || is_tower {
            continue;
        }
        if length == longest {
            kept.push('…');
            return Some(kept);
        }
        kept.push(c);
        length += 1;
    }
    kept.truncate(kept.trim_end().len());
    (!kept.is_empty()).then_some(kept)
}

/// The two ends of an id: `02ab12…9f3c`, with `head` digits before the `gap` and `tail` after it. What is no
/// longer than that is left as it is.
#[must_use]
pub fn shorten_id(id: &impl ToString, head: usize, gap: &str, tail: usize) -> String {
    let id = id.to_string();
    let ends = (id.get(..head), id.len().checked_sub(tail).and_then(|from| id.get(from..)));
    match ends {
        (Some(start), Some(end)) if head + tail < id.len() => format!("{start}{gap}{end}"),
        _ => id,
    }
}

/// Whether it is a pictograph, or what may follow one.
fn is_picture(c: char) -> bool {
    let symbol =
        matches!(c.general_category(), GeneralCategory::OtherSymbol | GeneralCategory::ModifierSymbol);
    symbol || c == '\u{fe0f}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_they_are() {
        for name in ["ACINQ", "Zürich ⚡ node", "ビットコイン", "عقدة البرق", "a\u{301}e\u{301}", "<b>&\"'"]
        {
            assert_eq!(sanitize(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_deceives_the_eye_is_taken_out() {
        let seen = |name: &str| sanitize(name).unwrap_or_default();
        assert_eq!(seen("safe\u{202e}gnp.exe"), "safe\u{fffd}gnp.exe", "right to left");
        assert_eq!(seen("\u{2066}iso\u{2069}"), "\u{fffd}iso\u{fffd}");
        assert_eq!(seen("ACI\u{200b}NQ"), "ACI\u{fffd}NQ", "it only looks like another");
        assert_eq!(seen("🏴\u{200d}☠\u{fe0f}"), "🏴☠\u{fe0f}", "in two, and not broken");
        assert_eq!(seen("a\0b\u{1b}[31mc\u{7f}"), "a\u{fffd}b\u{fffd}[31mc\u{fffd}");
        assert_eq!(seen(" two\r\n\u{2028} lines\u{3000}\t"), "two lines");
        assert_eq!(seen("\u{301}\u{301}x\u{301}\u{302}\u{303}\u{304}y"), "x\u{301}\u{302}y");
        assert_eq!(sanitize(" \n\u{a0}"), None);
        assert_eq!(sanitize(""), None);
    }

    #[test]
    fn ids_keep_both_ends() {
        assert_eq!(shorten_id(&"02ab12cdef9f3c", 6, "…", 4), "02ab12…9f3c");
        assert_eq!(shorten_id(&"02ab12", 6, "…", 4), "02ab12");
        assert_eq!(shorten_id(&"02ab12", 2, "..", 2), "02..12");
    }

    #[test]
    fn long_ones_are_cut_where_a_character_ends() {
        let cut = sanitize(&"⚡".repeat(10_000)).unwrap_or_default();
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with("⚡…"));
        assert_eq!(sanitize(&"x".repeat(LONGEST)), Some("x".repeat(LONGEST)));
    }
}
