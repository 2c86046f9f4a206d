//! A regtest chain and a network that fails on command, both inside the calling process.
//!
//! [`Chain`] is a chain of valid blocks behind the part of bitcoind's RPC that an LDK node uses, so
//! that real nodes sync, get funds and open channels without a downloaded `bitcoind`. [`Proxy`]
//! stands between two nodes and takes their connection away in the ways that networks do.
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
//! # What it leaves to others
//!
//! It is no validating node. What a node downloads from it is checked by that node and is therefore
//! right: proof of work, merkle roots, witness commitments, chain work. What a node hands in is
//! checked for its amounts and for what it spends only; scripts, signatures, lock times, standardness
//! and block sizes are taken on trust. There is one chain that only grows: no reorganisations, no
//! second bitcoind, no peer-to-peer protocol.
//!
//! The crate knows nothing of ldk-fitness. With the feature `ldk-node` it starts real nodes on the
//! chain ([`RegtestNode`]), with the feature `lightning` real nodes without one, in milliseconds ([`ChainlessNode`]), and what
//! a test builds its own from ([`channel_manager`]);
//! watching them is the business of its callers.

#[cfg(feature = "lightning")]
mod bare;
mod block;
mod chain;
mod clock;
mod error;
mod handle;
mod mempool;
#[cfg(feature = "ldk-node")]
mod node;
mod pipe;
mod proxy;
mod rpc;
mod server;
mod worker;
#[cfg(feature = "lightning")]
mod world;

#[cfg(feature = "lightning")]
pub use bare::ChainlessNode;
pub use error::{Error, Rejection};
pub use handle::{Chain, RpcAccess};
#[cfg(feature = "ldk-node")]
pub use node::{RegtestNode, fund_nodes, open_channels, wait_until};
pub use proxy::{Proxy, ProxyMode};
#[cfg(feature = "lightning")]
pub use world::{StubBackend, StubChainMonitor, StubChannelManager, channel_manager};
