//! Reads the webhook file. The URL and the secret are in a file because all users can see command lines.

use std::path::Path;

use fitness_webhook::Webhook;

use crate::error::CliError;

/// Reads a webhook's URL from the first line of a file, and its secret, if any, from the second.
///
/// # Errors
///
/// Fails if the file cannot be read, or if the URL or the secret is invalid.
pub(super) fn read(path: &Path) -> Result<Webhook, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CliError::ReadFile { file: path.display().to_string(), source })?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut builder = Webhook::builder(lines.next().unwrap_or_default());
    if let Some(secret) = lines.next() {
        builder = builder.secret(secret.parse()?);
    }
    Ok(builder.build()?)
}
