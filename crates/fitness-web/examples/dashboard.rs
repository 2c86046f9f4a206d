//! The dashboard over a node that never was, to look at: `cargo run --package fitness-web --example
//! dashboard -- [--peers 200] [--days 120] [--seed 1] [--listen 127.0.0.1:8080] [--token] [--quiet]`.
//!
//! Peers come and go while it runs, unless it is to be quiet. Nothing leaves this machine.
#![allow(missing_docs, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use fitness_actor::{Clock as _, Handle, SystemClock};
use fitness_core::{Event, NodeId};
use fitness_web::{Token, Web};
use support::World;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = args()?;
    let number = |name: &str, usual: u64| args.get(name).map_or(Ok(usual), |text| text.parse());
    let (peers, days, seed) = (number("peers", 200)?, number("days", 120)?, number("seed", 1)?);
    let addr = args.get("listen").map_or("127.0.0.1:8080", String::as_str).parse()?;

    let now = SystemClock::new().wall();
    let world = match peers {
        0 => World::empty(),
        _ => World::new(seed, usize::try_from(peers)?, days, now).await,
    };
    let service = world.service().start().await?;
    let (ids, names) = (world.peers.clone(), world.names.clone());
    let mut web = Web::builder(service.handle()).aliases(move |node_id| names.get(node_id).cloned());
    if args.contains_key("token") {
        let (token, secret) = Token::random()?;
        println!("token {secret}");
        web = web.token(token);
    }
    let server = web.build().listen(addr).await?;
    println!("http://{}", server.addr());
    if !args.contains_key("quiet") {
        tokio::spawn(come_and_go(service.handle(), ids, seed));
    }
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.run(interrupted).await;
    service.shutdown().await?;
    Ok(())
}

/// Every second or so somebody comes or goes.
async fn come_and_go(handle: Handle, peers: Vec<NodeId>, seed: u64) {
    let mut dice = fastrand::Rng::with_seed(seed);
    while !peers.is_empty() {
        tokio::time::sleep(Duration::from_millis(dice.u64(500..2_000))).await;
        let node_id = peers[dice.usize(0..peers.len())];
        let is_online = handle.is_connected(&node_id).unwrap_or_default();
        handle.record(if is_online { Event::PeerOffline { node_id } } else { Event::PeerOnline { node_id } });
    }
}

/// `--name value` and `--name` alone.
fn args() -> Result<HashMap<String, String>, String> {
    let mut args = std::env::args().skip(1).peekable();
    let mut found = HashMap::new();
    while let Some(arg) = args.next() {
        let name = arg.strip_prefix("--").ok_or_else(|| format!("expected --name, found {arg}"))?.to_owned();
        let known = ["peers", "days", "seed", "listen", "token", "quiet"];
        if !known.contains(&name.as_str()) {
            return Err(format!("--{name} is none of {known:?}"));
        }
        let value = args.next_if(|next| !next.starts_with("--")).unwrap_or_default();
        found.insert(name, value);
    }
    Ok(found)
}
