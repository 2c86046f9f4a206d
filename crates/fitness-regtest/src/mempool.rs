//! Unconfirmed transactions in the order of their arrival: parents before children.
//!
//! `chain_state` decides which transactions are accepted. This module keeps their order and times, and
//! determines which transactions a replacement removes.

use std::collections::HashSet;

use bitcoin::{Amount, OutPoint, Transaction, TxOut, Txid};

/// An unconfirmed transaction.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tx: Transaction,
    pub(crate) txid: Txid,
    /// The time of arrival, in Unix seconds. Unique: see [`Mempool::push`].
    pub(crate) time: u32,
    /// The height of the chain at the arrival.
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

    /// Returns the output at `outpoint`, spent or not.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let entry = self.get(&outpoint.txid)?;
        entry.tx.output.get(outpoint.vout as usize)
    }

    /// Returns whether a transaction of the mempool spends an output.
    pub(crate) fn spends(&self, outpoint: &OutPoint) -> bool {
        self.entries.iter().flat_map(|entry| &entry.tx.input).any(|input| input.previous_output == *outpoint)
    }

    /// Returns the transactions that conflict with `tx`, and their descendants.
    pub(crate) fn replaced_by(&self, tx: &Transaction) -> HashSet<Txid> {
        let spent_by_tx: HashSet<OutPoint> = tx.input.iter().map(|i| i.previous_output).collect();
        let mut replaced = HashSet::new();
        // One pass finds descendants of any depth, because they come after their parents.
        for entry in &self.entries {
            let mut spent = entry.tx.input.iter().map(|input| input.previous_output);
            if spent.any(|out| spent_by_tx.contains(&out) || replaced.contains(&out.txid)) {
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
    /// Its time is `now`, but at least one second after every earlier entry: LDK nodes store the latest
    /// time they have seen and skip entries that are not later.
    pub(crate) fn push(&mut self, tx: Transaction, fee: Amount, height: u32, now: u32) -> Txid {
        let txid = tx.compute_txid();
        self.last_time = now.max(self.last_time.saturating_add(1));
        self.entries.push(Entry { tx, txid, time: self.last_time, height, fee });
        txid
    }

    /// Removes and returns all transactions.
    pub(crate) fn take(&mut self) -> Vec<Transaction> {
        self.entries.drain(..).map(|entry| entry.tx).collect()
    }
}
