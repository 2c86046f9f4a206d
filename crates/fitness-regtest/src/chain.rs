//! The chain itself: blocks, unspent outputs and the mempool. No sockets, no threads, no clock.
//!
//! `lib.rs` says what it checks and what it takes on trust.

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

/// A block with its place in the chain.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) block: Block,
    pub(crate) hash: BlockHash,
    pub(crate) height: u32,
    /// The work of this block and of all before it.
    pub(crate) chainwork: Work,
}

/// The best and only chain, and its mempool.
///
/// The mempool holds nothing that cannot be mined at once and in order: each input spends an output
/// of the chain or of an earlier entry, and no two inputs the same one. Every `now` is in Unix seconds.
#[derive(Debug)]
pub(crate) struct Model {
    /// By height; holds the genesis block at least.
    blocks: Vec<Placed>,
    heights: HashMap<BlockHash, u32>,
    /// Where the confirmed transactions are: height, and position in the block.
    confirmed: HashMap<Txid, (u32, usize)>,
    /// The outputs that no confirmed transaction has spent.
    unspent: HashMap<OutPoint, TxOut>,
    mempool: Mempool,
    /// How many transactions were made up; makes each unique.
    made_up: u64,
}

impl Model {
    pub(crate) fn new() -> Self {
        let block = constants::genesis_block(Network::Regtest);
        let genesis = Placed { hash: block.block_hash(), height: 0, chainwork: block.header.work(), block };
        Self {
            heights: HashMap::from([(genesis.hash, 0)]),
            // The coinbase of the genesis block is no part of the set of outputs, by consensus.
            confirmed: HashMap::new(),
            unspent: HashMap::new(),
            blocks: vec![genesis],
            mempool: Mempool::default(),
            made_up: 0,
        }
    }

    pub(crate) fn tip(&self) -> &Placed {
        &self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn block(&self, hash: &BlockHash) -> Option<&Placed> {
        self.block_at(*self.heights.get(hash)?)
    }

    pub(crate) fn block_at(&self, height: u32) -> Option<&Placed> {
        self.blocks.get(height as usize)
    }

    pub(crate) fn mempool(&self) -> &[Entry] {
        self.mempool.entries()
    }

    pub(crate) fn mempool_entry(&self, txid: &Txid) -> Option<&Entry> {
        self.mempool.get(txid)
    }

    /// A transaction of the mempool or of a block.
    pub(crate) fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        if let Some(entry) = self.mempool.get(txid) {
            return Some(&entry.tx);
        }
        let (height, position) = *self.confirmed.get(txid)?;
        self.block_at(height)?.block.txdata.get(position)
    }

    /// An output that no transaction has spent. With `with_mempool` the mempool counts, for the
    /// transactions that made it and for those that spent it.
    pub(crate) fn unspent(&self, outpoint: &OutPoint, with_mempool: bool) -> Option<&TxOut> {
        if !with_mempool {
            return self.unspent.get(outpoint);
        }
        if self.mempool.spends(outpoint) {
            return None;
        }
        self.spendable(outpoint)
    }

    /// Takes a transaction into the mempool; one that is there already stays as it is.
    ///
    /// It may spend what the mempool spends already if it pays more than all that leaves for it. After
    /// a rejection nothing has changed.
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
            self.allow_replacement(&tx, fee, &replaced)?;
            self.mempool.remove(&replaced);
        }
        Ok(self.mempool.push(tx, fee, self.tip().height, now))
    }

    /// Puts a transaction into the mempool that pays `script` with money from nowhere.
    pub(crate) fn fund(&mut self, script: ScriptBuf, value: Amount, now: u32) -> Txid {
        self.made_up += 1;
        // The input spends an output that never was: a coinbase would have to mature first.
        let source = sha256d::Hash::hash(&self.made_up.to_le_bytes());
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

    /// Mines one block of all that waits.
    pub(crate) fn mine(&mut self, now: u32) {
        let transactions = self.mempool.take();
        let tip = self.tip();
        let height = tip.height + 1;
        let block = block::mine(&tip.block.header, height, now, transactions);
        let placed = Placed {
            hash: block.block_hash(),
            height,
            chainwork: tip.chainwork + block.header.work(),
            block,
        };
        for (position, tx) in placed.block.txdata.iter().enumerate() {
            let txid = tx.compute_txid();
            self.confirmed.insert(txid, (height, position));
            for input in &tx.input {
                self.unspent.remove(&input.previous_output);
            }
            let outputs = (0..).zip(&tx.output);
            let spendable = outputs.filter(|(_, output)| !output.script_pubkey.is_op_return());
            self.unspent.extend(spendable.map(|(vout, out)| (OutPoint::new(txid, vout), out.clone())));
        }
        self.heights.insert(placed.hash, height);
        self.blocks.push(placed);
    }

    /// An output that exists and that no block has spent, though the mempool may have.
    fn spendable(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        self.unspent.get(outpoint).or_else(|| self.mempool.output(outpoint))
    }

    /// What a transaction leaves to the miner, once it is established that it leaves anything.
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
        let mut paid_in = Amount::ZERO;
        for input in &tx.input {
            let outpoint = input.previous_output;
            if !seen.insert(outpoint) {
                return Err(Rejection::Invalid("bad-txns-inputs-duplicate"));
            }
            let output = self.spendable(&outpoint).ok_or(Rejection::MissingOrSpent(outpoint))?;
            paid_in = paid_in
                .checked_add(output.value)
                .ok_or(Rejection::Invalid("bad-txns-inputvalues-outofrange"))?;
        }
        let paid_out = tx
            .output
            .iter()
            .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
            .ok_or(Rejection::Invalid("bad-txns-txouttotal-toolarge"))?;
        paid_in.checked_sub(paid_out).ok_or(Rejection::Invalid("bad-txns-in-belowout"))
    }

    fn allow_replacement(
        &self,
        tx: &Transaction,
        fee: Amount,
        replaced: &HashSet<Txid>,
    ) -> Result<(), Rejection> {
        let mut spent = tx.input.iter().map(|input| input.previous_output);
        if let Some(outpoint) = spent.find(|outpoint| replaced.contains(&outpoint.txid)) {
            return Err(Rejection::SpendsConflictingTx(outpoint));
        }
        let leaving = self.mempool.entries().iter();
        let lost: u64 = leaving
            .filter(|entry| replaced.contains(&entry.txid))
            .fold(0, |sum, entry| sum.saturating_add(entry.fee.to_sat()));
        if fee.to_sat() > lost { Ok(()) } else { Err(Rejection::InsufficientFee) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_700_000_000;

    fn anyone() -> ScriptBuf {
        Builder::new().push_opcode(OP_TRUE).into_script()
    }

    /// A chain with one confirmed output of 100,000 sat.
    fn funded() -> (Model, OutPoint) {
        let mut model = Model::new();
        let txid = model.fund(anyone(), Amount::from_sat(100_000), NOW);
        model.mine(NOW);
        (model, OutPoint::new(txid, 0))
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
            output: vec![TxOut { value: Amount::from_sat(value), script_pubkey: anyone() }],
        }
    }

    fn waiting(model: &Model) -> Vec<Txid> {
        model.mempool().iter().map(|entry| entry.txid).collect()
    }

    #[test]
    fn every_block_is_valid_and_linked_to_the_one_before() {
        let (mut model, coin) = funded();
        let parent = model.submit(spend(&[coin], 90_000), NOW).unwrap();
        let child = spend(&[OutPoint::new(parent, 0)], 80_000);
        model.submit(child, NOW).unwrap();
        for _ in 0..30 {
            model.mine(NOW);
        }

        assert_eq!(model.tip().height, 31);
        let genesis = constants::genesis_block(Network::Regtest);
        assert_eq!(model.block_at(0).unwrap().block, genesis);
        let mut work = genesis.header.work();
        for height in 1..=31 {
            let previous = model.block_at(height - 1).unwrap();
            let placed = model.block_at(height).unwrap();
            let block = &placed.block;
            assert!(block.check_merkle_root());
            assert!(block.check_witness_commitment());
            block.header.validate_pow(genesis.header.target()).unwrap();
            assert_eq!(block.header.prev_blockhash, previous.hash);
            assert!(block.header.time > previous.block.header.time);
            work = work + block.header.work();
            assert_eq!(placed.chainwork, work);
            assert_eq!(placed.height, height);
            assert_eq!(model.block(&placed.hash).unwrap().height, height);
        }
        assert_eq!(model.block_at(2).unwrap().block.txdata.len(), 3);
        assert!(model.block_at(32).is_none());
    }

    #[test]
    fn a_transaction_is_found_before_and_after_its_block() {
        let (mut model, coin) = funded();
        let tx = spend(&[coin], 90_000);
        let txid = model.submit(tx.clone(), NOW).unwrap();
        assert_eq!(model.transaction(&txid), Some(&tx));
        model.mine(NOW);
        assert_eq!(model.transaction(&txid), Some(&tx));
        assert_eq!(model.transaction(&Txid::all_zeros()), None);
    }

    #[test]
    fn the_same_transaction_twice_is_one() {
        let (mut model, coin) = funded();
        let tx = spend(&[coin], 90_000);
        let txid = model.submit(tx.clone(), NOW).unwrap();
        let time = model.mempool_entry(&txid).unwrap().time;
        assert_eq!(model.submit(tx.clone(), NOW + 60), Ok(txid));
        assert_eq!(model.mempool_entry(&txid).unwrap().time, time);
        assert_eq!(waiting(&model), [txid]);

        model.mine(NOW);
        let again = model.submit(tx, NOW);
        assert_eq!(again, Err(Rejection::AlreadyConfirmed));
        assert_eq!(Rejection::AlreadyConfirmed.code(), -27);
    }

    #[test]
    fn what_a_block_has_spent_cannot_be_spent_again() {
        let (mut model, coin) = funded();
        model.submit(spend(&[coin], 90_000), NOW).unwrap();
        model.mine(NOW);
        let again = model.submit(spend(&[coin], 10), NOW);
        assert_eq!(again, Err(Rejection::MissingOrSpent(coin)));
        assert_eq!(Rejection::MissingOrSpent(coin).code(), -25);
        assert!(waiting(&model).is_empty());
    }

    #[test]
    fn a_replacement_has_to_pay_more_than_all_that_leaves() {
        let (mut model, coin) = funded();
        let first = model.submit(spend(&[coin], 99_000), NOW).unwrap();
        let child = spend(&[OutPoint::new(first, 0)], 97_000);
        let child = model.submit(child, NOW).unwrap();
        assert_eq!(waiting(&model), [first, child]);

        let as_much = model.submit(spend(&[coin], 97_000), NOW);
        assert_eq!(as_much, Err(Rejection::InsufficientFee));
        assert_eq!(waiting(&model), [first, child]);

        let more = model.submit(spend(&[coin], 96_999), NOW).unwrap();
        assert_eq!(waiting(&model), [more]);
        assert_eq!(model.transaction(&first), None);
    }

    #[test]
    fn a_replacement_cannot_stand_on_what_it_replaces() {
        let (mut model, coin) = funded();
        let first = model.submit(spend(&[coin], 99_000), NOW).unwrap();
        let from_first = OutPoint::new(first, 0);
        let both = model.submit(spend(&[coin, from_first], 1), NOW);
        assert_eq!(both, Err(Rejection::SpendsConflictingTx(from_first)));
        assert_eq!(waiting(&model), [first]);
    }

    #[test]
    fn nonsense_is_rejected() {
        let (mut model, coin) = funded();
        let mut reject = |tx| model.submit(tx, NOW).unwrap_err();
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
        assert!(waiting(&model).is_empty());
    }

    #[test]
    fn mempool_times_increase_whatever_the_clock_does() {
        let mut model = Model::new();
        let mut last = 0;
        for now in [NOW, NOW, NOW - 5, NOW + 9] {
            let txid = model.fund(anyone(), Amount::ONE_SAT, now);
            let time = model.mempool_entry(&txid).unwrap().time;
            assert!(time > last);
            last = time;
            if now < NOW {
                model.mine(now);
            }
        }
        assert_eq!(last, NOW + 9);
    }

    #[test]
    fn made_up_transactions_differ_and_can_be_spent() {
        let mut model = Model::new();
        let one = model.fund(anyone(), Amount::from_sat(5), NOW);
        let two = model.fund(anyone(), Amount::from_sat(5), NOW);
        assert_ne!(one, two);
        let both = [OutPoint::new(one, 0), OutPoint::new(two, 0)];
        model.submit(spend(&both, 10), NOW).unwrap();
    }

    #[test]
    fn an_unspent_output_is_seen_with_and_without_the_mempool() {
        let (mut model, coin) = funded();
        assert!(model.unspent(&coin, false).is_some());
        assert!(model.unspent(&coin, true).is_some());

        let next = OutPoint::new(model.submit(spend(&[coin], 90_000), NOW).unwrap(), 0);
        assert!(model.unspent(&coin, false).is_some());
        assert!(model.unspent(&coin, true).is_none());
        assert!(model.unspent(&next, false).is_none());
        assert!(model.unspent(&next, true).is_some());

        model.mine(NOW);
        assert!(model.unspent(&coin, false).is_none());
        assert!(model.unspent(&next, false).is_some());
    }
}
