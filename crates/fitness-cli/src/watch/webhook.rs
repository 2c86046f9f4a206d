//! Where alerts are posted, from a file: the secret is not for the command line, which all can see.

use std::path::Path;

use fitness_webhook::Webhook;

use crate::error::CliError;

/// A webhook's address, and in the second line its secret, where it has one.
///
/// # Errors
///
/// A file that cannot be read, an address or a secret that is none.
pub(super) fn read(path: &Path) -> Result<Webhook, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CliError::Open { file: path.display().to_string(), source })?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut builder = Webhook::builder(lines.next().unwrap_or_default());
    if let Some(secret) = lines.next() {
        builder = builder.secret(secret.parse()?);
    }
    Ok(builder.build()?)
}
