//! The view of a running service over HTTP.

use std::sync::Arc;

use fitness_actor::{Handle, Service};
use fitness_core::{ChannelOpened, Event, NodeId};
use fitness_store::MemoryStore;
use fitness_web::Web;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::support::{LONG_TIMEOUT, channel, peer};
use crate::feed::Feed;
use crate::model::{DataNeeds, FeedUpdate, Message, Model};
use crate::source::Source;

struct LiveView {
    model: Model,
    needs: watch::Sender<DataNeeds>,
    updates: mpsc::Receiver<FeedUpdate>,
    handle: Handle,
}

impl LiveView {
    /// Starts a service with `peers` online peers that allows `max_streams` live streams, and a view of it.
    async fn new(peers: u32, max_streams: usize) -> Self {
        let builder = Service::builder(NodeId([3; 33]), Arc::new(MemoryStore::new()));
        let service = builder.start().await.expect("the service starts");
        let handle = service.handle();
        for number in 0..peers {
            let (channel_id, node_id) = (channel(number), peer(number));
            let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
            handle.record(Event::ChannelOpened(opened));
        }
        let web = Web::builder(handle.clone()).max_live_streams(max_streams).build();
        let server = web.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let address = format!("http://{}", server.addr());
        tokio::spawn(async move {
            server.run(std::future::pending()).await;
            drop(service);
        });
        let source = Source::service(&address, None).expect("a valid address");
        let (needs, needs_receiver) = watch::channel(DataNeeds::default());
        let (update_sender, updates) = mpsc::channel(64);
        tokio::spawn(Feed::new(source, needs_receiver, update_sender).run());
        Self { model: Model::new(address, (80, 24)), needs, updates, handle }
    }

    async fn wait_until(&mut self, what: &str, condition: impl Fn(&Model) -> bool) {
        let waiting = timeout(LONG_TIMEOUT, async {
            while !condition(&self.model) {
                self.needs.send_replace(self.model.data_needs());
                let update = self.updates.recv().await.expect("the feed runs");
                self.model.update(Message::Update(update));
            }
        });
        assert!(waiting.await.is_ok(), "timed out waiting for {what}");
    }

    fn disconnect(&self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.handle.record(Event::PeerOffline { node_id: peer(number) });
        }
    }
}

fn offline(model: &Model) -> usize {
    model.list.counts().offline
}

#[tokio::test]
async fn changes_of_one_peer_and_of_many_are_shown() {
    let mut view = LiveView::new(200, 1).await;
    view.wait_until("all peers", |model| model.list.counts().online == 200).await;
    view.wait_until("a strip per row", |model| model.list.strips.len() == 19).await;
    view.disconnect([7]);
    view.wait_until("one offline peer", |model| offline(model) == 1).await;
    let first = view.model.list.visible(1).next().map(|(peer, _)| peer.node_id);
    view.wait_until("the first peer's new strip", |model| {
        first.is_some_and(|id| model.list.strips.contains_key(&id))
    })
    .await;
    // Few enough that the service does not attribute the disconnects to our own network.
    view.disconnect(20..80);
    view.wait_until("61 offline peers", |model| offline(model) == 61).await;
    view.handle.record(Event::ChannelClosed { channel_id: channel(5) });
    view.wait_until("one peer fewer", |model| model.list.total() == 199).await;
}

#[tokio::test]
async fn the_service_is_polled_if_there_is_no_live_stream() {
    let mut view = LiveView::new(2, 0).await;
    view.wait_until("all peers", |model| model.list.counts().online == 2).await;
    view.disconnect([1]);
    view.wait_until("one offline peer", |model| offline(model) == 1).await;
}
