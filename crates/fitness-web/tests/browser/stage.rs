//! A service and a server on this machine, which can be restarted.

use std::net::SocketAddr;
use std::time::Duration;

use fitness_actor::{Clock as _, Handle, Service, SystemClock};
use fitness_web::{Token, Web};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::World;

pub(crate) struct Stage {
    pub(crate) world: World,
    token: Option<Token>,
    addr: SocketAddr,
    running: Option<Running>,
}

struct Running {
    service: Service,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Stage {
    /// So many peers over two months, until now.
    pub(crate) async fn of(peers: usize) -> Self {
        Self::guarded(peers, None).await
    }

    pub(crate) async fn guarded(peers: usize, token: Option<Token>) -> Self {
        let now = SystemClock::new().wall();
        let world = if peers == 0 { World::empty() } else { World::new(11, peers, 60, now).await };
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut stage = Self { world, token, addr, running: None };
        stage.start().await;
        stage
    }

    pub(crate) async fn start(&mut self) {
        let service = self.world.service().start().await.unwrap();
        let names = self.world.names.clone();
        let mut web = Web::builder(service.handle()).aliases(move |node_id| names.get(node_id).cloned());
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

    /// The server and the service end; what they stored stays.
    pub(crate) async fn stop(&mut self) {
        let Running { service, stop, server } = self.running.take().expect("it runs");
        let _ = stop.send(());
        tokio::time::timeout(Duration::from_secs(20), server).await.expect("it stops").unwrap();
        service.shutdown().await.unwrap();
    }

    pub(crate) fn handle(&self) -> Handle {
        self.running.as_ref().expect("it runs").service.handle()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }
}
