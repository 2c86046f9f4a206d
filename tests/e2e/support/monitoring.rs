//! What a wallet adds for monitoring: the service on a store, the monitor, and one call in its event loop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_ldk::{ConnectionHint, NodeMonitor, convert};
use fitness_store::Store;
use fitness_store_redb::RedbStore;
use ldk_node::Node;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wait_until;

pub(crate) struct Monitoring {
    service: Service,
    monitor: Arc<NodeMonitor>,
    /// The wallet's event loop, and the signal that ends it.
    events: JoinHandle<()>,
    end_events: oneshot::Sender<()>,
    runtime: Runtime,
}

impl Monitoring {
    pub(super) fn start(
        node: &Arc<Node>,
        hint: &ConnectionHint,
        store: Arc<dyn Store>,
        interval: Duration,
    ) -> Self {
        // `Node::event_handled` needs a runtime with more than one thread.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let observer = convert::node_id(&node.node_id());
        let service = runtime.block_on(Service::builder(observer, store).start()).unwrap();
        let monitor =
            NodeMonitor::builder(node, service.handle()).poll_interval(interval).hint(hint).start().unwrap();
        let monitor = Arc::new(monitor);
        let (end_events, end) = oneshot::channel();
        let events = runtime.spawn(handle_events(Arc::clone(node), Arc::clone(&monitor), end));
        Self { service, monitor, events, end_events, runtime }
    }

    pub(super) fn handle(&self) -> Handle {
        self.service.handle()
    }

    pub(super) fn flush(&self) {
        self.runtime.block_on(self.service.handle().flush()).unwrap();
    }

    pub(super) fn stop(self) -> Handle {
        let Self { service, monitor, events, end_events, runtime } = self;
        let handle = service.handle();
        runtime.block_on(async {
            end_events.send(()).expect("a running event loop");
            events.await.unwrap();
            Arc::into_inner(monitor).expect("the only reference").stop().await;
            service.shutdown().await.unwrap();
        });
        handle
    }

    pub(super) fn crash(self) {
        let Self { service, monitor, events, end_events: _end, runtime } = self;
        // First, so that nothing is stored about the end of the others.
        drop(service);
        events.abort();
        // Waits until the loop has dropped the node.
        let _ = runtime.block_on(events);
        runtime.block_on(Arc::into_inner(monitor).expect("the only reference").stop());
    }
}

/// Runs the event loop of the wallet.
async fn handle_events(node: Arc<Node>, monitor: Arc<NodeMonitor>, mut end: oneshot::Receiver<()>) {
    loop {
        let event = tokio::select! {
            event = node.next_event_async() => event,
            _ = &mut end => return,
        };
        tracing::debug!(?event, "event received");
        monitor.record_event(&event);
        node.event_handled().unwrap();
    }
}

/// Opens the file as soon as it is no longer open elsewhere.
pub(crate) fn open_store(path: &Path) -> RedbStore {
    let mut store = None;
    wait_until("a file that is not open elsewhere", || {
        store = RedbStore::open(path).ok();
        store.is_some()
    });
    store.expect("an open store")
}
