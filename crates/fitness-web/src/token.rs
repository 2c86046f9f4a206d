//! The secret that whoever asks has to know.

use fitness_core::{NodeId, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The fewest characters that a token may have.
const SHORTEST: usize = 16;

/// How long a browser stays logged in, in seconds: 30 days.
pub(crate) const SESSION_SECS: u64 = 30 * 24 * 3600;

/// The secret that whoever asks has to know: as `Authorization: Bearer`, or in the form that a browser
/// gets.
///
/// Of the secret no more is kept than it takes to recognise it, and nothing of it is ever shown. What
/// is given is compared in constant time.
#[derive(Clone)]
pub struct Token {
    digest: [u8; 32],
    /// Padded to a block, as HMAC itself would do it.
    session_key: [u8; 64],
}

/// Why a text cannot be a [`Token`]. It never tells the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is too easy to guess.
    #[error("a token has at least {SHORTEST} characters, and this one has {length}")]
    TooShort {
        /// How many it has.
        length: usize,
    },
    /// It has a character that cannot stand in a header: a blank, a line's end, a letter beyond ASCII.
    #[error("a token is made of visible ASCII characters, and the one at position {position} is none")]
    InvalidCharacter {
        /// Its position, from 0.
        position: usize,
    },
    /// The operating system has no randomness to give.
    #[error("the operating system gave no random bytes: {source}")]
    Random {
        /// What the system said.
        source: getrandom::Error,
    },
}

impl Token {
    /// The token that `secret` is: at least 16 visible ASCII characters.
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
    /// [`TokenError::TooShort`] or [`TokenError::InvalidCharacter`].
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        if let Some(position) = secret.chars().position(|c| !c.is_ascii_graphic()) {
            return Err(TokenError::InvalidCharacter { position });
        }
        if secret.len() < SHORTEST {
            return Err(TokenError::TooShort { length: secret.len() });
        }
        let mut session_key = [0; 64];
        session_key[..32].copy_from_slice(&digest("session", secret));
        Ok(Self { digest: digest("token", secret), session_key })
    }

    /// A new token of 256 random bits, and the secret to tell whoever is to know it.
    ///
    /// # Errors
    ///
    /// [`TokenError::Random`].
    pub fn random() -> Result<(Self, String), TokenError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|source| TokenError::Random { source })?;
        let secret = hex(&bytes);
        Ok((Self::new(&secret)?, secret))
    }

    /// Whether `given` is the secret; takes the same time for all that are equally long.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.digest.ct_eq(&digest("token", given)).into()
    }

    /// What a browser keeps instead of the secret: it opens until its time is over, and tells nothing.
    pub(crate) fn session(&self, observer: &NodeId, now: Timestamp) -> String {
        let until = (now.as_nanos() / 1_000_000_000).saturating_add(SESSION_SECS);
        format!("{until}.{}", hex(&self.seal(observer, until).finalize().into_bytes()))
    }

    /// Whether `session` is one of ours whose time is not over.
    pub(crate) fn opens(&self, session: &str, observer: &NodeId, now: Timestamp) -> bool {
        let Some((until, seal)) = session.split_once('.') else { return false };
        let (Ok(until), Some(seal)) = (until.parse::<u64>(), unhex(seal)) else { return false };
        // Only as we write it: a number may be read with a sign.
        let is_plain = session.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let is_ours = is_plain && self.seal(observer, until).verify_slice(&seal).is_ok();
        is_ours && now.as_nanos() / 1_000_000_000 < until
    }

    fn seal(&self, observer: &NodeId, until: u64) -> Hmac<Sha256> {
        let mut seal = <Hmac<Sha256>>::new(&self.session_key.into());
        seal.update(&observer.0);
        seal.update(&until.to_be_bytes());
        seal
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

    const US: NodeId = NodeId([2; 33]);

    #[test]
    fn nothing_of_it_is_shown() {
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
    fn it_is_known_again() {
        let (token, secret) = Token::random().unwrap();
        assert_eq!(secret.len(), 64);
        assert!(token.is(&secret));
        assert!(!token.is(&secret[1..]) && !token.is("") && !token.is(&format!("{secret}0")));
    }

    #[test]
    fn a_session_opens_for_its_time_and_its_observer_alone() {
        let token = Token::new("correct-horse-battery").unwrap();
        let now = Timestamp::from_secs(1_700_000_000);
        let session = token.session(&US, now);
        assert!(token.opens(&session, &US, now));
        assert!(token.opens(&session, &US, now.after_secs(SESSION_SECS - 1)));
        assert!(!token.opens(&session, &US, now.after_secs(SESSION_SECS)), "its time is over");
        assert!(!token.opens(&session, &NodeId([3; 33]), now), "another node's");
        let (until, seal) = session.split_once('.').unwrap();
        let later = until.parse::<u64>().unwrap() + 1;
        assert!(!token.opens(&format!("{later}.{seal}"), &US, now), "made to last longer");
        let other = Token::new("another-secret-of-mine").unwrap();
        assert!(!other.opens(&session, &US, now), "another secret");
        for not_one in
            ["", ".", "x.y", &session[..session.len() - 1], &format!("+{session}"), &format!("{session}é")]
        {
            assert!(!token.opens(not_one, &US, now), "{not_one}");
        }
    }
}
