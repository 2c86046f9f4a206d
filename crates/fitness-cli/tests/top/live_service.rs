//! A service in this process with an HTTP server that can be stopped and restarted.

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

pub(crate) struct LiveService {
    /// Runs the service, which does not depend on the server.
    _service_runtime: Runtime,
    service: Service,
    web: Web,
    server_runtime: Option<Runtime>,
    addr: SocketAddr,
}

impl LiveService {
    /// Starts a service with `peers` peers that are online, with one channel each.
    pub(crate) fn new(peers: u8) -> Self {
        Self::start(peers, None)
    }

    pub(crate) fn with_token(peers: u8, token: &str) -> Self {
        Self::start(peers, Some(Token::new(token).expect("a valid token")))
    }

    fn start(peers: u8, token: Option<Token>) -> Self {
        let service_runtime = runtime();
        let builder = Service::builder(NodeId([3; 33]), Arc::new(MemoryStore::new()));
        let service = service_runtime.block_on(builder.start()).expect("start the service");
        let mut web = Web::builder(service.handle());
        if let Some(token) = token {
            web = web.token(token);
        }
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let web = web.build();
        let mut live = Self { _service_runtime: service_runtime, service, web, server_runtime: None, addr };
        (0..peers).for_each(|number| live.open_channel(number));
        live.start_server();
        live
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn open_channel(&self, number: u8) {
        let (node_id, channel_id) = (peer(number), ChannelId([number; 32]));
        let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
        self.service.handle().record(Event::ChannelOpened(opened));
    }

    pub(crate) fn disconnect(&self, number: u8) {
        self.service.handle().record(Event::PeerOffline { node_id: peer(number) });
    }

    pub(crate) fn connect(&self, number: u8) {
        self.service.handle().record(Event::PeerOnline { node_id: peer(number) });
    }

    /// Stops the server and drops its connections. The service keeps running.
    pub(crate) fn stop_server(&mut self) {
        if let Some(server_runtime) = self.server_runtime.take() {
            server_runtime.shutdown_background();
        }
    }

    /// Starts the server, on the same address as before.
    pub(crate) fn start_server(&mut self) {
        let runtime = runtime();
        let server = runtime.block_on(async {
            loop {
                match self.web.listen(self.addr).await {
                    Ok(server) => break server,
                    // The previous server has not released the port yet.
                    Err(_) if self.addr.port() != 0 => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        self.addr = server.addr();
        runtime.spawn(server.run(std::future::pending()));
        self.server_runtime = Some(runtime);
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("start a runtime")
}
