//! A service that is asked over HTTP, as it goes on.

use std::sync::Arc;

use fitness_actor::{Handle, Service};
use fitness_core::{ChannelId, ChannelOpened, Event, NodeId};
use fitness_store::MemoryStore;
use fitness_web::Web;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::support::{PATIENCE, peer};
use crate::feed::Feed;
use crate::model::{Message, Model, News, Wants};
use crate::source::Source;

struct Live {
    model: Model,
    wants: watch::Sender<Wants>,
    news: mpsc::Receiver<News>,
    handle: Handle,
}

impl Live {
    /// A service with so many peers, which lets so many follow it.
    async fn new(peers: u32, streams: usize) -> Self {
        let builder = Service::builder(NodeId([3; 33]), Arc::new(MemoryStore::new()));
        let service = builder.start().await.expect("it starts");
        let handle = service.handle();
        for number in 0..peers {
            let mut channel_id = ChannelId([1; 32]);
            channel_id.0[..4].copy_from_slice(&number.to_be_bytes());
            let node_id = peer(number);
            let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
            handle.record(Event::ChannelOpened(opened));
        }
        let web = Web::builder(handle.clone()).max_live_streams(streams).build();
        let server = web.listen("127.0.0.1:0".parse().expect("an address")).await.expect("it is free");
        let address = format!("http://{}", server.addr());
        tokio::spawn(async move {
            server.run(std::future::pending()).await;
            drop(service);
        });
        let source = Source::service(&address, None).expect("an address");
        let (wants, wanted) = watch::channel(Wants::default());
        let (told, news) = mpsc::channel(64);
        tokio::spawn(Feed::new(source, wanted, told).run());
        Self { model: Model::new(address, (80, 24)), wants, news, handle }
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let told = timeout(PATIENCE, async {
            while !is_so(&self.model) {
                self.wants.send_replace(self.model.wants());
                let news = self.news.recv().await.expect("the feed goes on");
                self.model.update(Message::Told(news));
            }
        });
        assert!(told.await.is_ok(), "never: {what}");
    }

    fn lose(&self, numbers: impl IntoIterator<Item = u32>) {
        numbers
            .into_iter()
            .for_each(|number| self.handle.record(Event::PeerOffline { node_id: peer(number) }));
    }
}

fn offline(model: &Model) -> usize {
    model.list.counts().offline
}

#[tokio::test]
async fn one_that_changes_and_many_that_do() {
    let mut live = Live::new(200, 1).await;
    live.until("all", |model| model.list.counts().online == 200).await;
    live.until("strips", |model| model.list.strips.len() == 19).await;
    live.lose([7]);
    live.until("one", |model| offline(model) == 1).await;
    let worst = live.model.list.visible(1).next().map(|(peer, _)| peer.node_id);
    live.until("the strip of the worst", |model| worst.is_some_and(|id| model.list.strips.contains_key(&id)))
        .await;
    // Not so many that it would be taken for an outage of ours.
    live.lose(20..80);
    live.until("many", |model| offline(model) == 61).await;
    live.handle.record(Event::ChannelClosed {
        channel_id: {
            let mut id = ChannelId([1; 32]);
            id.0[..4].copy_from_slice(&5_u32.to_be_bytes());
            id
        },
    });
    live.until("one less", |model| model.list.all() == 199).await;
}

#[tokio::test]
async fn where_there_is_no_stream_it_is_asked_now_and_then() {
    let mut live = Live::new(2, 0).await;
    live.until("all", |model| model.list.counts().online == 2).await;
    live.lose([1]);
    live.until("one", |model| offline(model) == 1).await;
}
