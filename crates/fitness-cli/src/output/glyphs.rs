//! The characters used in tables and strips.

use std::io::{self, IsTerminal as _};

/// A set of characters.
#[derive(Debug)]
pub(crate) struct Glyphs {
    /// Replaces the middle of a shortened id.
    pub(crate) ellipsis: &'static str,
    /// Follows the id of a peer with imported values.
    pub(crate) imported: char,
    pub(crate) unobserved: char,
    pub(crate) offline: char,
    /// Partly online, in six steps from least to most.
    pub(crate) partly_online: [char; 6],
    pub(crate) online: char,
}

impl Glyphs {
    pub(crate) const UNICODE: Self = Self {
        ellipsis: "…",
        imported: '†',
        unobserved: '·',
        offline: '▁',
        partly_online: ['▂', '▃', '▄', '▅', '▆', '▇'],
        online: '█',
    };

    pub(crate) const ASCII: Self = Self {
        ellipsis: "..",
        imported: '*',
        unobserved: '.',
        offline: '_',
        partly_online: ['-', '-', '-', '=', '=', '='],
        online: '#',
    };

    /// Returns the characters that standard output supports. Files and pipes are UTF-8; a terminal may
    /// support ASCII only.
    pub(crate) fn available() -> &'static Self {
        if supports_unicode() { &Self::UNICODE } else { &Self::ASCII }
    }
}

/// Returns whether standard output supports more than ASCII.
pub(crate) fn supports_unicode() -> bool {
    !io::stdout().is_terminal() || cfg!(windows) || is_utf8(|name| std::env::var(name).ok())
}

/// Returns whether the locale uses UTF-8. The first of the variables that is not empty counts.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|locale| !locale.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_locales_are_detected() {
        let is_utf8 = |variables: &[(&str, &str)]| {
            is_utf8(|name| Some(variables.iter().find(|variable| variable.0 == name)?.1.to_owned()))
        };
        assert!(is_utf8(&[("LANG", "en_GB.UTF-8")]));
        assert!(is_utf8(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!is_utf8(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!is_utf8(&[("LANG", "de_DE@euro")]));
        assert!(!is_utf8(&[]));
    }
}
