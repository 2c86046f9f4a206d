//! Checks that retired identifiers and phrases stay retired.

use std::fs;

use crate::command::{output, root};

/// The list of what is retired. The file explains its own format.
const LIST: &str = "xtask/retired-words.txt";

/// Files that may use any word: this check, the changelog, and files that others wrote.
const EXEMPT: &[&str] =
    &[LIST, "xtask/src/words.rs", "CHANGELOG.md", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"];

/// Endings of files with data instead of words.
const DATA: &[&str] = &[".gz", ".png", ".redb", ".ico"];

/// Directories with data that lnd wrote.
const LND_DATA: &[&str] = &["crates/fitness-core/tests/data/", "crates/fitness-cli/tests/fixtures/"];

/// The contents of the list.
struct WordList {
    retired: Vec<Retired>,
    /// Phrases that contain a retired one and are good English. They are removed from a text first.
    correct: Vec<String>,
}

/// A retired identifier or phrase.
struct Retired {
    pattern: String,
    replacement: String,
    /// Whether it is an identifier: matched with its case. A phrase is matched without.
    is_identifier: bool,
    /// Paths that may use it, by their beginning.
    allowed: Vec<String>,
}

pub(crate) fn check() -> Result<(), String> {
    let list = fs::read_to_string(root().join(LIST)).map_err(|err| format!("{LIST}: {err}"))?;
    let words = WordList::parse(&list)?;
    let mut git = std::process::Command::new("git");
    git.args(["ls-files"]).current_dir(root());
    let mut found = Vec::new();
    for path in output(git)?.lines().filter(|path| !is_exempt(path)) {
        // A path that git lists may have been deleted, or hold data that is not text.
        let Ok(text) = fs::read_to_string(root().join(path)) else { continue };
        found.extend(
            words.matches(path, path).iter().map(|what| format!("{path}: in the file's name: {what}")),
        );
        let mut previous = "";
        for (number, line) in (1..).zip(text.lines()) {
            let line = without_comment_marker(line);
            // A phrase may be broken across two lines.
            let (before, after) = (last_words(previous), first_words(line));
            let on_line = words.matches(path, line);
            let mut across = words.matches(path, &format!("{before} {after}"));
            let in_one_part = [words.matches(path, &before), words.matches(path, &after)].concat();
            across.retain(|what| !in_one_part.contains(what));
            found.extend(on_line.iter().chain(&across).map(|what| format!("{path}:{number}: {what}")));
            previous = line;
        }
    }
    if found.is_empty() {
        println!("none of {} retired identifiers and phrases is used", words.retired.len());
        return Ok(());
    }
    found.iter().for_each(|line| println!("{line}"));
    Err(format!("retired identifiers or phrases are used in {} places (see {LIST})", found.len()))
}

/// Returns the line without its indentation and without the marker of a comment.
fn without_comment_marker(line: &str) -> &str {
    let line = line.trim();
    let markers = ["///", "//!", "//", "#", "*", "--", ">"];
    markers.iter().find_map(|marker| line.strip_prefix(marker)).unwrap_or(line).trim_start()
}

/// The longest phrase has so many words.
const MAX_WORDS: usize = 5;

fn first_words(line: &str) -> String {
    line.split_whitespace().take(MAX_WORDS - 1).collect::<Vec<_>>().join(" ")
}

fn last_words(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    words[words.len().saturating_sub(MAX_WORDS - 1)..].join(" ")
}

fn is_exempt(path: &str) -> bool {
    EXEMPT.contains(&path)
        || DATA.iter().any(|ending| path.ends_with(ending))
        || LND_DATA.iter().any(|directory| path.starts_with(directory))
}

impl WordList {
    fn parse(list: &str) -> Result<Self, String> {
        let mut words = Self { retired: Vec::new(), correct: Vec::new() };
        let lines = (1..).zip(list.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (number, line) in lines {
            if let Some(phrase) = line.strip_prefix("correct\t") {
                words.correct.push(phrase.to_lowercase());
            } else {
                let retired = parse_line(line);
                words.retired.push(retired.ok_or_else(|| format!("{LIST}:{number}: malformed: {line}"))?);
            }
        }
        Ok(words)
    }

    /// Describes each retired identifier or phrase in a text of this file.
    fn matches(&self, path: &str, text: &str) -> Vec<String> {
        let mut lower = text.to_lowercase();
        for phrase in &self.correct {
            lower = lower.replace(phrase, "");
        }
        let is_found = |retired: &&Retired| {
            let text = if retired.is_identifier { text } else { &lower };
            let is_allowed = retired.allowed.iter().any(|allowed| path.starts_with(allowed.as_str()));
            !is_allowed && contains_word(text, &retired.pattern)
        };
        let describe =
            |retired: &Retired| format!("`{}` is retired; use: {}", retired.pattern, retired.replacement);
        self.retired.iter().filter(is_found).map(describe).collect()
    }
}

fn parse_line(line: &str) -> Option<Retired> {
    let mut columns = line.split('\t');
    let (kind, pattern, replacement) = (columns.next()?, columns.next()?, columns.next()?);
    let is_identifier = match kind {
        "identifier" => true,
        "phrase" => false,
        _ => return None,
    };
    let pattern = if is_identifier { pattern.to_owned() } else { pattern.to_lowercase() };
    let allowed =
        columns.next().map(|paths| paths.split(' ').map(String::from).collect()).unwrap_or_default();
    let retired = Retired { pattern, replacement: replacement.to_owned(), is_identifier, allowed };
    (columns.next().is_none() && !retired.pattern.is_empty()).then_some(retired)
}

/// Whether the text has the pattern with no letter, digit or underscore right before or after it.
fn contains_word(text: &str, pattern: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(pattern).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + pattern.len()..).and_then(|after| after.chars().next());
        // A pattern that begins or ends with a blank or a colon is complete there.
        let is_open = |c: Option<char>| c.is_some_and(is_part);
        let begins_open = pattern.chars().next().is_some_and(is_part) && is_open(before);
        let ends_open = pattern.chars().next_back().is_some_and(is_part) && is_open(after);
        !begins_open && !ends_open
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str, path: &str, text: &str) -> usize {
        WordList::parse(list).expect("a valid list").matches(path, text).len()
    }

    #[test]
    fn patterns_match_whole_words_only() {
        assert!(contains_word("it is none of ours", "is none"));
        assert!(!contains_word("this nonevent", "is none"));
        assert!(contains_word("AlertKind::Back {", "AlertKind::Back"));
        assert!(!contains_word("AlertKind::BackOnline", "AlertKind::Back"));
        assert!(contains_word("this is no number", "is no "));
        assert!(!contains_word("this is not a number", "is no "));
    }

    #[test]
    fn identifiers_are_matched_with_case_and_phrases_without() {
        let list = "identifier\tAlarms\tAlertTracker\nphrase\theld up\tstalled\n";
        let found = |text| found(list, "src/lib.rs", text);
        assert_eq!((found("struct Alarms;"), found("alarms ring")), (1, 0));
        assert_eq!((found("It was Held Up."), found("it stalled")), (1, 0));
    }

    #[test]
    fn allowed_paths_may_use_a_phrase() {
        let list = "phrase\twitness\tconnectivity check\tcrates/fitness-regtest/\n";
        assert_eq!(found(list, "crates/fitness-regtest/src/block.rs", "the witness"), 0);
        assert_eq!(found(list, "crates/fitness-core/src/lib.rs", "the witness"), 1);
    }

    #[test]
    fn correct_phrases_are_not_reported() {
        let list = "phrase\tis no \tis not a\ncorrect\tthere is no \ncorrect\tis no longer\n";
        let found = |text| found(list, "src/lib.rs", text);
        assert_eq!((found("There is no lock."), found("it is no longer open")), (0, 0));
        assert_eq!((found("it is no number"), found("there is no lock, which is no fault")), (1, 1));
    }

    #[test]
    fn malformed_lines_are_rejected() {
        for line in ["phrase", "phrase\tone", "word\tone\ttwo", "phrase\t\ttwo", "phrase\ta\tb\tc\td"] {
            assert!(WordList::parse(line).is_err(), "{line:?}");
        }
    }
}
