//! The footer of every command's help: examples, store formats and exit codes.

use crate::store;

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  failure, such as a store in use by another process or an unwritable output
  2  bad usage or bad input, such as an unknown option or a malformed file";

/// Returns the help footer: the command's examples, then the exit codes.
pub(crate) fn footer(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

/// Returns the help footer of a command that takes a store: the store formats, then as [`footer`].
pub(crate) fn footer_with_stores(examples: &str) -> String {
    format!("Stores:\n{}\n\n{}", store::URL_FORMATS, footer(examples))
}
