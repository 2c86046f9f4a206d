//! Who we are to the nodes that are watched.

use std::fmt;

use fitness_core::NodeId;
use fitness_ldk::convert;
use lightning::sign::{KeysManager, NodeSigner, Recipient};

use crate::StartError;

/// The node that we pose as: a key, and nothing else. It has no channels and no money.
///
/// Nodes see its node id, and so can the operator of several of them see that it is the same one. It is
/// random unless it is kept. A service whose history is to survive a restart needs the same observer
/// each time: keep the seed, or start the service for a name of its own choice. Two watchers never share
/// one: no node has two connections with the same other node.
pub struct Identity {
    pub(crate) keys: KeysManager,
    node_id: NodeId,
}

impl Identity {
    /// A new identity.
    ///
    /// # Errors
    ///
    /// [`StartError::RandomnessUnavailable`] where the system has no random numbers.
    pub fn random() -> Result<Self, StartError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|source| StartError::RandomnessUnavailable { source })?;
        Self::from_seed(&seed)
    }

    /// The identity that grows from `seed`, a secret: the same seed is the same node id.
    ///
    /// # Errors
    ///
    /// [`StartError::InvalidSeed`] for a seed that no key grows from, which is one of 2^127.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, StartError> {
        // The times are for keys of channels, of which there are none.
        let keys = KeysManager::new(seed, 0, 0, true);
        let key = keys.get_node_id(Recipient::Node).map_err(|()| StartError::InvalidSeed)?;
        Ok(Self { keys, node_id: convert::node_id(&key) })
    }

    /// Its node id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_an_identity_and_never_shown() {
        let (one, other) = (Identity::from_seed(&[1; 32]).unwrap(), Identity::from_seed(&[2; 32]).unwrap());
        assert_eq!(one.node_id(), Identity::from_seed(&[1; 32]).unwrap().node_id());
        assert_ne!(one.node_id(), other.node_id());
        assert_ne!(Identity::random().unwrap().node_id(), Identity::random().unwrap().node_id());
        assert!(!format!("{one:?}").contains("seed"));
    }
}
