//! Summaries of many peers, worked out a few at a time and kept for a while: a page must neither read
//! every log anew nor wait for a store that is slow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{NodeId, PeerReport, StandardWindow, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::summary::Summary;

/// How many summaries are kept: some 10 MB.
const KEPT: usize = 16_384;

/// How many histories are read at the same time.
const AT_A_TIME: usize = 4;

/// How many gatherings may go on behind the pages that have stopped waiting for them.
const GATHERINGS: usize = 8;

/// How long a page waits for summaries before it does without.
const PATIENCE: Duration = Duration::from_millis(800);

pub(crate) struct Summaries {
    shared: Arc<Gatherer>,
    gatherings: Arc<Semaphore>,
}

struct Gatherer {
    handle: Handle,
    kept: Cache<Key, Arc<Summary>>,
    readers: Semaphore,
}

/// What a summary is of. One that is out of date has another key than the one that is asked for; the one
/// before it does until that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    node_id: NodeId,
    span: StandardWindow,
    /// What the peer is it has been since then.
    since: Timestamp,
    /// How long ago the window was worked out, in steps that are small beside it.
    step: u64,
}

/// What is known of those who were asked about.
#[derive(Default)]
pub(crate) struct Gathered {
    found: HashMap<NodeId, Arc<Summary>>,
    /// How many are still being worked out.
    pub(crate) missing: usize,
    /// Why one could not be, where that is so.
    pub(crate) failure: Option<String>,
}

impl Gathered {
    pub(crate) fn get(&self, node_id: &NodeId) -> Option<&Summary> {
        self.found.get(node_id).map(Arc::as_ref)
    }
}

impl Key {
    fn new(peer: &PeerReport, span: StandardWindow, now: Timestamp) -> Self {
        const SHORTEST_NS: u64 = 4_000_000_000;
        const LONGEST_NS: u64 = 512_000_000_000;
        let age_ns = now.nanos_since(peer.tracked_since);
        let length_ns = span.length_ns().map_or(age_ns, |length_ns| length_ns.min(age_ns));
        let step_ns = (length_ns / 512).clamp(SHORTEST_NS, LONGEST_NS).next_power_of_two();
        // Not all at the same moment: each has a phase of its own.
        let phase_ns = u64::from_be_bytes(first_bytes(&peer.node_id)) % step_ns;
        let step = now.as_nanos().saturating_add(phase_ns) / step_ns;
        Self { node_id: peer.node_id, span, since: peer.presence_since, step }
    }

    const fn before(self) -> Self {
        Self { step: self.step.saturating_sub(1), ..self }
    }
}

fn first_bytes(node_id: &NodeId) -> [u8; 8] {
    let mut bytes = [0; 8];
    // The very first one is 2 or 3, and nothing else.
    bytes.copy_from_slice(&node_id.0[1..9]);
    bytes
}

impl Summaries {
    pub(crate) fn new(handle: Handle) -> Self {
        let (kept, readers) = (Cache::new(KEPT), Semaphore::new(AT_A_TIME));
        let shared = Arc::new(Gatherer { handle, kept, readers });
        Self { shared, gatherings: Arc::new(Semaphore::new(GATHERINGS)) }
    }

    /// How many peers can have a summary at the same time.
    pub(crate) const fn capacity() -> usize {
        KEPT
    }

    /// The summaries of `peers`, or of as many as there are when patience is over: the others are worked
    /// out meanwhile, for whoever asks next.
    pub(crate) async fn gather<'a>(
        &self,
        peers: impl IntoIterator<Item = &'a PeerReport>,
        span: StandardWindow,
        now: Timestamp,
    ) -> Gathered {
        let keys: Vec<Key> = peers.into_iter().map(|peer| Key::new(peer, span, now)).collect();
        let kept = &self.shared.kept;
        let missing: Vec<Key> = keys.iter().filter(|key| kept.peek(*key).is_none()).copied().collect();
        let is_urgent = missing.iter().any(|key| kept.peek(&key.before()).is_none());
        let failure = if missing.is_empty() { None } else { self.work_out(missing, is_urgent).await };
        let find = |key: &Key| kept.get(key).or_else(|| kept.get(&key.before()));
        let found: HashMap<_, _> = keys.iter().filter_map(|key| Some((key.node_id, find(key)?))).collect();
        Gathered { missing: keys.len() - found.len(), found, failure }
    }

    /// Works them out, and waits for them where that is urgent.
    async fn work_out(&self, keys: Vec<Key>, is_urgent: bool) -> Option<String> {
        let permit = Arc::new(Arc::clone(&self.gatherings).try_acquire_owned().ok()?);
        let mut readers = JoinSet::new();
        for share in keys.chunks(keys.len().div_ceil(AT_A_TIME).max(1)) {
            let (share, shared, permit) = (share.to_vec(), Arc::clone(&self.shared), Arc::clone(&permit));
            readers.spawn(async move {
                let result = shared.work_out(&share).await;
                drop(permit);
                result
            });
        }
        if !is_urgent {
            readers.detach_all();
            return None;
        }
        let mut failure = None;
        let all = async {
            while let Some(result) = readers.join_next().await {
                failure = result.ok().and_then(Result::err).or_else(|| failure.take());
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            readers.detach_all();
        }
        failure
    }
}

impl Gatherer {
    async fn work_out(&self, keys: &[Key]) -> Result<(), String> {
        for key in keys {
            // Whoever wants the same at the same time waits for it, and does not read it again.
            self.kept.get_or_insert_async(key, self.read(key)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn read(&self, key: &Key) -> Result<Arc<Summary>, String> {
        let _permit = self.readers.acquire().await;
        let from = key.span.start(self.handle.now());
        let history = self.handle.history_since(&key.node_id, from).await;
        let history = history.map_err(|err| {
            tracing::warn!(peer = %key.node_id, error = %err, "a history was not read");
            err.to_string()
        })?;
        let known = history.zip(self.handle.peer(&key.node_id));
        let (history, report) = known.ok_or_else(|| format!("peer {} was just forgotten", key.node_id))?;
        Ok(Arc::new(Summary::of(&report, &history, key.span)))
    }
}
