//! The chain that a node is on, as announced in its `init` message.

use std::fmt;

use lightning::bitcoin::Network;
use lightning::bitcoin::constants::ChainHash;

/// A chain, identified by the hash of its genesis block. Displayed as the network's name, or as the hash if
/// the network is unknown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(ChainHash);

impl Chain {
    /// Returns the network, or `None` if it is unknown. All signets that share a genesis block are one
    /// network.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        Network::try_from(self.0).ok()
    }
}

impl From<Network> for Chain {
    fn from(network: Network) -> Self {
        Self(network.chain_hash())
    }
}

impl From<ChainHash> for Chain {
    fn from(hash: ChainHash) -> Self {
        Self(hash)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            Some(network) => write!(f, "{network}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_chains_display_the_network_name_and_others_the_hash() {
        assert_eq!(Chain::from(Network::Signet).to_string(), "signet");
        assert_eq!(Chain::from(Network::Bitcoin).network(), Some(Network::Bitcoin));
        let unknown = Chain::from(ChainHash::from([7; 32]));
        assert_eq!((unknown.network(), unknown.to_string()), (None, "07".repeat(32)));
    }
}
