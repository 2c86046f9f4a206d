//! Nodes to watch, and their addresses.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use fitness_core::{NodeId, ParseIdError};
use fitness_ldk::convert;
use lightning::bitcoin::secp256k1::PublicKey;

use crate::address::{Address, AddressError};

/// A node to watch and its addresses, parsed from `NODE_ID@HOST:PORT`.
///
/// The node id is a valid public key, and there is at least one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    node_id: NodeId,
    key: PublicKey,
    addresses: Vec<Address>,
}

/// An error in a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The `@` is missing.
    #[error("missing @: expected NODE_ID@HOST:PORT")]
    MissingAtSign,
    /// The text before the `@` is not a node id.
    #[error("invalid node id: {0}")]
    InvalidNodeId(ParseIdError),
    /// The node id has the right length and is not a valid public key.
    #[error("{node_id} is not a valid public key")]
    InvalidPublicKey {
        /// The invalid node id.
        node_id: NodeId,
    },
    /// No address was given.
    #[error("{node_id} has no address")]
    NoAddress {
        /// The node.
        node_id: NodeId,
    },
    /// The text after the `@` is not an address.
    #[error(transparent)]
    InvalidAddress(#[from] AddressError),
}

/// An error in a list of targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {error}")]
#[non_exhaustive]
pub struct TargetListError {
    /// The line number, starting at 1.
    pub line: usize,
    /// The error in this line.
    pub error: TargetError,
}

impl Target {
    /// Creates a target. The addresses are first tried in the given order. Duplicate addresses are ignored.
    ///
    /// # Errors
    ///
    /// [`TargetError::InvalidPublicKey`] or [`TargetError::NoAddress`].
    pub fn new(node_id: NodeId, addresses: impl IntoIterator<Item = Address>) -> Result<Self, TargetError> {
        let key = convert::public_key(&node_id).map_err(|_| TargetError::InvalidPublicKey { node_id })?;
        let mut target = Self { node_id, key, addresses: Vec::new() };
        target.add(addresses);
        if target.addresses.is_empty() {
            return Err(TargetError::NoAddress { node_id });
        }
        Ok(target)
    }

    /// Parses a list of targets, one per line. Comments start with `#`; empty lines are ignored. A node on
    /// more than one line becomes one target with all its addresses.
    ///
    /// # Errors
    ///
    /// [`TargetListError`] for the first invalid line.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, TargetListError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut targets = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if !entry.is_empty() {
                targets.push(entry.parse().map_err(|error| TargetListError { line: i + 1, error })?);
            }
        }
        Ok(Self::merge(targets))
    }

    /// Merges targets of the same node into one. Keeps the order of first occurrence.
    pub fn merge(targets: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let (mut merged, mut indexes) = (Vec::<Self>::new(), HashMap::new());
        for target in targets {
            match indexes.get(&target.node_id).and_then(|index: &usize| merged.get_mut(*index)) {
                Some(existing) => existing.add(target.addresses),
                None => {
                    indexes.insert(target.node_id, merged.len());
                    merged.push(target);
                }
            }
        }
        merged
    }

    fn add(&mut self, addresses: impl IntoIterator<Item = Address>) {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }

    /// Returns the node id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Returns the addresses. There is at least one.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (node_id, address) = text.split_once('@').ok_or(TargetError::MissingAtSign)?;
        let node_id = node_id.parse().map_err(TargetError::InvalidNodeId)?;
        Self::new(node_id, [address.parse()?])
    }
}

impl fmt::Display for Target {
    /// Writes `NODE_ID@HOST:PORT` for each address, separated by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.addresses.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}@{address}", self.node_id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const BOB: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

    #[test]
    fn list_parser_skips_comments_and_merges_nodes() {
        let text = format!(
            "\u{feff}# LSPs\r\n\r\n{ALICE}@a.example # the first\r\n  {BOB}@[::1]:1\n\
             {}@b.example:2\n{ALICE}@A.example:9735",
            ALICE.to_uppercase()
        );
        let targets = Target::parse_list(&text).unwrap();
        let displayed: Vec<String> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(
            displayed,
            [format!("{ALICE}@a.example:9735 {ALICE}@b.example:2"), format!("{BOB}@[::1]:1")]
        );
        assert_eq!(Target::parse_list("\n# no entries\n"), Ok(vec![]));
    }

    #[test]
    fn list_error_has_the_line_number_and_the_cause() {
        let text = format!("{ALICE}@a.example\n\n{BOB}@b.example:x");
        let error = Target::parse_list(&text).unwrap_err();
        let cause = TargetError::InvalidAddress(AddressError::InvalidPort { found: "x".into() });
        assert_eq!(error, TargetListError { line: 3, error: cause });
        assert_eq!(error.to_string(), "line 3: invalid port \"x\": expected 1 to 65535");
    }

    #[test]
    fn invalid_targets_are_rejected_with_the_cause() {
        let parse = |text: &str| text.parse::<Target>();
        assert_eq!(parse(ALICE), Err(TargetError::MissingAtSign));
        let short = parse(&ALICE.replacen("02", "", 1).replace("98", "98@host"));
        assert_eq!(
            short,
            Err(TargetError::InvalidNodeId(ParseIdError::InvalidLength { expected: 66, found: 64 }))
        );
        let not_a_key = format!("05{}@host", &ALICE[2..]);
        assert!(matches!(parse(&not_a_key), Err(TargetError::InvalidPublicKey { .. })));
        assert_eq!(parse(&format!("{ALICE}@")), Err(TargetError::InvalidAddress(AddressError::MissingHost)));
        let node_id = ALICE.parse().unwrap();
        assert_eq!(Target::new(node_id, []), Err(TargetError::NoAddress { node_id }));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).*", key in "[0-9a-f]{66}") {
            let _ = Target::parse_list(&text);
            let _ = Target::parse_list(&format!("{key}@{text}"));
        }
    }
}
