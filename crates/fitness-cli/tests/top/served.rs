//! A service that is served, in this process, and whose server can die and rise again.

use std::net::SocketAddr;
use std::sync::Arc;

use fitness_actor::Service;
use fitness_core::{ChannelId, ChannelOpened, Event, NodeId};
use fitness_store::MemoryStore;
use fitness_web::{Token, Web};
use tokio::runtime::{Builder, Runtime};

pub(crate) fn peer(number: u8) -> NodeId {
    let mut node_id = NodeId([2; 33]);
    node_id.0[32] = number;
    node_id
}

pub(crate) struct Served {
    /// It goes on without a server.
    _observing: Runtime,
    service: Service,
    web: Web,
    server: Option<Runtime>,
    addr: SocketAddr,
}

impl Served {
    /// So many peers with a channel each, all of them online.
    pub(crate) fn new(peers: u8) -> Self {
        Self::started(peers, None)
    }

    pub(crate) fn with_token(peers: u8, secret: &str) -> Self {
        Self::started(peers, Some(Token::new(secret).expect("it is one")))
    }

    fn started(peers: u8, token: Option<Token>) -> Self {
        let observing = runtime();
        let builder = Service::builder(NodeId([3; 33]), Arc::new(MemoryStore::new()));
        let service = observing.block_on(builder.start()).expect("it starts");
        let mut web = Web::builder(service.handle());
        if let Some(token) = token {
            web = web.token(token);
        }
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Self { _observing: observing, service, web: web.build(), server: None, addr };
        (0..peers).for_each(|number| served.open(number));
        served.rise();
        served
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn open(&self, number: u8) {
        let (node_id, channel_id) = (peer(number), ChannelId([number; 32]));
        let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
        self.service.handle().record(Event::ChannelOpened(opened));
    }

    pub(crate) fn lose(&self, number: u8) {
        self.service.handle().record(Event::PeerOffline { node_id: peer(number) });
    }

    pub(crate) fn find(&self, number: u8) {
        self.service.handle().record(Event::PeerOnline { node_id: peer(number) });
    }

    /// The server goes, with all its connections, and without a word.
    pub(crate) fn die(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }

    /// There is one again, at the same address.
    pub(crate) fn rise(&mut self) {
        let runtime = runtime();
        let server = runtime.block_on(async {
            loop {
                match self.web.listen(self.addr).await {
                    Ok(server) => break server,
                    // The one before has not let go yet.
                    Err(_) if self.addr.port() != 0 => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        self.addr = server.addr();
        runtime.spawn(server.run(std::future::pending()));
        self.server = Some(runtime);
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}
