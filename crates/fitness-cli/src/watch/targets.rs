//! Whom to watch, as it is typed: a node, a file of nodes, or standard input.

use std::io::{self, Read as _};

use fitness_watch::Target;

use crate::error::CliError;

/// All nodes that are named, each once.
///
/// # Errors
///
/// A text that is neither a node nor a file that can be read, and a list with something else in it, or nothing.
pub(super) fn read(named: &[String]) -> Result<Vec<Target>, CliError> {
    let mut targets = Vec::new();
    for text in named {
        targets.extend(read_one(text)?);
    }
    Ok(Target::merge(targets))
}

fn read_one(text: &str) -> Result<Vec<Target>, CliError> {
    if text.contains('@') {
        let target = text.parse().map_err(|source| CliError::Target { text: text.to_owned(), source })?;
        return Ok(vec![target]);
    }
    let (file, list) = match text {
        "-" => {
            let mut list = String::new();
            ("standard input".to_owned(), io::stdin().read_to_string(&mut list).map(|_| list))
        }
        path => (path.to_owned(), std::fs::read_to_string(path)),
    };
    let list = list.map_err(|source| CliError::Open { file: file.clone(), source })?;
    let targets = Target::parse_list(&list);
    let targets = targets.map_err(|source| CliError::Targets { file: file.clone(), source })?;
    if targets.is_empty() { Err(CliError::NoTargets { file }) } else { Ok(targets) }
}
