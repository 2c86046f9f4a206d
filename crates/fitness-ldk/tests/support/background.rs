//! Runs LDK's background processor for a node, configured as on a phone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lightning::bitcoin::ScriptBuf;
use lightning::chain::Filter;
use lightning::events::Event;
use lightning::io;
use lightning::routing::scoring::FixedPenaltyScorer;
use lightning::sign::{ChangeDestinationSource, KeysManager};
use lightning::util::async_poll::AsyncResult;
use lightning::util::persist::KVStore;
use lightning::util::sweep::OutputSweeper;
use lightning_background_processor::{
    GossipSync, NO_LIQUIDITY_MANAGER, NO_ONION_MESSENGER, process_events_async,
};

use fitness_regtest::StubBackend;

use super::RawNode;

/// A store that discards all writes, and a wallet without an address.
struct NoStorage;

impl KVStore for NoStorage {
    fn read(&self, _: &str, _: &str, _: &str) -> AsyncResult<'static, Vec<u8>, io::Error> {
        Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
    }

    fn write(&self, _: &str, _: &str, _: &str, _: Vec<u8>) -> AsyncResult<'static, (), io::Error> {
        Box::pin(async { Ok(()) })
    }

    fn remove(&self, _: &str, _: &str, _: &str, _: bool) -> AsyncResult<'static, (), io::Error> {
        Box::pin(async { Ok(()) })
    }

    fn list(&self, _: &str, _: &str) -> AsyncResult<'static, Vec<String>, io::Error> {
        Box::pin(async { Ok(vec![]) })
    }
}

impl ChangeDestinationSource for NoStorage {
    fn get_change_destination_script<'a>(&'a self) -> AsyncResult<'a, ScriptBuf, ()> {
        Box::pin(async { Err(()) })
    }
}

type NoSweeper = Arc<
    OutputSweeper<
        Arc<StubBackend>,
        Arc<NoStorage>,
        Arc<StubBackend>,
        Arc<dyn Filter + Send + Sync>,
        Arc<NoStorage>,
        Arc<StubBackend>,
        Arc<KeysManager>,
    >,
>;

/// Runs the background processor, with stall detection, until the future is dropped.
pub(super) async fn run(node: &RawNode) {
    let sleeper = |time| {
        // The time runs from here. If this were inside the `async` block, it would run from the first poll
        // of the block, and LDK would never detect a stall.
        let sleep = tokio::time::sleep(time);
        Box::pin(async move {
            sleep.await;
            false
        })
    };
    let ended = process_events_async(
        Arc::new(NoStorage),
        |event: Event| {
            node.fitness.record_event(&event);
            std::future::ready(Ok(()))
        },
        Arc::clone(&node.monitor),
        Arc::clone(&node.channels),
        NO_ONION_MESSENGER,
        GossipSync::none(),
        Arc::clone(&node.peers),
        NO_LIQUIDITY_MANAGER,
        None::<NoSweeper>,
        Arc::clone(&node.backend),
        None::<Arc<Mutex<FixedPenaltyScorer>>>,
        sleeper,
        true,
        || Some(Duration::ZERO),
    );
    ended.await.unwrap();
}
