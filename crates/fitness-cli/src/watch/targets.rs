//! Reads the nodes to watch: from the command line, from files, or from standard input.

use std::io::{self, Read as _};

use fitness_watch::Target;

use crate::error::CliError;

/// Reads all targets. A node that is given several times becomes one target with several addresses.
///
/// # Errors
///
/// Fails if an argument is neither a valid node nor a readable file, or if a list has an invalid line or no
/// nodes.
pub(super) fn read(args: &[String]) -> Result<Vec<Target>, CliError> {
    let mut targets = Vec::new();
    for arg in args {
        targets.extend(read_arg(arg)?);
    }
    Ok(Target::merge(targets))
}

fn read_arg(arg: &str) -> Result<Vec<Target>, CliError> {
    if arg.contains('@') {
        let target =
            arg.parse().map_err(|source| CliError::InvalidTarget { text: arg.to_owned(), source })?;
        return Ok(vec![target]);
    }
    let (file, list) = match arg {
        "-" => {
            let mut list = String::new();
            ("standard input".to_owned(), io::stdin().read_to_string(&mut list).map(|_| list))
        }
        path => (path.to_owned(), std::fs::read_to_string(path)),
    };
    let list = list.map_err(|source| CliError::ReadFile { file: file.clone(), source })?;
    let targets = Target::parse_list(&list);
    let targets = targets.map_err(|source| CliError::InvalidTargetList { file: file.clone(), source })?;
    if targets.is_empty() { Err(CliError::NoTargets { file }) } else { Ok(targets) }
}
