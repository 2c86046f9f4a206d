//! The state of the chain: blocks, unspent outputs and the mempool. No sockets, no threads, no clock.
//!
//! The documentation of the crate lists what is validated and what is not.

use std::collections::{HashMap, HashSet};

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::opcodes::OP_TRUE;
use bitcoin::pow::Work;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    Witness, constants, transaction,
};

use crate::block;
use crate::error::Rejection;
use crate::mempool::{Entry, Mempool};

/// A block with its position in the chain.
#[derive(Debug)]
pub(crate) struct ChainBlock {
    pub(crate) block: Block,
    pub(crate) hash: BlockHash,
    pub(crate) height: u32,
    /// The work of this block and of all earlier ones.
    pub(crate) chainwork: Work,
}

/// The chain and its mempool.
///
/// The mempool can always be mined in one block, in order: each input spends an output of the chain or of
/// an earlier entry, and no two inputs spend the same output. Every `now` is in Unix seconds.
#[derive(Debug)]
pub(crate) struct ChainState {
    /// Indexed by height; contains at least the genesis block.
    blocks: Vec<ChainBlock>,
    heights: HashMap<BlockHash, u32>,
    /// The height of each confirmed transaction and its position in the block.
    confirmed: HashMap<Txid, (u32, usize)>,
    /// Outputs of confirmed transactions that no confirmed transaction has spent.
    unspent: HashMap<OutPoint, TxOut>,
    mempool: Mempool,
    /// How many transactions [`fund`](Self::fund) has created. Makes each of them unique.
    fund_count: u64,
}

impl ChainState {
    pub(crate) fn new() -> Self {
        let block = constants::genesis_block(Network::Regtest);
        let genesis =
            ChainBlock { hash: block.block_hash(), height: 0, chainwork: block.header.work(), block };
        Self {
            heights: HashMap::from([(genesis.hash, 0)]),
            // By consensus the genesis coinbase is not part of the UTXO set.
            confirmed: HashMap::new(),
            unspent: HashMap::new(),
            blocks: vec![genesis],
            mempool: Mempool::default(),
            fund_count: 0,
        }
    }

    pub(crate) fn tip(&self) -> &ChainBlock {
        &self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn block(&self, hash: &BlockHash) -> Option<&ChainBlock> {
        self.block_at(*self.heights.get(hash)?)
    }

    pub(crate) fn block_at(&self, height: u32) -> Option<&ChainBlock> {
        self.blocks.get(height as usize)
    }

    pub(crate) fn mempool(&self) -> &[Entry] {
        self.mempool.entries()
    }

    pub(crate) fn mempool_entry(&self, txid: &Txid) -> Option<&Entry> {
        self.mempool.get(txid)
    }

    /// Returns a transaction of the mempool or of a block.
    pub(crate) fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        if let Some(entry) = self.mempool.get(txid) {
            return Some(&entry.tx);
        }
        let (height, position) = *self.confirmed.get(txid)?;
        self.block_at(height)?.block.txdata.get(position)
    }

    /// Returns an unspent output. `with_mempool` includes outputs that mempool transactions create and
    /// excludes those that they spend.
    pub(crate) fn unspent(&self, outpoint: &OutPoint, with_mempool: bool) -> Option<&TxOut> {
        if !with_mempool {
            return self.unspent.get(outpoint);
        }
        if self.mempool.spends(outpoint) {
            return None;
        }
        self.spendable(outpoint)
    }

    /// Adds a transaction to the mempool. Has no effect if the mempool already contains it.
    ///
    /// The transaction replaces mempool transactions that spend the same outputs, with their
    /// descendants, if its fee is higher than their total fee. A rejection changes nothing.
    pub(crate) fn submit(&mut self, tx: Transaction, now: u32) -> Result<Txid, Rejection> {
        let txid = tx.compute_txid();
        if self.mempool.get(&txid).is_some() {
            return Ok(txid);
        }
        if self.confirmed.contains_key(&txid) {
            return Err(Rejection::AlreadyConfirmed);
        }
        let fee = self.fee(&tx)?;
        let replaced = self.mempool.replaced_by(&tx);
        if !replaced.is_empty() {
            self.check_replacement(&tx, fee, &replaced)?;
            self.mempool.remove(&replaced);
        }
        Ok(self.mempool.push(tx, fee, self.tip().height, now))
    }

    /// Adds a transaction to the mempool that pays `value` to `script` from an input that does not exist.
    pub(crate) fn fund(&mut self, script: ScriptBuf, value: Amount, now: u32) -> Txid {
        self.fund_count += 1;
        // A coinbase would have to mature before it can be spent.
        let source = sha256d::Hash::hash(&self.fund_count.to_le_bytes());
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::new(Txid::from_raw_hash(source), 0),
                script_sig: Builder::new().push_opcode(OP_TRUE).into_script(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![TxOut { value, script_pubkey: script }],
        };
        self.mempool.push(tx, Amount::ZERO, self.tip().height, now)
    }

    /// Mines one block with the whole mempool.
    pub(crate) fn mine(&mut self, now: u32) {
        let transactions = self.mempool.take();
        let tip = self.tip();
        let height = tip.height + 1;
        let block = block::mine(&tip.block.header, height, now, transactions);
        let chain_block = ChainBlock {
            hash: block.block_hash(),
            height,
            chainwork: tip.chainwork + block.header.work(),
            block,
        };
        for (position, tx) in chain_block.block.txdata.iter().enumerate() {
            let txid = tx.compute_txid();
            self.confirmed.insert(txid, (height, position));
            for input in &tx.input {
                self.unspent.remove(&input.previous_output);
            }
            let outputs = (0..).zip(&tx.output);
            let spendable = outputs.filter(|(_, output)| !output.script_pubkey.is_op_return());
            self.unspent.extend(spendable.map(|(vout, out)| (OutPoint::new(txid, vout), out.clone())));
        }
        self.heights.insert(chain_block.hash, height);
        self.blocks.push(chain_block);
    }

    /// Returns an output of the chain or the mempool that no confirmed transaction has spent. A mempool
    /// transaction may spend it.
    fn spendable(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        self.unspent.get(outpoint).or_else(|| self.mempool.output(outpoint))
    }

    /// Checks the inputs and amounts of a transaction and returns its fee.
    fn fee(&self, tx: &Transaction) -> Result<Amount, Rejection> {
        if tx.is_coinbase() {
            return Err(Rejection::Invalid("coinbase"));
        }
        if tx.input.is_empty() {
            return Err(Rejection::Invalid("bad-txns-vin-empty"));
        }
        if tx.output.is_empty() {
            return Err(Rejection::Invalid("bad-txns-vout-empty"));
        }
        let mut seen = HashSet::new();
        let mut input_value = Amount::ZERO;
        for input in &tx.input {
            let outpoint = input.previous_output;
            if !seen.insert(outpoint) {
                return Err(Rejection::Invalid("bad-txns-inputs-duplicate"));
            }
            let output = self.spendable(&outpoint).ok_or(Rejection::MissingOrSpent(outpoint))?;
            input_value = input_value
                .checked_add(output.value)
                .ok_or(Rejection::Invalid("bad-txns-inputvalues-outofrange"))?;
        }
        let output_value = tx
            .output
            .iter()
            .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
            .ok_or(Rejection::Invalid("bad-txns-txouttotal-toolarge"))?;
        input_value.checked_sub(output_value).ok_or(Rejection::Invalid("bad-txns-in-belowout"))
    }

    fn check_replacement(
        &self,
        tx: &Transaction,
        fee: Amount,
        replaced: &HashSet<Txid>,
    ) -> Result<(), Rejection> {
        let mut spent = tx.input.iter().map(|input| input.previous_output);
        if let Some(outpoint) = spent.find(|outpoint| replaced.contains(&outpoint.txid)) {
            return Err(Rejection::SpendsConflictingTx(outpoint));
        }
        let entries = self.mempool.entries().iter();
        let replaced_fees: u64 = entries
            .filter(|entry| replaced.contains(&entry.txid))
            .fold(0, |sum, entry| sum.saturating_add(entry.fee.to_sat()));
        if fee.to_sat() > replaced_fees { Ok(()) } else { Err(Rejection::InsufficientFee) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_700_000_000;

    fn anyone_can_spend() -> ScriptBuf {
        Builder::new().push_opcode(OP_TRUE).into_script()
    }

    /// Returns a chain with one confirmed output of 100,000 sat.
    fn funded_chain() -> (ChainState, OutPoint) {
        let mut state = ChainState::new();
        let txid = state.fund(anyone_can_spend(), Amount::from_sat(100_000), NOW);
        state.mine(NOW);
        (state, OutPoint::new(txid, 0))
    }

    fn spend(inputs: &[OutPoint], value: u64) -> Transaction {
        let input = |previous_output: &OutPoint| TxIn {
            previous_output: *previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[b"signature"]),
        };
        Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: inputs.iter().map(input).collect(),
            output: vec![TxOut { value: Amount::from_sat(value), script_pubkey: anyone_can_spend() }],
        }
    }

    fn mempool_txids(state: &ChainState) -> Vec<Txid> {
        state.mempool().iter().map(|entry| entry.txid).collect()
    }

    #[test]
    fn every_block_is_valid_and_extends_the_previous_one() {
        let (mut state, coin) = funded_chain();
        let parent = state.submit(spend(&[coin], 90_000), NOW).unwrap();
        let child = spend(&[OutPoint::new(parent, 0)], 80_000);
        state.submit(child, NOW).unwrap();
        for _ in 0..30 {
            state.mine(NOW);
        }

        assert_eq!(state.tip().height, 31);
        let genesis = constants::genesis_block(Network::Regtest);
        assert_eq!(state.block_at(0).unwrap().block, genesis);
        let mut work = genesis.header.work();
        for height in 1..=31 {
            let previous = state.block_at(height - 1).unwrap();
            let chain_block = state.block_at(height).unwrap();
            let block = &chain_block.block;
            assert!(block.check_merkle_root());
            assert!(block.check_witness_commitment());
            block.header.validate_pow(genesis.header.target()).unwrap();
            assert_eq!(block.header.prev_blockhash, previous.hash);
            assert!(block.header.time > previous.block.header.time);
            work = work + block.header.work();
            assert_eq!(chain_block.chainwork, work);
            assert_eq!(chain_block.height, height);
            assert_eq!(state.block(&chain_block.hash).unwrap().height, height);
        }
        assert_eq!(state.block_at(2).unwrap().block.txdata.len(), 3);
        assert!(state.block_at(32).is_none());
    }

    #[test]
    fn transaction_is_found_before_and_after_it_is_mined() {
        let (mut state, coin) = funded_chain();
        let tx = spend(&[coin], 90_000);
        let txid = state.submit(tx.clone(), NOW).unwrap();
        assert_eq!(state.transaction(&txid), Some(&tx));
        state.mine(NOW);
        assert_eq!(state.transaction(&txid), Some(&tx));
        assert_eq!(state.transaction(&Txid::all_zeros()), None);
    }

    #[test]
    fn submitting_a_transaction_again_has_no_effect() {
        let (mut state, coin) = funded_chain();
        let tx = spend(&[coin], 90_000);
        let txid = state.submit(tx.clone(), NOW).unwrap();
        let time = state.mempool_entry(&txid).unwrap().time;
        assert_eq!(state.submit(tx.clone(), NOW + 60), Ok(txid));
        assert_eq!(state.mempool_entry(&txid).unwrap().time, time);
        assert_eq!(mempool_txids(&state), [txid]);

        state.mine(NOW);
        let again = state.submit(tx, NOW);
        assert_eq!(again, Err(Rejection::AlreadyConfirmed));
        assert_eq!(Rejection::AlreadyConfirmed.code(), -27);
    }

    #[test]
    fn output_spent_by_a_block_cannot_be_spent_again() {
        let (mut state, coin) = funded_chain();
        state.submit(spend(&[coin], 90_000), NOW).unwrap();
        state.mine(NOW);
        let again = state.submit(spend(&[coin], 10), NOW);
        assert_eq!(again, Err(Rejection::MissingOrSpent(coin)));
        assert_eq!(Rejection::MissingOrSpent(coin).code(), -25);
        assert!(mempool_txids(&state).is_empty());
    }

    #[test]
    fn replacement_must_pay_more_than_everything_it_replaces() {
        let (mut state, coin) = funded_chain();
        let first = state.submit(spend(&[coin], 99_000), NOW).unwrap();
        let child = spend(&[OutPoint::new(first, 0)], 97_000);
        let child = state.submit(child, NOW).unwrap();
        assert_eq!(mempool_txids(&state), [first, child]);

        let equal_fee = state.submit(spend(&[coin], 97_000), NOW);
        assert_eq!(equal_fee, Err(Rejection::InsufficientFee));
        assert_eq!(mempool_txids(&state), [first, child]);

        let higher_fee = state.submit(spend(&[coin], 96_999), NOW).unwrap();
        assert_eq!(mempool_txids(&state), [higher_fee]);
        assert_eq!(state.transaction(&first), None);
    }

    #[test]
    fn replacement_cannot_spend_what_it_replaces() {
        let (mut state, coin) = funded_chain();
        let first = state.submit(spend(&[coin], 99_000), NOW).unwrap();
        let from_first = OutPoint::new(first, 0);
        let both = state.submit(spend(&[coin, from_first], 1), NOW);
        assert_eq!(both, Err(Rejection::SpendsConflictingTx(from_first)));
        assert_eq!(mempool_txids(&state), [first]);
    }

    #[test]
    fn invalid_transactions_are_rejected() {
        let (mut state, coin) = funded_chain();
        let mut reject = |tx| state.submit(tx, NOW).unwrap_err();
        let no_outputs = Transaction { output: vec![], ..spend(&[coin], 1) };
        let unknown = OutPoint::new(coin.txid, 1);
        for (tx, expected) in [
            (spend(&[], 1), Rejection::Invalid("bad-txns-vin-empty")),
            (no_outputs, Rejection::Invalid("bad-txns-vout-empty")),
            (spend(&[coin, coin], 1), Rejection::Invalid("bad-txns-inputs-duplicate")),
            (spend(&[unknown], 1), Rejection::MissingOrSpent(unknown)),
            (spend(&[coin], 100_001), Rejection::Invalid("bad-txns-in-belowout")),
            (spend(&[OutPoint::null()], 1), Rejection::Invalid("coinbase")),
        ] {
            assert_eq!(reject(tx), expected);
        }
        let mut overflow = spend(&[coin], u64::MAX);
        overflow.output.push(overflow.output[0].clone());
        assert_eq!(reject(overflow), Rejection::Invalid("bad-txns-txouttotal-toolarge"));
        assert!(mempool_txids(&state).is_empty());
    }

    #[test]
    fn mempool_times_increase_even_if_the_clock_goes_back() {
        let mut state = ChainState::new();
        let mut last = 0;
        for now in [NOW, NOW, NOW - 5, NOW + 9] {
            let txid = state.fund(anyone_can_spend(), Amount::ONE_SAT, now);
            let time = state.mempool_entry(&txid).unwrap().time;
            assert!(time > last);
            last = time;
            if now < NOW {
                state.mine(now);
            }
        }
        assert_eq!(last, NOW + 9);
    }

    #[test]
    fn funding_transactions_differ_and_can_be_spent() {
        let mut state = ChainState::new();
        let one = state.fund(anyone_can_spend(), Amount::from_sat(5), NOW);
        let two = state.fund(anyone_can_spend(), Amount::from_sat(5), NOW);
        assert_ne!(one, two);
        let both = [OutPoint::new(one, 0), OutPoint::new(two, 0)];
        state.submit(spend(&both, 10), NOW).unwrap();
    }

    #[test]
    fn unspent_output_with_and_without_the_mempool() {
        let (mut state, coin) = funded_chain();
        assert!(state.unspent(&coin, false).is_some());
        assert!(state.unspent(&coin, true).is_some());

        let next = OutPoint::new(state.submit(spend(&[coin], 90_000), NOW).unwrap(), 0);
        assert!(state.unspent(&coin, false).is_some());
        assert!(state.unspent(&coin, true).is_none());
        assert!(state.unspent(&next, false).is_none());
        assert!(state.unspent(&next, true).is_some());

        state.mine(NOW);
        assert!(state.unspent(&coin, false).is_none());
        assert!(state.unspent(&next, false).is_some());
    }
}
