//! What callers hold: the chain, its lock, its clock and its server.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bitcoin::{Amount, ScriptBuf, Transaction, Txid};

use crate::chain::Model;
use crate::clock;
use crate::error::{Error, Rejection};
use crate::server::Server;

/// Where a chain's RPC server is, and what lets one in: all that a node needs to know of a chain,
/// in this process or in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcAccess {
    /// The host, as a node's configuration takes it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user name.
    pub user: String,
    /// The password. Another chain has another one, so that a node left over from one test cannot talk
    /// to the chain of the next.
    pub password: String,
}

/// A regtest chain with an RPC server, running until the last clone of this handle is dropped.
///
/// Every method may be called from any thread. [`wait_for_tx`](Self::wait_for_tx) and
/// [`wait_for_mempool`](Self::wait_for_mempool) block their caller, so async code calls them from
/// `spawn_blocking`; the others return at once. The drop of the last clone waits for the server's
/// thread to end, which closes the connections of nodes that still run.
#[derive(Debug, Clone)]
pub struct Chain {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

impl Chain {
    /// Starts a chain that consists of the genesis block, served on a free port of the loopback
    /// interface.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no port or no thread to be had.
    pub fn start() -> Result<Self, Error> {
        let shared = Arc::new(Shared::new());
        let server = Server::start(Arc::clone(&shared)).map_err(Error::Start)?;
        Ok(Self { shared, server: Arc::new(server) })
    }

    /// The way to the RPC server, in one piece.
    pub fn rpc(&self) -> RpcAccess {
        RpcAccess {
            host: self.rpc_host(),
            port: self.rpc_port(),
            user: self.rpc_user(),
            password: self.rpc_password(),
        }
    }

    /// The host of the RPC server, as a node's configuration takes it.
    pub fn rpc_host(&self) -> String {
        self.server.addr().ip().to_string()
    }

    /// The port of the RPC server.
    pub fn rpc_port(&self) -> u16 {
        self.server.addr().port()
    }

    /// The user name that the RPC server asks for.
    pub fn rpc_user(&self) -> String {
        self.server.user().to_owned()
    }

    /// The password that the RPC server asks for. Another chain has another one, so that a node left
    /// over from one test cannot talk to the chain of the next.
    pub fn rpc_password(&self) -> String {
        self.server.password().to_owned()
    }

    /// The height of the best block; the genesis block has height 0.
    pub fn tip_height(&self) -> u32 {
        self.shared.lock().tip().height
    }

    /// Mines `n` blocks and returns the new height. The first takes in the whole mempool, in order.
    ///
    /// A block's time is the clock's, but at least one second after the block before: mining thousands
    /// of blocks at once takes the chain as many seconds into the future.
    pub fn mine(&self, n: u32) -> u32 {
        self.shared.change(|model, now| {
            for _ in 0..n {
                model.mine(now);
            }
            model.tip().height
        })
    }

    /// Puts a transaction into the mempool whose output 0 pays `amount` to `script`, out of nothing.
    /// One block confirms it, and unlike a coinbase it can be spent at once.
    pub fn fund(&self, script: ScriptBuf, amount: Amount) -> Txid {
        self.shared.change(|model, now| model.fund(script, amount, now))
    }

    /// Hands in a transaction, as a node does with `sendrawtransaction`. One that the mempool holds
    /// already is accepted again.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`], after which nothing has changed.
    pub fn broadcast(&self, tx: Transaction) -> Result<Txid, Error> {
        Ok(self.shared.submit(tx)?)
    }

    /// A transaction of the mempool or of a block.
    pub fn transaction(&self, txid: Txid) -> Option<Transaction> {
        self.shared.lock().transaction(&txid).cloned()
    }

    /// The transactions that wait for a block, in the order in which they came.
    pub fn mempool(&self) -> Vec<Txid> {
        waiting(&self.shared.lock())
    }

    /// Blocks until the chain knows this transaction, in the mempool or in a block, and returns it.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] after `timeout`.
    pub fn wait_for_tx(&self, txid: Txid, timeout: Duration) -> Result<Transaction, Error> {
        self.shared
            .wait(timeout, |model| model.transaction(&txid).cloned())
            .ok_or_else(|| self.timed_out(format!("transaction {txid}")))
    }

    /// Blocks until at least `n` transactions wait for a block, and returns them in the order in
    /// which they came.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] after `timeout`.
    pub fn wait_for_mempool(&self, n: usize, timeout: Duration) -> Result<Vec<Txid>, Error> {
        self.shared
            .wait(timeout, |model| (model.mempool().len() >= n).then(|| waiting(model)))
            .ok_or_else(|| self.timed_out(format!("{n} transactions in the mempool")))
    }

    fn timed_out(&self, awaited: String) -> Error {
        Error::Timeout { condition: awaited, mempool_size: self.shared.lock().mempool().len() }
    }
}

fn waiting(model: &Model) -> Vec<Txid> {
    model.mempool().iter().map(|entry| entry.txid).collect()
}

/// The chain between the callers and the server's thread.
#[derive(Debug)]
pub(crate) struct Shared {
    model: Mutex<Model>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { model: Mutex::new(Model::new()), changed: Condvar::new() }
    }

    /// The chain to read. Changes go through [`Self::change`], which wakes those who wait for them.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Model> {
        // A poisoned lock means that a test has failed already; the others may as well go on.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn submit(&self, tx: Transaction) -> Result<Txid, Rejection> {
        self.change(|model, now| model.submit(tx, now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Model, u32) -> T) -> T {
        let done = change(&mut self.lock(), clock::unix_now());
        self.changed.notify_all();
        done
    }

    /// Blocks until `look` finds what it looks for, or until the time is up.
    fn wait<T>(&self, timeout: Duration, look: impl Fn(&Model) -> Option<T>) -> Option<T> {
        let mut found = None;
        let missing = |model: &mut Model| {
            found = look(model);
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

    const PLENTY: Duration = Duration::from_secs(30);

    #[test]
    fn a_wait_ends_with_the_transaction() {
        let chain = Chain::start().unwrap();
        let waiter = chain.clone();
        let waiting = std::thread::spawn(move || waiter.wait_for_mempool(2, PLENTY).unwrap());
        let one = chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        let two = chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        assert_eq!(waiting.join().unwrap(), [one, two]);

        assert_eq!(chain.mine(1), 1);
        let tx = chain.wait_for_tx(one, PLENTY).unwrap();
        assert_eq!(chain.transaction(one), Some(tx));
    }

    #[test]
    fn a_wait_in_vain_says_for_what() {
        let chain = Chain::start().unwrap();
        chain.fund(ScriptBuf::new(), Amount::ONE_BTC);
        let error = chain.wait_for_mempool(2, Duration::from_millis(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "timed out waiting for 2 transactions in the mempool (size of the mempool: 1)"
        );
        let error = chain.wait_for_tx(Txid::all_zeros(), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(error, Error::Timeout { mempool_size: 1, .. }));
    }

    #[test]
    fn a_rejection_reaches_the_caller() {
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
