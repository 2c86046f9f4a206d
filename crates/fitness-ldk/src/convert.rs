//! Converts identifiers of peers, channels and outpoints between LDK's types and those of `fitness-core`.

use fitness_core::{ChannelId, NodeId, OutPoint};
use lightning::bitcoin::hashes::Hash;
use lightning::bitcoin::secp256k1::{self, PublicKey};
use lightning::bitcoin::{self, Txid};
use lightning::chain::transaction;
use lightning::ln::types;

/// Converts a public key to a node id.
#[must_use]
pub fn node_id(key: &PublicKey) -> NodeId {
    NodeId(key.serialize())
}

/// Converts a node id to a public key.
///
/// # Errors
///
/// Returns an error if the 33 bytes of the [`NodeId`] are not a compressed point on the curve.
pub fn public_key(node_id: &NodeId) -> Result<PublicKey, secp256k1::Error> {
    PublicKey::from_slice(&node_id.0)
}

/// Converts LDK's channel id.
#[must_use]
pub fn channel_id(id: &types::ChannelId) -> ChannelId {
    ChannelId(id.0)
}

/// Converts a channel id to LDK's type.
#[must_use]
pub fn to_ldk_channel_id(id: &ChannelId) -> types::ChannelId {
    types::ChannelId(id.0)
}

/// Converts an outpoint of the bitcoin crate, as LDK's events contain it.
#[must_use]
pub fn outpoint(outpoint: &bitcoin::OutPoint) -> OutPoint {
    OutPoint { txid: outpoint.txid.to_byte_array(), vout: outpoint.vout }
}

/// Converts LDK's own outpoint type, as LDK's channel lists contain it.
#[must_use]
pub fn outpoint_from_ldk(outpoint: &transaction::OutPoint) -> OutPoint {
    OutPoint { txid: outpoint.txid.to_byte_array(), vout: outpoint.index.into() }
}

/// Converts an outpoint to the type of the bitcoin crate. LDK converts that to its own type, which
/// fails if the output index is above 65535.
#[must_use]
pub fn to_bitcoin_outpoint(outpoint: &OutPoint) -> bitcoin::OutPoint {
    bitcoin::OutPoint { txid: Txid::from_byte_array(outpoint.txid), vout: outpoint.vout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning::bitcoin::secp256k1::{Secp256k1, SecretKey};

    #[test]
    fn node_id_round_trips() {
        let key = PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[7; 32]).unwrap());
        assert_eq!(public_key(&node_id(&key)), Ok(key));
        assert_eq!(node_id(&key).to_string(), key.to_string());
    }

    #[test]
    fn invalid_key_bytes_are_rejected() {
        assert_eq!(public_key(&NodeId([9; 33])), Err(secp256k1::Error::InvalidPublicKey));
    }

    #[test]
    fn channel_id_round_trips() {
        let id = types::ChannelId([0xa5; 32]);
        assert_eq!(to_ldk_channel_id(&channel_id(&id)), id);
        assert_eq!(channel_id(&id).to_string(), id.to_string());
    }

    #[test]
    fn outpoints_convert_and_display_equally() {
        let mut txid = [3; 32];
        txid[0] = 0xfe;
        let from_ldk = transaction::OutPoint { txid: Txid::from_byte_array(txid), index: 258 };
        let from_bitcoin = from_ldk.into_bitcoin_outpoint();
        assert_eq!(outpoint_from_ldk(&from_ldk), outpoint(&from_bitcoin));
        assert_eq!(to_bitcoin_outpoint(&outpoint(&from_bitcoin)), from_bitcoin);
        assert_eq!(outpoint(&from_bitcoin).to_string(), from_bitcoin.to_string());
    }
}
