//! Reading two stores side by side, a bounded part at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, PeerRecord};

use crate::{Store, StoreError};

/// How many rows are asked for at once.
const PAGE: usize = 1_000;

/// How many peers are looked at together, and their logs asked for at once.
const ABREAST: usize = 32;

/// An observer's peers in one store, ascending.
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

    async fn peek(&mut self) -> Result<Option<NodeId>, StoreError> {
        if self.page.is_empty() && !self.at_end {
            let page = self.store.peers(&self.observer, self.last.as_ref(), PAGE).await?;
            self.at_end = page.len() < PAGE;
            self.last = page.last().map(|peer| peer.node_id).or(self.last);
            self.page = page.into();
        }
        Ok(self.page.front().map(|peer| peer.node_id))
    }

    /// The next peer, where it is that one.
    async fn next_if(&mut self, node_id: NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let is_it = self.peek().await? == Some(node_id);
        Ok(if is_it { self.page.pop_front() } else { None })
    }

    /// How many are left; `tell` hears of it after each page.
    pub(super) async fn count(mut self, mut tell: impl FnMut(u64)) -> Result<u64, StoreError> {
        let mut count = 0;
        while self.peek().await?.is_some() {
            count += self.page.len() as u64;
            self.page.clear();
            tell(count);
        }
        Ok(count)
    }
}

/// A peer, as it is in both stores. In one of them at least it is.
pub(super) struct Pair {
    pub(super) node_id: NodeId,
    pub(super) source: Option<PeerRecord>,
    pub(super) target: Option<PeerRecord>,
}

/// The peers of two stores, ascending, each of them once.
pub(super) struct Walk<'a> {
    source: Peers<'a>,
    target: Peers<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a dyn Store, target: &'a dyn Store, observer: NodeId) -> Self {
        Self { source: Peers::new(source, observer), target: Peers::new(target, observer) }
    }

    /// The next few; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        while pairs.len() < ABREAST {
            let (source, target) = (self.source.peek().await?, self.target.peek().await?);
            let Some(node_id) = source.into_iter().chain(target).min() else { break };
            let source = self.source.next_if(node_id).await?;
            let target = self.target.next_if(node_id).await?;
            pairs.push(Pair { node_id, source, target });
        }
        Ok(pairs)
    }
}

/// The whole logs of several peers, in their order; no log of those that are left out.
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
    together(read.map(|log| Box::pin(log) as Pending<'_, _>).collect()).await
}

async fn log(store: &dyn Store, observer: &NodeId, node_id: NodeId) -> Result<Vec<LogSegment>, StoreError> {
    let mut log: Vec<LogSegment> = Vec::new();
    loop {
        // An index is far below the largest number.
        let next = log.last().map_or(0, |segment| segment.index() + 1);
        let page = store.segments(observer, &node_id, next, PAGE).await?;
        let is_last = page.len() < PAGE;
        log.extend(page);
        if is_last {
            return Ok(log);
        }
    }
}

/// All gaps of an observer.
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

/// Waits for all of them at once; the first error in their order counts.
async fn together<T>(mut pending: Vec<Pending<'_, T>>) -> Result<Vec<T>, StoreError> {
    let mut done: Vec<Option<Result<T, StoreError>>> = pending.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut left = false;
        for (future, done) in pending.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(result) => *done = Some(result),
                Poll::Pending => left = true,
            }
        }
        if left { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}
