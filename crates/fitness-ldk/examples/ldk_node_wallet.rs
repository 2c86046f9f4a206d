//! A wallet on ldk-node that knows how reliable its peers are.
//!
//! ```text
//! cargo run -p fitness-ldk --features ldk-node --example ldk_node_wallet -- \
//!     <directory> <bitcoind host> <port> <user> <password>
//! ```
//!
//! It is on regtest, listens on port 9735 and says every ten seconds what it knows, until Ctrl-C. The
//! lines between `fitness: begin` and `fitness: end` are what a wallet adds; the rest it has already.

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

/// The wallet's own log.
struct Log;

impl LogWriter for Log {
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
        .set_listening_addresses(vec!["127.0.0.1:9735".parse().map_err(|_| "a bad address")?])?
        .set_chain_source_bitcoind_rpc(host.clone(), port.parse()?, user.clone(), password.clone());
    // --- fitness: begin 1
    // The log hint: connections are noticed at once.
    let hint = ConnectionHint::wrapping(Arc::new(Log));
    builder.set_custom_logger(hint.clone());
    // --- fitness: end
    let node = Arc::new(builder.build()?);
    // --- fitness: begin 2
    // Before the node starts:
    let store = Arc::new(RedbStore::open(dir.join("fitness.redb"))?);
    let service = Service::builder(convert::node_id(&node.node_id()), store).start().await?;
    let monitor = NodeMonitor::builder(&node, service.handle()).hint(&hint).start()?;
    // --- fitness: end
    node.start()?;
    println!("{}", node.node_id());

    let mut tick = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            event = node.next_event_async() => {
                // --- fitness: begin 3
                // In the wallet's event loop:
                monitor.record_event(&event);
                // --- fitness: end
                println!("{event:?}");
                node.event_handled()?;
            }
            _ = tick.tick() => report(&service.handle()),
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    // --- fitness: begin 4
    // At the end, before the node stops:
    monitor.stop().await;
    service.shutdown().await?;
    // --- fitness: end
    node.stop()?;
    Ok(())
}

fn report(fitness: &Handle) {
    for peer in fitness.peers() {
        let percent = |part: f64| format!("{:.1} %", part * 100.0);
        let availability = peer.availability.map_or_else(|| "n/a".into(), percent);
        println!("{}: available {availability}, {} flaps", peer.node_id, peer.flap_count);
    }
}
