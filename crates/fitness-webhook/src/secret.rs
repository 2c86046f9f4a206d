//! The secret that signs messages.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::WebhookError;

/// The secret that signs messages. The receiver verifies them with the same secret.
///
/// Parsed from `whsec_` followed by 24 to 64 bytes in base64. `Debug` does not print it.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Returns the signature of a message: `v1,` followed by the HMAC-SHA256 of id, time and body in base64.
    pub(crate) fn sign(&self, id: &str, unix_secs: u64, body: &str) -> Result<String, WebhookError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| WebhookError::InvalidSecret)?;
        mac.update(format!("{id}.{unix_secs}.{body}").as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl FromStr for Secret {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let encoded = text.trim().strip_prefix("whsec_").ok_or(WebhookError::InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WebhookError::InvalidSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(WebhookError::InvalidSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
