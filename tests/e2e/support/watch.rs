//! What a wallet adds to be watched: the service on a store, the monitor, and in its own event loop
//! one call.

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

use super::until;

pub(crate) struct Watch {
    service: Service,
    monitor: Arc<NodeMonitor>,
    /// The wallet's event loop, and what ends it.
    events: JoinHandle<()>,
    end_events: oneshot::Sender<()>,
    runtime: Runtime,
}

impl Watch {
    pub(super) fn start(
        node: &Arc<Node>,
        hint: &ConnectionHint,
        store: Arc<dyn Store>,
        interval: Duration,
    ) -> Self {
        // `Node::event_handled` wants more than one thread.
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

    pub(super) fn end(self) -> Handle {
        let Self { service, monitor, events, end_events, runtime } = self;
        let handle = service.handle();
        runtime.block_on(async {
            end_events.send(()).expect("the event loop goes on until now");
            events.await.unwrap();
            Arc::into_inner(monitor).expect("nobody else holds it").stop().await;
            service.shutdown().await.unwrap();
        });
        handle
    }

    pub(super) fn crash(self) {
        let Self { service, monitor, events, end_events: _end, runtime } = self;
        // First of all, so that the end of the others is not stored.
        drop(service);
        events.abort();
        // Waits until the loop has let go of the node.
        let _ = runtime.block_on(events);
        runtime.block_on(Arc::into_inner(monitor).expect("nobody else holds it").stop());
    }
}

/// The event loop of a wallet.
async fn handle_events(node: Arc<Node>, monitor: Arc<NodeMonitor>, mut end: oneshot::Receiver<()>) {
    loop {
        let event = tokio::select! {
            event = node.next_event_async() => event,
            _ = &mut end => return,
        };
        tracing::debug!(?event, "the wallet has an event");
        monitor.record_event(&event);
        node.event_handled().unwrap();
    }
}

/// Opens the file, once whoever had it open is gone.
pub(crate) fn open_store(path: &Path) -> RedbStore {
    let mut store = None;
    until("a file that nobody has open", || {
        store = RedbStore::open(path).ok();
        store.is_some()
    });
    store.expect("it was opened")
}
