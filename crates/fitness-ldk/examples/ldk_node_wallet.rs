//! A wallet built on ldk-node that measures how reliable its peers are.
//!
//! ```text
//! cargo run -p fitness-ldk --features ldk-node --example ldk_node_wallet -- \
//!     <directory> <bitcoind host> <port> <user> <password>
//! ```
//!
//! The wallet runs on regtest, listens on port 9735 and prints a line about each peer every ten seconds
//! until you press Ctrl-C.
//!
//! To add ldk-fitness to your wallet, copy the lines between `fitness: begin` and `fitness: end`. Your
//! wallet already has the rest.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_ldk::{ConnectionHint, NodeMonitor, convert};
use fitness_store_redb::RedbStore;
use ldk_node::Builder;
use ldk_node::bitcoin::Network;
use ldk_node::logger::{LogLevel, LogRecord, LogWriter};

/// The wallet's own logger.
struct WalletLog;

impl LogWriter for WalletLog {
    fn log<'a>(&self, record: LogRecord<'a>) {
        if record.level >= LogLevel::Warn {
            eprintln!("{} {}: {}", record.level, record.module_path, record.args);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, host, port, user, password] = &args[..] else {
        return Err("usage: ldk_node_wallet <directory> <bitcoind host> <port> <user> <password>".into());
    };
    let dir = PathBuf::from(dir);
    std::fs::create_dir_all(&dir)?;

    let mut builder = Builder::new();
    builder
        .set_network(Network::Regtest)
        .set_storage_dir_path(dir.display().to_string())
        .set_listening_addresses(vec!["127.0.0.1:9735".parse().map_err(|_| "invalid listening address")?])?
        .set_chain_source_bitcoind_rpc(host.clone(), port.parse()?, user.clone(), password.clone());
    // --- fitness: begin 1
    // Before you build the node: wrap your logger, so that connects and disconnects are noticed at once.
    let hint = ConnectionHint::wrapping(Arc::new(WalletLog));
    builder.set_custom_logger(hint.clone());
    // --- fitness: end
    let node = Arc::new(builder.build()?);
    // --- fitness: begin 2
    // Before you start the node: open the store, and start the service and the monitor.
    let store = Arc::new(RedbStore::open(dir.join("fitness.redb"))?);
    let service = Service::builder(convert::node_id(&node.node_id()), store).start().await?;
    let monitor = NodeMonitor::builder(&node, service.handle()).hint(&hint).start()?;
    // --- fitness: end
    node.start()?;
    println!("node id: {}", node.node_id());

    let mut tick = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            event = node.next_event_async() => {
                // --- fitness: begin 3
                // In your event loop: record every event.
                monitor.record_event(&event);
                // --- fitness: end
                println!("{event:?}");
                node.event_handled()?;
            }
            _ = tick.tick() => print_peers(&service.handle()),
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    // --- fitness: begin 4
    // On shutdown, before you stop the node:
    monitor.stop().await;
    service.shutdown().await?;
    // --- fitness: end
    node.stop()?;
    Ok(())
}

fn print_peers(fitness: &Handle) {
    for peer in fitness.peers() {
        let percent = |fraction: f64| format!("{:.2}%", fraction * 100.0);
        let availability = peer.availability.map_or_else(|| "n/a".into(), percent);
        println!("{}: availability {availability}, disconnects {}", peer.node_id, peer.disconnects);
    }
}
