//! The watcher's identity towards the nodes that it watches.

use std::fmt;

use fitness_core::NodeId;
use fitness_ldk::convert;
use lightning::sign::{KeysManager, NodeSigner, Recipient};

use crate::StartError;

/// The key with which the watcher connects to nodes. It has no channels and no funds.
///
/// The watched nodes see its node id, so an operator of several of them can recognise the watcher. It is
/// random unless you keep the seed. A service needs the same observer id in each run for its history to
/// survive a restart: keep the seed, or start the service with a fixed observer id. Two watchers must not
/// share an identity, because a node accepts only one connection from each node id.
pub struct Identity {
    pub(crate) keys: KeysManager,
    node_id: NodeId,
}

impl Identity {
    /// Creates a random identity.
    ///
    /// # Errors
    ///
    /// [`StartError::RandomnessUnavailable`] if the operating system provides no random numbers.
    pub fn random() -> Result<Self, StartError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|source| StartError::RandomnessUnavailable { source })?;
        Self::from_seed(&seed)
    }

    /// Derives an identity from `seed`, which is a secret. The same seed always yields the same node id.
    ///
    /// # Errors
    ///
    /// [`StartError::InvalidSeed`] if the seed yields no valid key; the probability of that is about 2^-127.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, StartError> {
        // The times only affect the keys of channels, and this identity never has a channel.
        let keys = KeysManager::new(seed, 0, 0, true);
        let key = keys.get_node_id(Recipient::Node).map_err(|()| StartError::InvalidSeed)?;
        Ok(Self { keys, node_id: convert::node_id(&key) })
    }

    /// Returns the node id.
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
    fn a_seed_determines_the_node_id_and_is_not_in_the_debug_output() {
        let (one, other) = (Identity::from_seed(&[1; 32]).unwrap(), Identity::from_seed(&[2; 32]).unwrap());
        assert_eq!(one.node_id(), Identity::from_seed(&[1; 32]).unwrap().node_id());
        assert_ne!(one.node_id(), other.node_id());
        assert_ne!(Identity::random().unwrap().node_id(), Identity::random().unwrap().node_id());
        assert!(!format!("{one:?}").contains("seed"));
    }
}
