//! The dashboard of a simulated node: `cargo run --package fitness-web --example dashboard -- [--peers 200]
//! [--days 120] [--seed 1] [--listen 127.0.0.1:8080] [--token] [--quiet]`.
//!
//! While it runs, random peers connect and disconnect, except with `--quiet`. It makes no network connections.
#![allow(missing_docs, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use fitness_actor::{Clock as _, Handle, SystemClock};
use fitness_core::{Event, NodeId};
use fitness_web::{Token, Web};
use support::SimulatedNode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = args()?;
    let number = |name: &str, default: u64| args.get(name).map_or(Ok(default), |text| text.parse());
    let (peers, days, seed) = (number("peers", 200)?, number("days", 120)?, number("seed", 1)?);
    let addr = args.get("listen").map_or("127.0.0.1:8080", String::as_str).parse()?;

    let now = SystemClock::new().wall();
    let node = match peers {
        0 => SimulatedNode::empty(),
        _ => SimulatedNode::new(seed, usize::try_from(peers)?, days, now).await,
    };
    let service = node.service().start().await?;
    let (peers, aliases) = (node.peers.clone(), node.aliases.clone());
    let mut web = Web::builder(service.handle()).aliases(move |node_id| aliases.get(node_id).cloned());
    if args.contains_key("token") {
        let (token, secret) = Token::random()?;
        println!("token {secret}");
        web = web.token(token);
    }
    let server = web.build().listen(addr).await?;
    println!("http://{}", server.addr());
    if !args.contains_key("quiet") {
        tokio::spawn(toggle_peers(service.handle(), peers, seed));
    }
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.run(interrupted).await;
    service.shutdown().await?;
    Ok(())
}

/// Connects or disconnects a random peer about once a second.
async fn toggle_peers(handle: Handle, peers: Vec<NodeId>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    while !peers.is_empty() {
        tokio::time::sleep(Duration::from_millis(rng.u64(500..2_000))).await;
        let node_id = peers[rng.usize(0..peers.len())];
        let is_online = handle.is_connected(&node_id).unwrap_or_default();
        handle.record(if is_online { Event::PeerOffline { node_id } } else { Event::PeerOnline { node_id } });
    }
}

/// Parses `--name value` and `--name`.
fn args() -> Result<HashMap<String, String>, String> {
    let mut args = std::env::args().skip(1).peekable();
    let mut found = HashMap::new();
    while let Some(arg) = args.next() {
        let name = arg
            .strip_prefix("--")
            .ok_or_else(|| format!("unexpected argument {arg}: expected an option"))?
            .to_owned();
        let options = ["peers", "days", "seed", "listen", "token", "quiet"];
        if !options.contains(&name.as_str()) {
            return Err(format!("unknown option --{name}: expected one of {options:?}"));
        }
        let value = args.next_if(|next| !next.starts_with("--")).unwrap_or_default();
        found.insert(name, value);
    }
    Ok(found)
}
