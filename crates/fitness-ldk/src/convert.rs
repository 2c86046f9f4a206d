//! Names of peers, channels and outpoints: LDK's and ours. Both ways, and nothing else.

use fitness_core::{ChannelId, NodeId, OutPoint};
use lightning::bitcoin::hashes::Hash;
use lightning::bitcoin::secp256k1::{self, PublicKey};
use lightning::bitcoin::{self, Txid};
use lightning::chain::transaction;
use lightning::ln::types;

/// A peer's name from its public key.
#[must_use]
pub fn node_id(key: &PublicKey) -> NodeId {
    NodeId(key.serialize())
}

/// A peer's public key from its name.
///
/// # Errors
///
/// A [`NodeId`] is any 33 bytes; those that are no compressed point on the curve are refused.
pub fn public_key(node_id: &NodeId) -> Result<PublicKey, secp256k1::Error> {
    PublicKey::from_slice(&node_id.0)
}

/// A channel's name.
#[must_use]
pub fn channel_id(id: &types::ChannelId) -> ChannelId {
    ChannelId(id.0)
}

/// A channel's name, as LDK writes it.
#[must_use]
pub fn to_ldk_channel_id(id: &ChannelId) -> types::ChannelId {
    types::ChannelId(id.0)
}

/// A funding outpoint as events carry it.
#[must_use]
pub fn outpoint(outpoint: &bitcoin::OutPoint) -> OutPoint {
    OutPoint { txid: outpoint.txid.to_byte_array(), vout: outpoint.vout }
}

/// A funding outpoint as channel lists carry it.
#[must_use]
pub fn outpoint_from_ldk(outpoint: &transaction::OutPoint) -> OutPoint {
    OutPoint { txid: outpoint.txid.to_byte_array(), vout: outpoint.index.into() }
}

/// A funding outpoint in the form of the bitcoin crate. Where LDK's own form is wanted, LDK
/// converts it, refusing an output index above 65535.
#[must_use]
pub fn to_bitcoin_outpoint(outpoint: &OutPoint) -> bitcoin::OutPoint {
    bitcoin::OutPoint { txid: Txid::from_byte_array(outpoint.txid), vout: outpoint.vout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning::bitcoin::secp256k1::{Secp256k1, SecretKey};

    #[test]
    fn peers_survive_both_ways() {
        let key = PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[7; 32]).unwrap());
        assert_eq!(public_key(&node_id(&key)), Ok(key));
        assert_eq!(node_id(&key).to_string(), key.to_string());
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        assert_eq!(public_key(&NodeId([9; 33])), Err(secp256k1::Error::InvalidPublicKey));
    }

    #[test]
    fn channels_survive_both_ways() {
        let id = types::ChannelId([0xa5; 32]);
        assert_eq!(to_ldk_channel_id(&channel_id(&id)), id);
        assert_eq!(channel_id(&id).to_string(), id.to_string());
    }

    #[test]
    fn both_outpoints_mean_the_same_and_read_the_same() {
        let mut txid = [3; 32];
        txid[0] = 0xfe;
        let ldks = transaction::OutPoint { txid: Txid::from_byte_array(txid), index: 258 };
        let bitcoins = ldks.into_bitcoin_outpoint();
        assert_eq!(outpoint_from_ldk(&ldks), outpoint(&bitcoins));
        assert_eq!(to_bitcoin_outpoint(&outpoint(&bitcoins)), bitcoins);
        assert_eq!(outpoint(&bitcoins).to_string(), bitcoins.to_string());
    }
}
