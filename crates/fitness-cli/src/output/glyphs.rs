//! The characters that an answer is drawn with.

use std::io::{self, IsTerminal as _};

/// What stands for what.
#[derive(Debug)]
pub(crate) struct Glyphs {
    /// Where the middle of an id was.
    pub(crate) gap: &'static str,
    /// Behind the id of a peer with numbers that were taken over.
    pub(crate) imported: char,
    pub(crate) unobserved: char,
    pub(crate) offline: char,
    /// The worst first.
    pub(crate) partly: [char; 6],
    pub(crate) online: char,
}

impl Glyphs {
    pub(crate) const UNICODE: Self = Self {
        gap: "…",
        imported: '†',
        unobserved: '·',
        offline: '▁',
        partly: ['▂', '▃', '▄', '▅', '▆', '▇'],
        online: '█',
    };

    pub(crate) const ASCII: Self = Self {
        gap: "..",
        imported: '*',
        unobserved: '.',
        offline: '_',
        partly: ['-', '-', '-', '=', '=', '='],
        online: '#',
    };

    /// Those that standard output can show: a terminal may not know more than ASCII, and files are UTF-8.
    pub(crate) fn available() -> &'static Self {
        if knows_unicode() { &Self::UNICODE } else { &Self::ASCII }
    }
}

/// Whether standard output can show more than ASCII.
pub(crate) fn knows_unicode() -> bool {
    !io::stdout().is_terminal() || cfg!(windows) || is_utf8(|name| std::env::var(name).ok())
}

/// Whether the locale's characters are UTF-8: the first of these variables that says anything counts.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|said| !said.is_empty());
    said.is_some_and(|said| {
        let said = said.to_ascii_lowercase();
        said.contains("utf-8") || said.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales() {
        let is = |variables: &[(&str, &str)]| {
            is_utf8(|name| Some(variables.iter().find(|variable| variable.0 == name)?.1.to_owned()))
        };
        assert!(is(&[("LANG", "en_GB.UTF-8")]));
        assert!(is(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!is(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!is(&[("LANG", "de_DE@euro")]));
        assert!(!is(&[]));
    }
}
