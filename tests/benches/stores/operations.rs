//! Operations on a store, done as the service and a report do them.

use std::sync::{Arc, OnceLock};

use fitness_core::{
    HashSeed, LogSegment, ObserverRecord, PeerRecord, StandardWindow, Tracker, TrackerConfig, WindowStats,
};
use fitness_store::codec::{decode_observer, decode_peer, decode_segment};
use fitness_store::{Batch, Store};
use tokio::runtime::Runtime;

use crate::sample::{OBSERVER, Rows, Sample};

/// How many peers the service reads at a time.
const PAGE: usize = 10_000;
/// How many segments a report reads at a time.
const SEGMENTS: usize = 1_000;

/// The runtime, as a wallet has one.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

pub(crate) fn commit(store: &dyn Store, batch: Arc<Batch>) {
    block_on(store.commit(&OBSERVER, batch)).expect("a successful commit");
}

/// Reads the observer and all peers; returns the number of peers.
pub(crate) fn load(store: &dyn Store) -> usize {
    block_on(async {
        assert!(store.observer(&OBSERVER).await.expect("a successful read").is_some());
        let (mut after, mut count) = (None, 0);
        loop {
            let page = store.peers(&OBSERVER, after.as_ref(), PAGE).await.expect("a successful read");
            count += page.len();
            after = page.last().map(|peer| peer.node_id);
            if page.len() < PAGE {
                return count;
            }
        }
    })
}

/// Reads a peer with its whole log and computes its last month, as a report does.
pub(crate) fn window(store: &dyn Store, sample: &Sample) -> WindowStats {
    block_on(async {
        let observer = store.observer(&OBSERVER).await.expect("a successful read").expect("a stored record");
        let peer =
            store.peer(&OBSERVER, &sample.long).await.expect("a successful read").expect("a stored record");
        let mut log: Vec<LogSegment> = Vec::new();
        loop {
            let next = log.last().map_or(0, |segment| segment.index() + 1);
            let page =
                store.segments(&OBSERVER, &sample.long, next, SEGMENTS).await.expect("a successful read");
            let is_last = page.len() < SEGMENTS;
            log.extend(page);
            if is_last {
                break;
            }
        }
        last_month(&observer, &peer, &log, sample)
    })
}

/// Computes the same from encoded rows.
pub(crate) fn window_of(rows: &Rows, sample: &Sample) -> WindowStats {
    let observer = decode_observer(&OBSERVER, &rows.observer).expect("a valid record");
    let peer = rows.peers.first().map(|(node_id, value)| decode_peer(node_id, value));
    let log = rows.segments.iter().map(|(node_id, index, value)| decode_segment(node_id, *index, value));
    let log: Result<Vec<LogSegment>, _> = log.collect();
    last_month(
        &observer,
        &peer.expect("a stored record").expect("a valid record"),
        &log.expect("a valid record"),
        sample,
    )
}

fn last_month(
    observer: &ObserverRecord,
    peer: &PeerRecord,
    log: &[LogSegment],
    sample: &Sample,
) -> WindowStats {
    assert_eq!(log.len(), sample.segments);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    tracker.resume_observer(observer, &[]);
    tracker.resume_peer(peer);
    let history = tracker.history(sample.at, &sample.long, log).expect("a resumed peer");
    let month = history.stats_over(StandardWindow::Month);
    assert!(month.outages.disconnects > 0 && month.window.is_exact());
    month
}
