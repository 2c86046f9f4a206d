//! A regtest chain and a network whose failures the caller controls, both in the calling process.
//!
//! [`Chain`] is a chain of valid blocks with the part of bitcoind's RPC interface that an LDK node uses.
//! Real nodes sync, receive funds and open channels on it without a `bitcoind`. [`Proxy`] forwards the
//! connections between two nodes and interrupts them in the ways that networks do.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bitcoin::{Amount, ScriptBuf};
//! use fitness_regtest::Chain;
//!
//! let chain = Chain::start()?;
//! let txid = chain.fund(ScriptBuf::new_op_return([7]), Amount::from_sat(50_000));
//! assert_eq!(chain.mempool(), [txid]);
//! assert_eq!(chain.mine(6), 6);
//! assert!(chain.mempool().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! The chain is not a validating node. What nodes download and verify is valid: proof of work, merkle
//! roots, witness commitments and chain work. Of the transactions that nodes submit, only the amounts
//! and the spent outputs are checked; scripts, signatures, lock times, standardness and block sizes are
//! not. There is one chain, which only grows: no reorganisations, no second bitcoind and no
//! peer-to-peer protocol.
//!
//! This crate does not depend on the rest of ldk-fitness: its callers monitor the nodes. With the feature
//! `ldk-node` it starts ldk-nodes on the chain ([`RegtestNode`]). With the feature `lightning` it starts
//! LDK nodes without a chain, in milliseconds ([`ChainlessNode`]), and provides the parts from which
//! tests build LDK nodes of their own ([`channel_manager`]).

#[cfg(feature = "lightning")]
mod backend;
mod block;
mod chain;
mod chain_state;
#[cfg(feature = "lightning")]
mod chainless;
mod clock;
mod error;
mod mempool;
#[cfg(feature = "ldk-node")]
mod node;
mod proxy;
mod proxy_connection;
mod rpc;
mod server;
mod worker;

#[cfg(feature = "lightning")]
pub use backend::{StubBackend, StubChainMonitor, StubChannelManager, channel_manager};
pub use chain::{Chain, RpcAccess};
#[cfg(feature = "lightning")]
pub use chainless::ChainlessNode;
pub use error::{Error, Rejection};
#[cfg(feature = "ldk-node")]
pub use node::{RegtestNode, fund_nodes, open_channels, wait_until};
pub use proxy::{Proxy, ProxyMode};
