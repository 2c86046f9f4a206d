//! The public handle of the chain: its state behind a lock, and its RPC server.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bitcoin::{Amount, ScriptBuf, Transaction, Txid};

use crate::chain_state::ChainState;
use crate::clock;
use crate::error::{Error, Rejection};
use crate::server::Server;

/// The address and credentials of a chain's RPC server. A node needs nothing else to use a chain, even
/// one of another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcAccess {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user name.
    pub user: String,
    /// The password. It differs from chain to chain, so that a node left over from one test cannot use
    /// the chain of the next test.
    pub password: String,
}

/// A regtest chain with an RPC server, which runs until the last clone of this handle is dropped.
///
/// Every method may be called from any thread. [`wait_for_tx`](Self::wait_for_tx) and
/// [`wait_for_mempool`](Self::wait_for_mempool) block, so async code must call them in
/// `spawn_blocking`; all other methods return immediately. Dropping the last clone closes the server's
/// connections and waits for its thread to end.
#[derive(Debug, Clone)]
pub struct Chain {
    shared: Arc<SharedChain>,
    server: Arc<Server>,
}

impl Chain {
    /// Starts a chain with only the genesis block, and its RPC server on a free loopback port.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Start`] if no port is free or no thread can be created.
    pub fn start() -> Result<Self, Error> {
        let shared = Arc::new(SharedChain::new());
        let server = Server::start(Arc::clone(&shared)).map_err(Error::Start)?;
        Ok(Self { shared, server: Arc::new(server) })
    }

    /// Returns the address and credentials of the RPC server.
    pub fn rpc(&self) -> RpcAccess {
        RpcAccess {
            host: self.rpc_host(),
            port: self.rpc_port(),
            user: self.rpc_user(),
            password: self.rpc_password(),
        }
    }

    /// Returns the host of the RPC server.
    pub fn rpc_host(&self) -> String {
        self.server.addr().ip().to_string()
    }

    /// Returns the port of the RPC server.
    pub fn rpc_port(&self) -> u16 {
        self.server.addr().port()
    }

    /// Returns the user name of the RPC server.
    pub fn rpc_user(&self) -> String {
        self.server.user().to_owned()
    }

    /// Returns the password of the RPC server. It differs from chain to chain: see
    /// [`RpcAccess::password`].
    pub fn rpc_password(&self) -> String {
        self.server.password().to_owned()
    }

    /// Returns the height of the last block. The genesis block has height 0.
    pub fn tip_height(&self) -> u32 {
        self.shared.lock().tip().height
    }

    /// Mines `n` blocks and returns the new height. The first block confirms the whole mempool, in order.
    ///
    /// The time of a block is the current time, but at least one second after the previous block: mining
    /// thousands of blocks at once moves the chain thousands of seconds into the future.
    pub fn mine(&self, n: u32) -> u32 {
        self.shared.change(|state, now| {
            for _ in 0..n {
                state.mine(now);
            }
            state.tip().height
        })
    }

    /// Adds a transaction to the mempool whose output 0 pays `amount` to `script` from an input that does
    /// not exist. The next block confirms it. Unlike a coinbase, it can be spent immediately.
    pub fn fund(&self, script: ScriptBuf, amount: Amount) -> Txid {
        self.shared.change(|state, now| state.fund(script, amount, now))
    }

    /// Submits a transaction, as a node does with `sendrawtransaction`. Succeeds without effect if the
    /// mempool already contains it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Rejected`] if the transaction is rejected. The chain has not changed then.
    pub fn broadcast(&self, tx: Transaction) -> Result<Txid, Error> {
        Ok(self.shared.submit(tx)?)
    }

    /// Returns a transaction of the mempool or of a block.
    pub fn transaction(&self, txid: Txid) -> Option<Transaction> {
        self.shared.lock().transaction(&txid).cloned()
    }

    /// Returns the transactions of the mempool in the order of their arrival.
    pub fn mempool(&self) -> Vec<Txid> {
        mempool_txids(&self.shared.lock())
    }

    /// Blocks until the mempool or a block contains a transaction, and returns it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Timeout`] after `timeout`.
    pub fn wait_for_tx(&self, txid: Txid, timeout: Duration) -> Result<Transaction, Error> {
        self.shared
            .wait(timeout, |state| state.transaction(&txid).cloned())
            .ok_or_else(|| self.timeout(format!("transaction {txid}")))
    }

    /// Blocks until the mempool contains at least `n` transactions, and returns them in the order of
    /// their arrival.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Timeout`] after `timeout`.
    pub fn wait_for_mempool(&self, n: usize, timeout: Duration) -> Result<Vec<Txid>, Error> {
        self.shared
            .wait(timeout, |state| (state.mempool().len() >= n).then(|| mempool_txids(state)))
            .ok_or_else(|| self.timeout(format!("{n} transactions in the mempool")))
    }

    fn timeout(&self, condition: String) -> Error {
        Error::Timeout { condition, mempool_size: Some(self.shared.lock().mempool().len()) }
    }
}

fn mempool_txids(state: &ChainState) -> Vec<Txid> {
    state.mempool().iter().map(|entry| entry.txid).collect()
}

/// The chain, shared by the callers and the server's thread.
#[derive(Debug)]
pub(crate) struct SharedChain {
    state: Mutex<ChainState>,
    changed: Condvar,
}

impl SharedChain {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(ChainState::new()), changed: Condvar::new() }
    }

    /// Locks the chain for reading. Make changes with [`Self::change`], which wakes the waiting threads.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ChainState> {
        // A poisoned lock means that a test has failed already. The other tests can continue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn submit(&self, tx: Transaction) -> Result<Txid, Rejection> {
        self.change(|state, now| state.submit(tx, now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut ChainState, u32) -> T) -> T {
        let result = change(&mut self.lock(), clock::unix_now());
        self.changed.notify_all();
        result
    }

    /// Blocks until `find` returns a value, or until the timeout.
    fn wait<T>(&self, timeout: Duration, find: impl Fn(&ChainState) -> Option<T>) -> Option<T> {
        let mut found = None;
        let missing = |state: &mut ChainState| {
            found = find(state);
            found.is_none()
        };
        drop(self.changed.wait_timeout_while(self.lock(), timeout, missing));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn wait_ends_when_the_transactions_arrive() {
        let chain = Chain::start().unwrap();
        let waiter = chain.clone();
        let waiting = std::thread::spawn(move || waiter.wait_for_mempool(2, TIMEOUT).unwrap());
        let one = chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        let two = chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        assert_eq!(waiting.join().unwrap(), [one, two]);

        assert_eq!(chain.mine(1), 1);
        let tx = chain.wait_for_tx(one, TIMEOUT).unwrap();
        assert_eq!(chain.transaction(one), Some(tx));
    }

    #[test]
    fn timeout_contains_condition_and_mempool_size() {
        let chain = Chain::start().unwrap();
        chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        let error = chain.wait_for_mempool(2, Duration::from_millis(1)).unwrap_err();
        let message = error.to_string();
        assert_eq!(message, "timed out waiting for 2 transactions in the mempool (mempool size: 1)");
        let error = chain.wait_for_tx(Txid::all_zeros(), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(error, Error::Timeout { mempool_size: Some(1), .. }));
    }

    #[test]
    fn rejection_is_returned() {
        let chain = Chain::start().unwrap();
        let txid = chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        let tx = chain.transaction(txid).unwrap();
        assert_eq!(chain.broadcast(tx.clone()).unwrap(), txid);
        chain.mine(1);
        let error = chain.broadcast(tx).unwrap_err();
        assert!(matches!(error, Error::Rejected(Rejection::AlreadyConfirmed)));
    }

    #[test]
    fn chains_differ_in_port_and_password() {
        let one = Chain::start().unwrap();
        let two = Chain::start().unwrap();
        assert_eq!(one.rpc_host(), "127.0.0.1");
        assert_ne!(one.rpc_port(), two.rpc_port());
        assert_ne!(one.rpc_password(), two.rpc_password());
        assert_eq!(one.tip_height(), 0);
    }
}
