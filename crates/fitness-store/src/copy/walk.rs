//! Reads two stores in parallel, in chunks of bounded size.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, PeerRecord};

use crate::{Store, StoreError};

/// The number of records requested in one read.
const PAGE: usize = 1_000;

/// The number of peers processed together. Their logs are read concurrently.
const PEERS_PER_STEP: usize = 32;

/// An iterator over an observer's peers in one store, in ascending order.
pub(super) struct Peers<'a> {
    store: &'a dyn Store,
    observer: NodeId,
    page: VecDeque<PeerRecord>,
    last: Option<NodeId>,
    at_end: bool,
}

impl<'a> Peers<'a> {
    pub(super) fn new(store: &'a dyn Store, observer: NodeId) -> Self {
        Self { store, observer, page: VecDeque::new(), last: None, at_end: false }
    }

    /// Returns the id of the next peer, without advancing.
    async fn peek(&mut self) -> Result<Option<NodeId>, StoreError> {
        if self.page.is_empty() && !self.at_end {
            let page = self.store.peers(&self.observer, self.last.as_ref(), PAGE).await?;
            self.at_end = page.len() < PAGE;
            self.last = page.last().map(|peer| peer.node_id).or(self.last);
            self.page = page.into();
        }
        Ok(self.page.front().map(|peer| peer.node_id))
    }

    /// Returns the next peer if its id is `node_id`, and advances.
    async fn next_if(&mut self, node_id: NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let matches = self.peek().await? == Some(node_id);
        Ok(if matches { self.page.pop_front() } else { None })
    }

    /// Counts the remaining peers, and calls `report` with the count so far after each page.
    pub(super) async fn count(mut self, mut report: impl FnMut(u64)) -> Result<u64, StoreError> {
        let mut count = 0;
        while self.peek().await?.is_some() {
            count += self.page.len() as u64;
            self.page.clear();
            report(count);
        }
        Ok(count)
    }
}

/// The records of one peer in both stores. At least one of the two stores has the peer.
pub(super) struct Pair {
    pub(super) node_id: NodeId,
    pub(super) source: Option<PeerRecord>,
    pub(super) target: Option<PeerRecord>,
}

/// An iterator over the peers of two stores in ascending order, each peer once.
pub(super) struct Walk<'a> {
    source: Peers<'a>,
    target: Peers<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a dyn Store, target: &'a dyn Store, observer: NodeId) -> Self {
        Self { source: Peers::new(source, observer), target: Peers::new(target, observer) }
    }

    /// Returns the next few peers; an empty vector at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        while pairs.len() < PEERS_PER_STEP {
            let (source, target) = (self.source.peek().await?, self.target.peek().await?);
            let Some(node_id) = source.into_iter().chain(target).min() else { break };
            let source = self.source.next_if(node_id).await?;
            let target = self.target.next_if(node_id).await?;
            pairs.push(Pair { node_id, source, target });
        }
        Ok(pairs)
    }
}

/// Reads the complete logs of several peers, in the order of `peers`. A `None` yields an empty log.
pub(super) async fn logs(
    store: &dyn Store,
    observer: &NodeId,
    peers: impl Iterator<Item = Option<NodeId>>,
) -> Result<Vec<Vec<LogSegment>>, StoreError> {
    let read = peers.map(|node_id| async move {
        match node_id {
            Some(node_id) => log(store, observer, node_id).await,
            None => Ok(Vec::new()),
        }
    });
    join_all(read.map(|log| Box::pin(log) as Pending<'_, _>).collect()).await
}

async fn log(store: &dyn Store, observer: &NodeId, node_id: NodeId) -> Result<Vec<LogSegment>, StoreError> {
    let mut log: Vec<LogSegment> = Vec::new();
    loop {
        // This cannot overflow: an index is far below `u32::MAX`.
        let next = log.last().map_or(0, |segment| segment.index() + 1);
        let page = store.segments(observer, &node_id, next, PAGE).await?;
        let is_last = page.len() < PAGE;
        log.extend(page);
        if is_last {
            return Ok(log);
        }
    }
}

/// Reads all gaps of an observer.
pub(super) async fn gaps(store: &dyn Store, observer: &NodeId) -> Result<Vec<GapRecord>, StoreError> {
    let mut gaps: Vec<GapRecord> = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = store.gaps(observer, from, PAGE).await?;
        let last = page.last().filter(|_| page.len() == PAGE).map(|gap| gap.number);
        next = last.and_then(|last| last.checked_add(1));
        gaps.extend(page);
    }
    Ok(gaps)
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Polls all futures concurrently. If several fail, returns the error of the first in order.
async fn join_all<T>(mut pending: Vec<Pending<'_, T>>) -> Result<Vec<T>, StoreError> {
    let mut done: Vec<Option<Result<T, StoreError>>> = pending.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut any_pending = false;
        for (future, done) in pending.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(result) => *done = Some(result),
                Poll::Pending => any_pending = true,
            }
        }
        if any_pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}
