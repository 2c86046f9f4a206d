//! What the help of every command ends with.

use crate::store;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: a store in use by another process, an output that cannot be written
  2  bad usage or bad input: an unknown option, a missing or malformed file";

/// The end of a command's help: its examples, and the exit codes.
pub(crate) fn end(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

/// The same where a store is named: how to name one comes first.
pub(crate) fn end_with_stores(examples: &str) -> String {
    format!("Stores:\n{}\n\n{}", store::FORMS, end(examples))
}
