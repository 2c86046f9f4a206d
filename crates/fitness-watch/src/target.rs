//! Which nodes to watch, and where they may be found.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use fitness_core::{NodeId, ParseIdError};
use fitness_ldk::convert;
use lightning::bitcoin::secp256k1::PublicKey;

use crate::address::{Address, AddressError};

/// A node to watch, and where it may be found: `NODE@HOST:PORT` as text.
///
/// Its node id is a public key, and it has one address at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    node_id: NodeId,
    key: PublicKey,
    addresses: Vec<Address>,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no `@`.
    #[error("expected NODE@HOST:PORT, found no @")]
    MissingAtSign,
    /// What stands before the `@` is no node id.
    #[error("the node id: {0}")]
    InvalidNodeId(#[source] ParseIdError),
    /// The node id has the right length, and is nobody's.
    #[error("{node_id} is nobody's node id: it is no public key")]
    InvalidPublicKey {
        /// What was given for one.
        node_id: NodeId,
    },
    /// There is no address.
    #[error("{node_id} has no address")]
    NoAddress {
        /// The node.
        node_id: NodeId,
    },
    /// What stands after the `@` is no address.
    #[error(transparent)]
    InvalidAddress(#[from] AddressError),
}

/// Where in a list of targets there is something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {source}")]
#[non_exhaustive]
pub struct TargetListError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub source: TargetError,
}

impl Target {
    /// A node with the places where it may be found, in the order in which they are tried first.
    /// An address that is named twice counts once.
    ///
    /// # Errors
    ///
    /// [`TargetError::InvalidPublicKey`] and [`TargetError::NoAddress`].
    pub fn new(node_id: NodeId, addresses: impl IntoIterator<Item = Address>) -> Result<Self, TargetError> {
        let key = convert::public_key(&node_id).map_err(|_| TargetError::InvalidPublicKey { node_id })?;
        let mut target = Self { node_id, key, addresses: Vec::new() };
        target.add(addresses);
        if target.addresses.is_empty() {
            return Err(TargetError::NoAddress { node_id });
        }
        Ok(target)
    }

    /// A list of targets, one a line. What stands after a `#` is a comment; empty lines are passed over.
    /// A node that is named more than once is one target with all its addresses.
    ///
    /// # Errors
    ///
    /// [`TargetListError`] for the first line that is something else.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, TargetListError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut targets = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let written = line.split('#').next().unwrap_or_default().trim();
            if !written.is_empty() {
                targets.push(written.parse().map_err(|source| TargetListError { line: i + 1, source })?);
            }
        }
        Ok(Self::merge(targets))
    }

    /// The same targets with every node named once, in the order of their first naming.
    pub fn merge(targets: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let (mut merged, mut places) = (Vec::<Self>::new(), HashMap::new());
        for target in targets {
            match places.get(&target.node_id).and_then(|place: &usize| merged.get_mut(*place)) {
                Some(known) => known.add(target.addresses),
                None => {
                    places.insert(target.node_id, merged.len());
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

    /// The node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Where it may be found: one place at least.
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
    /// `NODE@HOST:PORT`, once for each address, a space in between.
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
    fn a_list_has_comments_and_each_node_once() {
        let text = format!(
            "\u{feff}# LSPs\r\n\r\n{ALICE}@a.example # the first\r\n  {BOB}@[::1]:1\n\
             {}@b.example:2\n{ALICE}@A.example:9735",
            ALICE.to_uppercase()
        );
        let targets = Target::parse_list(&text).unwrap();
        let written: Vec<String> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(
            written,
            [format!("{ALICE}@a.example:9735 {ALICE}@b.example:2"), format!("{BOB}@[::1]:1")]
        );
        assert_eq!(Target::parse_list("\n# nobody\n"), Ok(vec![]));
    }

    #[test]
    fn an_error_names_the_line_and_the_reason() {
        let text = format!("{ALICE}@a.example\n\n{BOB}@b.example:x");
        let error = Target::parse_list(&text).unwrap_err();
        assert_eq!(error.line, 3);
        assert_eq!(error.to_string(), "line 3: port \"x\" is no number from 1 to 65535");
    }

    #[test]
    fn what_is_no_target_is_refused_for_its_reason() {
        let parse = |text: &str| text.parse::<Target>();
        assert_eq!(parse(ALICE), Err(TargetError::MissingAtSign));
        let short = parse(&ALICE.replacen("02", "", 1).replace("98", "98@host"));
        assert_eq!(
            short,
            Err(TargetError::InvalidNodeId(ParseIdError::InvalidLength { expected: 66, found: 64 }))
        );
        let nobody = format!("05{}@host", &ALICE[2..]);
        assert!(matches!(parse(&nobody), Err(TargetError::InvalidPublicKey { .. })));
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
