//! Names of peers and channels: plain byte arrays with hexadecimal text forms.

use core::fmt;
use core::str::FromStr;

/// A peer: the 33-byte compressed public key of a Lightning node.
///
/// The bytes are not checked to be a point on the curve; that is the business of whoever holds a
/// connection to it. The text form is 66 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 33]);

/// A channel: LDK's 32-byte channel id, which stays the same through splices.
///
/// The text form is 64 hexadecimal digits, in the order of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 32]);

/// A channel's funding outpoint: the transaction output that holds its money.
///
/// It changes with every splice. The text form is `txid:vout`, the transaction id with its bytes
/// reversed, as every Bitcoin program prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction id, in the order in which it is hashed (not the order in which it is printed).
    pub txid: [u8; 32],
    /// The index of the output.
    pub vout: u32,
}

impl OutPoint {
    /// Whether it is the outpoint that bitcoin uses for none.
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::NULL
    }

    pub(crate) const NULL: Self = Self { txid: [0; 32], vout: u32::MAX };
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The number of hexadecimal digits is wrong.
    InvalidLength {
        /// Digits that the id has.
        expected: usize,
        /// Characters that were found.
        found: usize,
    },
    /// A character that is no hexadecimal digit.
    InvalidDigit {
        /// Its position, from 0.
        position: usize,
    },
    /// An outpoint without a `:` between transaction id and output index.
    MissingColon,
    /// The output index of an outpoint is no number from 0 to 4294967295.
    InvalidOutputIndex,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidLength { expected, found } => {
                write!(f, "expected {expected} hexadecimal digits, found {found} characters")
            }
            Self::InvalidDigit { position } => {
                write!(f, "the character at position {position} is no hexadecimal digit")
            }
            Self::MissingColon => f.write_str("expected `txid:vout`, found no `:`"),
            Self::InvalidOutputIndex => f.write_str("the output index is no number from 0 to 4294967295"),
        }
    }
}

impl core::error::Error for ParseIdError {}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: impl Iterator<Item = u8>) -> fmt::Result {
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let found = text.chars().count();
    if found != 2 * N {
        return Err(ParseIdError::InvalidLength { expected: 2 * N, found });
    }
    let mut bytes = [0; N];
    for (position, digit) in text.chars().enumerate() {
        let value = digit.to_digit(16).ok_or(ParseIdError::InvalidDigit { position })?;
        // A hexadecimal digit is below 16.
        bytes[position / 2] = bytes[position / 2] << 4 | (value & 0xf) as u8;
    }
    Ok(bytes)
}

macro_rules! hex_id {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, self.0.iter().copied())
            }
        }

        impl FromStr for $id {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

hex_id!(NodeId);
hex_id!(ChannelId);

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.txid.iter().rev().copied())?;
        write!(f, ":{}", self.vout)
    }
}

impl FromStr for OutPoint {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (txid, vout) = text.split_once(':').ok_or(ParseIdError::MissingColon)?;
        let mut txid = parse_hex::<32>(txid)?;
        txid.reverse();
        // `u32::from_str` takes a leading `+`; an outpoint has none.
        if !vout.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseIdError::InvalidOutputIndex);
        }
        let vout = vout.parse().map_err(|_| ParseIdError::InvalidOutputIndex)?;
        Ok(Self { txid, vout })
    }
}

macro_rules! as_text {
    ($id:ident, $expected:literal) => {
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $id;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$id, E> {
                        text.parse().map_err(|err| E::custom(format_args!("{}: {err}", $expected)))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

as_text!(NodeId, "a node id of 66 hexadecimal digits");
as_text!(ChannelId, "a channel id of 64 hexadecimal digits");
as_text!(OutPoint, "a funding outpoint `txid:vout`");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_survive_their_text_form(node in any::<[u8; 32]>(), channel in any::<[u8; 32]>(), vout: u32) {
            let mut key = [3; 33];
            key[1..].copy_from_slice(&node);
            prop_assert_eq!(NodeId(key).to_string().parse(), Ok(NodeId(key)));
            prop_assert_eq!(ChannelId(channel).to_string().to_uppercase().parse(), Ok(ChannelId(channel)));
            let outpoint = OutPoint { txid: channel, vout };
            prop_assert_eq!(outpoint.to_string().parse(), Ok(outpoint));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<NodeId>();
            let _ = text.parse::<ChannelId>();
            let _ = text.parse::<OutPoint>();
        }
    }

    #[test]
    fn outpoints_print_as_bitcoin_does() {
        let mut txid = [0; 32];
        txid[0] = 0xab;
        let text = OutPoint { txid, vout: 7 }.to_string();
        assert!(text.starts_with("00000000") && text.ends_with("ab:7"));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        assert_eq!("02".parse::<NodeId>(), Err(ParseIdError::InvalidLength { expected: 66, found: 2 }));
        let bad = ChannelId([0; 32]).to_string().replacen('0', "g", 1);
        assert_eq!(bad.parse::<ChannelId>(), Err(ParseIdError::InvalidDigit { position: 0 }));
        assert_eq!("ab".parse::<OutPoint>(), Err(ParseIdError::MissingColon));
        let bad = OutPoint { txid: [0; 32], vout: 1 }.to_string() + "x";
        assert_eq!(bad.parse::<OutPoint>(), Err(ParseIdError::InvalidOutputIndex));
    }
}
