//! LDK's background processor beside a node, as on a phone.

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

/// A store that keeps nothing, and a wallet without an address.
struct Nothing;

impl KVStore for Nothing {
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

impl ChangeDestinationSource for Nothing {
    fn get_change_destination_script<'a>(&'a self) -> AsyncResult<'a, ScriptBuf, ()> {
        Box::pin(async { Err(()) })
    }
}

type NoSweeper = Arc<
    OutputSweeper<
        Arc<StubBackend>,
        Arc<Nothing>,
        Arc<StubBackend>,
        Arc<dyn Filter + Send + Sync>,
        Arc<Nothing>,
        Arc<StubBackend>,
        Arc<KeysManager>,
    >,
>;

/// Runs until it is dropped, and watches for being held up.
pub(super) async fn run(node: &RawNode) {
    let sleeper = |time| {
        // The time runs from here on. Made within the block, it would run from when it is first asked
        // for, and LDK would never find out that it is late.
        let sleep = tokio::time::sleep(time);
        Box::pin(async move {
            sleep.await;
            false
        })
    };
    let ended = process_events_async(
        Arc::new(Nothing),
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
        Arc::clone(&node.world),
        None::<Arc<Mutex<FixedPenaltyScorer>>>,
        sleeper,
        true,
        || Some(Duration::ZERO),
    );
    ended.await.unwrap();
}
