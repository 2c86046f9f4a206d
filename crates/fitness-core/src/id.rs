//! Identifiers of peers and channels: plain byte arrays with hexadecimal text forms.

use core::fmt;
use core::str::FromStr;

/// Identifies a peer: the 33-byte compressed public key of a Lightning node.
///
/// The bytes are not validated as a point on the curve. The text form has 66 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 33]);

/// Identifies a channel: LDK's 32-byte channel id, which splices do not change.
///
/// The text form has 64 hexadecimal digits, in byte order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 32]);

/// The funding outpoint of a channel: the transaction output that holds its funds.
///
/// Every splice changes it. The text form is `txid:vout`, with the bytes of the transaction id reversed, as
/// is usual in Bitcoin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction id in internal byte order, which is the reverse of the displayed order.
    pub txid: [u8; 32],
    /// The index of the output.
    pub vout: u32,
}

impl OutPoint {
    /// Returns whether this is Bitcoin's null outpoint.
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::NULL
    }

    pub(crate) const NULL: Self = Self { txid: [0; 32], vout: u32::MAX };
}

/// The error returned when parsing an id fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text has the wrong length.
    InvalidLength {
        /// The expected number of hexadecimal digits.
        expected: usize,
        /// The number of characters found.
        found: usize,
    },
    /// A character is not a hexadecimal digit.
    InvalidDigit {
        /// The position of the character, from 0.
        position: usize,
    },
    /// An outpoint has no `:` between transaction id and output index.
    MissingColon,
    /// The output index of an outpoint is not a number from 0 to 4294967295.
    InvalidOutputIndex,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidLength { expected, found } => {
                write!(f, "expected {expected} hexadecimal digits, found {found} characters")
            }
            Self::InvalidDigit { position } => {
                write!(f, "invalid character at position {position}: expected a hexadecimal digit")
            }
            Self::MissingColon => f.write_str("missing `:`: expected `txid:vout`"),
            Self::InvalidOutputIndex => f.write_str("invalid output index: expected 0 to 4294967295"),
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

macro_rules! impl_hex_id {
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

impl_hex_id!(NodeId);
impl_hex_id!(ChannelId);

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
        // `u32::from_str` accepts a leading `+`; an outpoint does not have one.
        if !vout.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseIdError::InvalidOutputIndex);
        }
        let vout = vout.parse().map_err(|_| ParseIdError::InvalidOutputIndex)?;
        Ok(Self { txid, vout })
    }
}

macro_rules! impl_text_serde {
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
                struct TextVisitor;
                impl serde::de::Visitor<'_> for TextVisitor {
                    type Value = $id;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$id, E> {
                        text.parse().map_err(|err| E::custom(format_args!("{}: {err}", $expected)))
                    }
                }
                deserializer.deserialize_str(TextVisitor)
            }
        }
    };
}

impl_text_serde!(NodeId, "a node id of 66 hexadecimal digits");
impl_text_serde!(ChannelId, "a channel id of 64 hexadecimal digits");
impl_text_serde!(OutPoint, "a funding outpoint `txid:vout`");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_form_round_trips(node in any::<[u8; 32]>(), channel in any::<[u8; 32]>(), vout: u32) {
            let mut key = [3; 33];
            key[1..].copy_from_slice(&node);
            prop_assert_eq!(NodeId(key).to_string().parse(), Ok(NodeId(key)));
            prop_assert_eq!(ChannelId(channel).to_string().to_uppercase().parse(), Ok(ChannelId(channel)));
            let outpoint = OutPoint { txid: channel, vout };
            prop_assert_eq!(outpoint.to_string().parse(), Ok(outpoint));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<NodeId>();
            let _ = text.parse::<ChannelId>();
            let _ = text.parse::<OutPoint>();
        }
    }

    #[test]
    fn outpoint_prints_reversed_txid() {
        let mut txid = [0; 32];
        txid[0] = 0xab;
        let text = OutPoint { txid, vout: 7 }.to_string();
        assert!(text.starts_with("00000000") && text.ends_with("ab:7"));
    }

    #[test]
    fn parse_errors_are_specific() {
        assert_eq!("02".parse::<NodeId>(), Err(ParseIdError::InvalidLength { expected: 66, found: 2 }));
        let bad = ChannelId([0; 32]).to_string().replacen('0', "g", 1);
        assert_eq!(bad.parse::<ChannelId>(), Err(ParseIdError::InvalidDigit { position: 0 }));
        assert_eq!("ab".parse::<OutPoint>(), Err(ParseIdError::MissingColon));
        let bad = OutPoint { txid: [0; 32], vout: 1 }.to_string() + "x";
        assert_eq!(bad.parse::<OutPoint>(), Err(ParseIdError::InvalidOutputIndex));
    }
}
