//! Errors.

use std::io;

use bitcoin::OutPoint;

/// A failed operation on a [`Chain`](crate::Chain) or on a node that uses it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A chain, proxy or node could not be started: no port is free, or no thread can be created.
    #[error("cannot start the regtest network")]
    Start(#[source] io::Error),
    /// A transaction was rejected. The chain has not changed.
    #[error("transaction rejected")]
    Rejected(#[from] Rejection),
    /// An operation of an ldk-node failed.
    #[cfg(feature = "ldk-node")]
    #[error("cannot {operation}")]
    Node {
        /// The operation, such as `start the node`.
        operation: &'static str,
        /// The error of ldk-node.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A condition was not met in time.
    #[error("timed out waiting for {condition}{}", mempool_suffix(*.mempool_size))]
    Timeout {
        /// The condition, such as `2 transactions in the mempool`.
        condition: String,
        /// The number of transactions in the mempool when the wait ended, if the condition concerns the
        /// chain.
        mempool_size: Option<usize>,
    },
}

fn mempool_suffix(size: Option<usize>) -> String {
    size.map_or_else(String::new, |size| format!(" (mempool size: {size})"))
}

/// Why the mempool rejects a transaction.
///
/// The texts are those of Bitcoin Core, because nodes log them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A block already contains the transaction.
    #[error("Transaction already in block chain")]
    AlreadyConfirmed,
    /// An input spends an output that does not exist, or that a confirmed transaction has spent.
    #[error("bad-txns-inputs-missingorspent: {0}")]
    MissingOrSpent(OutPoint),
    /// The transaction conflicts with mempool transactions, and its fee is not higher than the total fee of
    /// the transactions that it would replace.
    #[error("insufficient fee, rejecting replacement")]
    InsufficientFee,
    /// The transaction spends an output of a transaction that it would replace.
    #[error("bad-txns-spends-conflicting-tx: {0}")]
    SpendsConflictingTx(OutPoint),
    /// The transaction is invalid regardless of the mempool. Contains the reason.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Rejection {
    /// Returns the error code of Bitcoin Core's `sendrawtransaction` for this rejection.
    pub fn code(&self) -> i64 {
        match self {
            Self::AlreadyConfirmed => -27,
            Self::MissingOrSpent(_) => -25,
            Self::InsufficientFee | Self::SpendsConflictingTx(_) | Self::Invalid(_) => -26,
        }
    }
}
