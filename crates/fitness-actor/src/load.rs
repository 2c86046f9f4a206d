//! Taking over what earlier processes stored.

use fitness_core::{Changes, Event, NodeId, PeerRecord, Presence, Timestamp, Tracker};
use fitness_store::{Store, StoreError};

/// How many peers are read at a time.
const PAGE: usize = 10_000;

/// What the tracker's line of time starts at most at, which is the tracker's own rule.
const LATEST_START_NS: u64 = u64::MAX / 2;

/// Reads everything that is stored of `observer` into a new tracker.
///
/// Returns where the tracker's line of time goes on, in nanoseconds; 0 where nothing was stored.
pub(crate) async fn load(
    store: &dyn Store,
    observer: &NodeId,
    tracker: &mut Tracker,
) -> Result<u64, StoreError> {
    let Some(record) = store.observer(observer).await? else {
        // Every commit that completes a state carries the observer's record, so what is there
        // without one is the beginning of a first, long flush. It was observed until then.
        return load_peers(store, observer, Timestamp::EPOCH, tracker).await;
    };
    let observed_until = Timestamp::from_nanos(record.heartbeat_ns.max(record.started_at_ns));
    load_peers(store, observer, observed_until, tracker).await
}

async fn load_peers(
    store: &dyn Store,
    observer: &NodeId,
    observed_until: Timestamp,
    tracker: &mut Tracker,
) -> Result<u64, StoreError> {
    let mut resumes_ns = 0;
    let mut last: Option<NodeId> = None;
    loop {
        let page = store.peers(observer, last.as_ref(), PAGE).await?;
        for record in &page {
            tracker.restore(record, observed_until);
            resumes_ns = resumes_ns.max(observed_until.as_nanos()).max(record.since_ns);
        }
        last = page.last().map(|record| record.node_id);
        let is_last = page.len() < PAGE;
        end_presence(page, tracker);
        if is_last {
            return Ok(resumes_ns);
        }
    }
}

/// Has the peers stored again whose presence ended with the earlier process.
///
/// Their records say that it goes on until the observer's heartbeat. Our first heartbeat is going
/// to move that ahead, so after a crash the next process would take our absence for theirs, if
/// their records were still the old ones.
fn end_presence(mut page: Vec<PeerRecord>, tracker: &mut Tracker) {
    page.retain(|record| record.presence != Presence::Unobserved);
    tracker.put_back(&Changes { peers: page, segments: Vec::new() });
}

/// Starts the tracker's line of time at `now`, and returns how far it is ahead of service time, in
/// nanoseconds, for as long as that does not go back, which it does not.
///
/// Stored times are on the line. It is ahead where the wall clock was behind the last heartbeat.
pub(crate) fn start_line(tracker: &mut Tracker, now: Timestamp, resumes_ns: u64) -> u64 {
    // Nothing is paused, so this event does nothing but tell the time.
    tracker.apply(now, &Event::ObservationResumed);
    resumes_ns.min(LATEST_START_NS).saturating_sub(now.as_nanos())
}
