//! Records a few events and asks every kind of question: `cargo run -p fitness-actor --example queries`.
//!
//! The README shows the part between the markers.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Service;
use fitness_advice::AlertRules;
use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, StandardWindow};
use fitness_store::MemoryStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let our_node_id = NodeId([2; 33]);
    let (node_id, channel_id) = (NodeId([3; 33]), ChannelId([9; 32]));
    let service = Service::builder(our_node_id, Arc::new(MemoryStore::default())).start().await?;
    let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
    service.handle().record(Event::ChannelOpened(opened));

    // --- fitness: begin 1
    let handle = service.handle();
    let report = handle.channel(&channel_id); // lifetime, observed time, uptime, availability
    let peers = handle.peers(); // all tracked peers, with presence, flaps and disconnects
    let week = handle.peer_stats(&node_id, StandardWindow::Week).await?; // disconnects, recovery times
    let history = handle.history(&node_id).await?; // any window, the timeline, buckets for charts
    let now = handle.now();
    let gaps = handle.gaps(StandardWindow::Week.start(now), now).await?; // monitoring gaps with causes
    let mut changes = handle.subscribe(); // every change
    let mut alerts = handle.alerts(AlertRules::default()); // changes that need attention
    let health = handle.health(); // state of the store, the clocks and the service itself
    // --- fitness: end

    println!("{report:?}\n{peers:?}\n{week:?}\n{history:?}\n{gaps:?}\n{health:?}");
    service.handle().record(Event::PeerOffline { node_id });
    println!("{:?}", changes.next().await);
    // The default rules report a peer that has been offline for longer than this example runs.
    let alert = tokio::time::timeout(Duration::from_millis(10), alerts.next()).await;
    println!("{alert:?}");
    service.shutdown().await?;
    Ok(())
}
