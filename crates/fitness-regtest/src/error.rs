//! What can go wrong, for callers of this crate.

use std::io;

use bitcoin::OutPoint;

/// A failed operation on a [`Chain`](crate::Chain), or on a node that lives on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The RPC server could not be started: no free port, or no thread to be had.
    #[error("the regtest chain could not start")]
    Start(#[source] io::Error),
    /// A transaction was refused. The chain is as it was.
    #[error("the transaction was rejected")]
    Rejected(#[from] Rejection),
    /// A node of ours could not do what it was asked to.
    #[cfg(feature = "ldk-node")]
    #[error("a node could not {operation}")]
    Node {
        /// What it was asked to do.
        operation: &'static str,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was waited for did not happen in time.
    #[error("timed out waiting for {condition} (size of the mempool: {mempool_size})")]
    Timeout {
        /// What was waited for.
        condition: String,
        /// How many transactions the mempool held when the wait ended.
        mempool_size: usize,
    },
}

/// Why a transaction does not enter the mempool.
///
/// The texts are those of Bitcoin Core, for they end up in the logs of nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A block already holds it.
    #[error("Transaction already in block chain")]
    AlreadyConfirmed,
    /// An input spends an output that does not exist, or that a confirmed transaction has spent.
    #[error("bad-txns-inputs-missingorspent: {0}")]
    MissingOrSpent(OutPoint),
    /// It spends what the mempool spends already, and pays no more than all that it would replace.
    #[error("insufficient fee, rejecting replacement")]
    InsufficientFee,
    /// It spends an output of a transaction that it would replace.
    #[error("bad-txns-spends-conflicting-tx: {0}")]
    SpendsConflictingTx(OutPoint),
    /// It can be valid in no mempool; the text says why.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Rejection {
    /// The code that Bitcoin Core's `sendrawtransaction` gives for this.
    pub fn code(&self) -> i64 {
        match self {
            Self::AlreadyConfirmed => -27,
            Self::MissingOrSpent(_) => -25,
            Self::InsufficientFee | Self::SpendsConflictingTx(_) | Self::Invalid(_) => -26,
        }
    }
}
