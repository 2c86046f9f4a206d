//! The access token, and the sessions derived from it.

use fitness_core::{NodeId, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Minimum length of a token, in characters.
const MIN_LENGTH: usize = 16;

/// How long a login is valid, in seconds: 30 days.
pub(crate) const SESSION_SECS: u64 = 30 * 24 * 3600;

/// The access token. Clients send it as `Authorization: Bearer TOKEN`, users enter it in the login form.
///
/// Only hashes of the secret are kept, and the `Debug` output does not reveal it. Comparisons take constant
/// time.
#[derive(Clone)]
pub struct Token {
    digest: [u8; 32],
    /// HMAC key for session cookies, padded with zeros to one block as HMAC requires.
    session_key: [u8; 64],
}

/// Why a [`Token`] could not be created. Messages never contain the secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is too short to be safe against guessing.
    #[error("token is too short: {length} characters, expected at least {MIN_LENGTH}")]
    TooShort {
        /// Its length in characters.
        length: usize,
    },
    /// The token contains a character that an HTTP header cannot transport, such as a space, a line break
    /// or a non-ASCII letter.
    #[error("invalid character at position {position} of the token: expected visible ASCII characters")]
    InvalidCharacter {
        /// Zero-based position of the character.
        position: usize,
    },
    /// The operating system did not provide random bytes.
    #[error("cannot generate a random token")]
    Random {
        /// The error of the operating system.
        source: getrandom::Error,
    },
}

impl Token {
    /// Creates a token from a secret of at least 16 visible ASCII characters.
    ///
    /// ```
    /// use fitness_web::Token;
    ///
    /// assert!(Token::new("correct-horse-battery").is_ok());
    /// assert!(Token::new("hunter2").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`TokenError::TooShort`] or [`TokenError::InvalidCharacter`] if the secret does not qualify.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        if let Some(position) = secret.chars().position(|c| !c.is_ascii_graphic()) {
            return Err(TokenError::InvalidCharacter { position });
        }
        if secret.len() < MIN_LENGTH {
            return Err(TokenError::TooShort { length: secret.len() });
        }
        let mut session_key = [0; 64];
        session_key[..32].copy_from_slice(&digest("session", secret));
        Ok(Self { digest: digest("token", secret), session_key })
    }

    /// Generates a token from 256 random bits. Returns it with its secret, which cannot be recovered later.
    ///
    /// # Errors
    ///
    /// [`TokenError::Random`] if the operating system provides no random bytes.
    pub fn random() -> Result<(Self, String), TokenError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|source| TokenError::Random { source })?;
        let secret = hex(&bytes);
        Ok((Self::new(&secret)?, secret))
    }

    /// Returns whether `candidate` is the secret. The duration depends only on the length of `candidate`.
    pub(crate) fn matches(&self, candidate: &str) -> bool {
        self.digest.ct_eq(&digest("token", candidate)).into()
    }

    /// Creates a session, which a browser stores instead of the secret: its expiry time and a MAC. It does
    /// not reveal the secret.
    pub(crate) fn new_session(&self, observer: &NodeId, now: Timestamp) -> String {
        let expires_at = (now.as_nanos() / 1_000_000_000).saturating_add(SESSION_SECS);
        format!("{expires_at}.{}", hex(&self.session_mac(observer, expires_at).finalize().into_bytes()))
    }

    /// Returns whether `session` was created with this token for `observer` and has not expired.
    pub(crate) fn is_valid_session(&self, session: &str, observer: &NodeId, now: Timestamp) -> bool {
        let Some((expires_at, mac)) = session.split_once('.') else { return false };
        let (Ok(expires_at), Some(mac)) = (expires_at.parse::<u64>(), unhex(mac)) else { return false };
        // `u64::from_str` accepts a leading `+`, which `new_session` never writes.
        let has_digits_only = session.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let is_authentic =
            has_digits_only && self.session_mac(observer, expires_at).verify_slice(&mac).is_ok();
        is_authentic && now.as_nanos() / 1_000_000_000 < expires_at
    }

    fn session_mac(&self, observer: &NodeId, expires_at: u64) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256>>::new(&self.session_key.into());
        mac.update(&observer.0);
        mac.update(&expires_at.to_be_bytes());
        mac
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

fn digest(purpose: &str, secret: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update("ldk-fitness ");
    digest.update(purpose);
    digest.update([0]);
    digest.update(secret);
    digest.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    for (i, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBSERVER: NodeId = NodeId([2; 33]);

    #[test]
    fn secret_is_never_printed() {
        let token = Token::new("correct-horse-battery").unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
        let err = Token::new("hunter2 ").unwrap_err();
        assert!(!err.to_string().contains("hunter"), "{err}");
        assert!(matches!(Token::new("hunter2"), Err(TokenError::TooShort { length: 7 })));
        assert!(matches!(
            Token::new("sixteen-letters-é"),
            Err(TokenError::InvalidCharacter { position: 16 })
        ));
    }

    #[test]
    fn only_the_secret_matches() {
        let (token, secret) = Token::random().unwrap();
        assert_eq!(secret.len(), 64);
        assert!(token.matches(&secret));
        assert!(!token.matches(&secret[1..]) && !token.matches("") && !token.matches(&format!("{secret}0")));
    }

    #[test]
    fn session_is_valid_until_it_expires_and_for_its_observer_only() {
        let token = Token::new("correct-horse-battery").unwrap();
        let now = Timestamp::from_secs(1_700_000_000);
        let session = token.new_session(&OBSERVER, now);
        assert!(token.is_valid_session(&session, &OBSERVER, now));
        assert!(token.is_valid_session(&session, &OBSERVER, now.after_secs(SESSION_SECS - 1)));
        assert!(!token.is_valid_session(&session, &OBSERVER, now.after_secs(SESSION_SECS)), "expired");
        assert!(!token.is_valid_session(&session, &NodeId([3; 33]), now), "another observer");
        let (expires_at, mac) = session.split_once('.').unwrap();
        let later = expires_at.parse::<u64>().unwrap() + 1;
        assert!(!token.is_valid_session(&format!("{later}.{mac}"), &OBSERVER, now), "forged expiry");
        let other = Token::new("another-secret-of-mine").unwrap();
        assert!(!other.is_valid_session(&session, &OBSERVER, now), "another secret");
        for malformed in
            ["", ".", "x.y", &session[..session.len() - 1], &format!("+{session}"), &format!("{session}é")]
        {
            assert!(!token.is_valid_session(malformed, &OBSERVER, now), "{malformed}");
        }
    }
}
