//! Assembles and mines a block from given transactions.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    WitnessMerkleNode, transaction,
};

/// The witness of the coinbase input, which the witness commitment covers (BIP 141).
const WITNESS_RESERVED_VALUE: [u8; 32] = [0; 32];

/// Identifies the coinbase output with the witness commitment (BIP 141).
const COMMITMENT_HEADER: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];

/// Mines a block at `height` on top of `previous`, with `transactions` in the given order after the
/// coinbase. The block's time is `now`, but at least one second after `previous`.
pub(crate) fn mine(
    previous: &Header,
    height: u32,
    now: u32,
    transactions: impl IntoIterator<Item = Transaction>,
) -> Block {
    let mut block = Block {
        header: Header {
            version: Version::NO_SOFT_FORK_SIGNALLING,
            prev_blockhash: previous.block_hash(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: now.max(previous.time.saturating_add(1)),
            bits: previous.bits,
            nonce: 0,
        },
        txdata: vec![coinbase(height)],
    };
    block.txdata.extend(transactions);
    // The merkle root covers the coinbase, which contains the witness commitment: compute it afterwards.
    if let Some(root) = block.witness_root() {
        block.txdata[0].output.push(commitment_output(&root));
    }
    if let Some(root) = block.compute_merkle_root() {
        block.header.merkle_root = root;
    }
    // On regtest every second hash is below the target.
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    block
}

/// Returns a coinbase that collects neither subsidy nor fees. Funds come from
/// [`ChainState::fund`](crate::chain_state::ChainState::fund) instead, because coinbase outputs have to
/// mature.
fn coinbase(height: u32) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            // The height comes first (BIP 34). The second push is needed because a coinbase script has at
            // least two bytes, and the first push can be a single byte.
            script_sig: Builder::new().push_int(i64::from(height)).push_int(0).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[WITNESS_RESERVED_VALUE]),
        }],
        output: vec![],
    }
}

fn commitment_output(witness_root: &WitnessMerkleNode) -> TxOut {
    let commitment = Block::compute_witness_commitment(witness_root, &WITNESS_RESERVED_VALUE);
    let mut payload = [0; 36];
    payload[..4].copy_from_slice(&COMMITMENT_HEADER);
    payload[4..].copy_from_slice(commitment.as_byte_array());
    TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(payload) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::{Network, constants};

    fn genesis() -> Header {
        constants::genesis_block(Network::Regtest).header
    }

    fn spend(n: u32, witness: &[u8]) -> Transaction {
        Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::new(bitcoin::Txid::from_byte_array([5; 32]), n),
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[witness]),
            }],
            output: vec![TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::new() }],
        }
    }

    #[test]
    fn block_is_valid_with_any_number_of_transactions() {
        for count in 0..5 {
            let block = mine(&genesis(), 1, 7, (0..count).map(|n| spend(n, b"sig")));
            assert_eq!(block.txdata.len(), 1 + count as usize);
            assert!(block.check_merkle_root());
            assert!(block.check_witness_commitment());
            assert!(block.coinbase().is_some());
            block.header.validate_pow(genesis().target()).unwrap();
        }
    }

    #[test]
    fn witness_commitment_covers_witnesses() {
        let mut block = mine(&genesis(), 1, 7, [spend(0, b"sig")]);
        block.txdata[1].input[0].witness = Witness::from_slice(&[b"other"]);
        assert!(block.check_merkle_root());
        assert!(!block.check_witness_commitment());
    }

    #[test]
    fn coinbase_contains_the_height() {
        for height in [17, 127, 128, 255, 256, 70_000] {
            let block = mine(&genesis(), height, 7, []);
            assert_eq!(block.bip34_block_height(), Ok(u64::from(height)));
        }
        // Heights below 17 are encoded as an opcode, as in Bitcoin Core. `bip34_block_height` does not
        // decode that.
        let block = mine(&genesis(), 16, 7, []);
        assert_eq!(block.txdata[0].input[0].script_sig.as_bytes(), [0x60, 0x00]);
    }

    #[test]
    fn block_time_increases_even_if_the_clock_does_not() {
        let first = mine(&genesis(), 1, 2_000_000_000, []);
        assert_eq!(first.header.time, 2_000_000_000);
        let second = mine(&first.header, 2, 1_999_999_999, []);
        assert_eq!(second.header.time, 2_000_000_001);
    }
}
