//! A service and its server, which can be restarted.

use std::net::SocketAddr;
use std::time::Duration;

use fitness_actor::{Clock as _, Handle, Service, SystemClock};
use fitness_web::{Token, Web};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::SimulatedNode;

pub(crate) struct TestServer {
    pub(crate) node: SimulatedNode,
    token: Option<Token>,
    addr: SocketAddr,
    running: Option<Running>,
}

struct Running {
    service: Service,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl TestServer {
    /// Starts a server for the given number of peers, with two months of history.
    pub(crate) async fn with_peers(peers: usize) -> Self {
        Self::with_token(peers, None).await
    }

    pub(crate) async fn with_token(peers: usize, token: Option<Token>) -> Self {
        let now = SystemClock::new().wall();
        let node =
            if peers == 0 { SimulatedNode::empty() } else { SimulatedNode::new(11, peers, 60, now).await };
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut server = Self { node, token, addr, running: None };
        server.start().await;
        server
    }

    pub(crate) async fn start(&mut self) {
        let service = self.node.service().start().await.unwrap();
        let aliases = self.node.aliases.clone();
        let mut web = Web::builder(service.handle()).aliases(move |node_id| aliases.get(node_id).cloned());
        if let Some(token) = &self.token {
            web = web.token(token.clone());
        }
        let server = web.build().listen(self.addr).await.unwrap();
        self.addr = server.addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { service, stop, server });
    }

    /// Stops the server and the service. The store is kept.
    pub(crate) async fn stop(&mut self) {
        let Running { service, stop, server } = self.running.take().expect("server is running");
        let _ = stop.send(());
        tokio::time::timeout(Duration::from_secs(20), server).await.expect("server stops in time").unwrap();
        service.shutdown().await.unwrap();
    }

    pub(crate) fn handle(&self) -> Handle {
        self.running.as_ref().expect("server is running").service.handle()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }
}
