//! A cache of peer summaries. Pages must not read every log for each request, and must not wait for a slow
//! store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::summary::Summary;

/// Number of cached summaries, which take about 10 MB.
const CAPACITY: usize = 16_384;

/// Number of histories that are read concurrently.
const CONCURRENT_READS: usize = 4;

/// Number of loads that may run concurrently, including those that no request waits for any more.
const CONCURRENT_LOADS: usize = 8;

/// How long a request waits for summaries before it is answered without them.
const LOAD_TIMEOUT: Duration = Duration::from_millis(800);

pub(crate) struct SummaryCache {
    loader: Arc<Loader>,
    load_permits: Arc<Semaphore>,
}

struct Loader {
    handle: Handle,
    cache: Cache<Key, Arc<Summary>>,
    read_permits: Semaphore,
}

/// A cache key. It contains the age of the summary, so an outdated summary has a different key. While a new
/// summary is being computed, the one of the previous step is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    node_id: NodeId,
    window: StandardWindow,
    /// A presence change invalidates the summary.
    presence_since: Timestamp,
    /// The current time in steps that are short compared with the window.
    step: u64,
}

/// The summaries that were available in time.
#[derive(Default)]
pub(crate) struct LoadedSummaries {
    by_peer: HashMap<NodeId, Arc<Summary>>,
    /// Number of summaries that are still being computed.
    pub(crate) pending: usize,
    /// Why a history could not be read, if one could not.
    pub(crate) failure: Option<String>,
}

impl LoadedSummaries {
    pub(crate) fn get(&self, node_id: &NodeId) -> Option<&Summary> {
        self.by_peer.get(node_id).map(Arc::as_ref)
    }
}

impl Key {
    fn new(peer: &PeerReport, window: StandardWindow, now: Timestamp) -> Self {
        const MIN_STEP_NS: u64 = 4_000_000_000;
        const MAX_STEP_NS: u64 = 512_000_000_000;
        let age_ns = now.nanos_since(peer.tracked_since);
        let length_ns = window.length_ns().map_or(age_ns, |length_ns| length_ns.min(age_ns));
        let step_ns = (length_ns / 512).clamp(MIN_STEP_NS, MAX_STEP_NS).next_power_of_two();
        // Each peer has its own phase, so that summaries do not all expire at the same moment.
        let phase_ns = u64::from_be_bytes(phase_bytes(&peer.node_id)) % step_ns;
        let step = now.as_nanos().saturating_add(phase_ns) / step_ns;
        Self { node_id: peer.node_id, window, presence_since: peer.presence_since, step }
    }

    const fn previous(self) -> Self {
        Self { step: self.step.saturating_sub(1), ..self }
    }
}

fn phase_bytes(node_id: &NodeId) -> [u8; 8] {
    let mut bytes = [0; 8];
    // Skip the first byte, which is always 2 or 3.
    bytes.copy_from_slice(&node_id.0[1..9]);
    bytes
}

impl SummaryCache {
    pub(crate) fn new(handle: Handle) -> Self {
        let (cache, read_permits) = (Cache::new(CAPACITY), Semaphore::new(CONCURRENT_READS));
        let loader = Arc::new(Loader { handle, cache, read_permits });
        Self { loader, load_permits: Arc::new(Semaphore::new(CONCURRENT_LOADS)) }
    }

    /// Number of peers whose summaries fit into the cache.
    pub(crate) const fn capacity() -> usize {
        CAPACITY
    }

    /// Returns the summaries of `peers` that are available within [`LOAD_TIMEOUT`]. The others are computed
    /// in the background, for later requests.
    pub(crate) async fn load<'a>(
        &self,
        peers: impl IntoIterator<Item = &'a PeerReport>,
        window: StandardWindow,
        now: Timestamp,
    ) -> LoadedSummaries {
        let keys: Vec<Key> = peers.into_iter().map(|peer| Key::new(peer, window, now)).collect();
        let cache = &self.loader.cache;
        let missing: Vec<Key> = keys.iter().filter(|key| cache.peek(*key).is_none()).copied().collect();
        let must_wait = missing.iter().any(|key| cache.peek(&key.previous()).is_none());
        let failure = if missing.is_empty() { None } else { self.compute(missing, must_wait).await };
        let find = |key: &Key| cache.get(key).or_else(|| cache.get(&key.previous()));
        let by_peer: HashMap<_, _> = keys.iter().filter_map(|key| Some((key.node_id, find(key)?))).collect();
        LoadedSummaries { pending: keys.len() - by_peer.len(), by_peer, failure }
    }

    /// Starts to compute summaries, and waits for them if `must_wait` is set. Returns the error of a history
    /// that could not be read.
    async fn compute(&self, keys: Vec<Key>, must_wait: bool) -> Option<String> {
        let permit = Arc::new(Arc::clone(&self.load_permits).try_acquire_owned().ok()?);
        let mut tasks = JoinSet::new();
        for chunk in keys.chunks(keys.len().div_ceil(CONCURRENT_READS).max(1)) {
            let (chunk, loader, permit) = (chunk.to_vec(), Arc::clone(&self.loader), Arc::clone(&permit));
            tasks.spawn(async move {
                let result = loader.load_all(&chunk).await;
                drop(permit);
                result
            });
        }
        if !must_wait {
            tasks.detach_all();
            return None;
        }
        let mut failure = None;
        let join_all = async {
            while let Some(result) = tasks.join_next().await {
                failure = result.ok().and_then(Result::err).or_else(|| failure.take());
            }
        };
        if tokio::time::timeout(LOAD_TIMEOUT, join_all).await.is_err() {
            tasks.detach_all();
        }
        failure
    }
}

impl Loader {
    async fn load_all(&self, keys: &[Key]) -> Result<(), String> {
        for key in keys {
            // Concurrent requests for the same key wait for one computation.
            self.cache.get_or_insert_async(key, self.read(key)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn read(&self, key: &Key) -> Result<Arc<Summary>, String> {
        let _permit = self.read_permits.acquire().await;
        let from = key.window.start(self.handle.now());
        let history = self.handle.history_since(&key.node_id, from).await;
        let history = history.map_err(|err| {
            tracing::warn!(peer = %key.node_id, error = %err, "reading a history failed");
            err.to_string()
        })?;
        let found = history.zip(self.handle.peer(&key.node_id));
        let (history, report) = found.ok_or_else(|| format!("peer {} is no longer known", key.node_id))?;
        Ok(Arc::new(Summary::of(&report, &history, key.window)))
    }
}
