//! Transactions that wait for a block, in the order of their arrival: parents before children.
//!
//! Whether a transaction may enter is the chain's decision. This keeps the order, the times and the
//! consequences of a replacement.

use std::collections::HashSet;

use bitcoin::{Amount, OutPoint, Transaction, TxOut, Txid};

/// A transaction that waits, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tx: Transaction,
    pub(crate) txid: Txid,
    /// When it came, in Unix seconds; unique, see [`Mempool::push`].
    pub(crate) time: u32,
    /// The height of the chain when it came.
    pub(crate) height: u32,
    pub(crate) fee: Amount,
}

#[derive(Debug, Default)]
pub(crate) struct Mempool {
    entries: Vec<Entry>,
    last_time: u32,
}

impl Mempool {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.txid == *txid)
    }

    /// The output that `outpoint` names, spent or not.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let entry = self.get(&outpoint.txid)?;
        entry.tx.output.get(outpoint.vout as usize)
    }

    /// Whether a waiting transaction spends this output.
    pub(crate) fn spends(&self, outpoint: &OutPoint) -> bool {
        self.entries.iter().flat_map(|entry| &entry.tx.input).any(|input| input.previous_output == *outpoint)
    }

    /// All that would have to leave for `tx`: what spends the same outputs, and what descends from it.
    pub(crate) fn replaced_by(&self, tx: &Transaction) -> HashSet<Txid> {
        let contested: HashSet<OutPoint> = tx.input.iter().map(|i| i.previous_output).collect();
        let mut replaced = HashSet::new();
        // One pass finds descendants of any depth, for they stand behind their parents.
        for entry in &self.entries {
            let mut spent = entry.tx.input.iter().map(|input| input.previous_output);
            if spent.any(|out| contested.contains(&out) || replaced.contains(&out.txid)) {
                replaced.insert(entry.txid);
            }
        }
        replaced
    }

    pub(crate) fn remove(&mut self, txids: &HashSet<Txid>) {
        self.entries.retain(|entry| !txids.contains(&entry.txid));
    }

    /// Appends a transaction.
    ///
    /// Its time is `now`, or one second after the latest entry ever: LDK nodes remember the latest
    /// time they saw, and pass over entries that are not later.
    pub(crate) fn push(&mut self, tx: Transaction, fee: Amount, height: u32, now: u32) -> Txid {
        let txid = tx.compute_txid();
        self.last_time = now.max(self.last_time.saturating_add(1));
        self.entries.push(Entry { tx, txid, time: self.last_time, height, fee });
        txid
    }

    /// Empties the mempool, for a block.
    pub(crate) fn take(&mut self) -> Vec<Transaction> {
        self.entries.drain(..).map(|entry| entry.tx).collect()
    }
}
