//! A copy from its beginning to its end.

use fitness_core::{NodeId, ObserverRecord};

use super::walk::{Peers, Walk, gaps, logs};
use super::writer::Writer;
use super::{CopyError, CopyOptions, CopyPhase, CopyProgress, CopySummary};
use crate::codec::RecordKey;
use crate::{Claim, Store, StoreError};

/// Copies histories from one store to another, reads them back and compares every record.
///
/// `progress` hears how far it is, after every few peers. What was copied is returned by observer, ascending.
///
/// Both stores are claimed for each observer while it lasts, so no service can be running on them, as far as a
/// store's claim reaches. A source that was opened to read alone, and cannot be claimed for that, is copied
/// without. The source is only read. To drop the future is to stop; see
/// [the module's page](mod@crate::copy) for what is there then. To copy again what was copied already writes nothing.
///
/// # Errors
///
/// [`CopyError`]. Of [`CopyError::SameStore`], [`CopyError::UnknownObserver`] and most of
/// [`CopyError::TargetExists`] nothing was written to the target.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    options: &CopyOptions,
    mut progress: impl FnMut(CopyProgress) + Send,
) -> Result<Vec<CopySummary>, CopyError> {
    let observers = chosen(from, options).await?;
    let _claims = claim(from, to, &observers).await?;
    let mut histories = Vec::new();
    for observer in observers {
        let history = History::read(from, to, observer, options).await?;
        histories.push(history);
    }
    let mut copied = Vec::new();
    for history in histories {
        copied.push(history.copy(options, &mut progress).await?);
    }
    Ok(copied)
}

async fn chosen(from: &dyn Store, options: &CopyOptions) -> Result<Vec<NodeId>, CopyError> {
    let known = from.observers().await?;
    let Some(mut chosen) = options.observers.clone() else { return Ok(known) };
    chosen.sort_unstable();
    chosen.dedup();
    match chosen.iter().find(|observer| !known.contains(observer)) {
        Some(&observer) => Err(CopyError::UnknownObserver { observer, available: known }),
        None => Ok(chosen),
    }
}

/// LocalClaims both stores for each observer.
async fn claim(from: &dyn Store, to: &dyn Store, observers: &[NodeId]) -> Result<Vec<Claim>, CopyError> {
    let mut claims = Vec::new();
    for observer in observers {
        match from.claim(observer).await {
            Ok(claim) => claims.push(claim),
            // It can be read all the same, and that it was written to shows at the end.
            Err(StoreError::ReadOnly { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for observer in observers {
        match to.claim(observer).await {
            Ok(claim) => claims.push(claim),
            Err(error @ (StoreError::Claimed { .. } | StoreError::Locked { .. })) => {
                drop(claims);
                // If it was in our own way, it is not any more, and is then in the way of the source's.
                let ours = to.claim(observer).await;
                let is_same = ours.is_ok() && from.claim(observer).await.is_err();
                return Err(if is_same { CopyError::SameStore } else { error.into() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(claims)
}

/// One observer's history, to be copied.
struct History<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    observer: NodeId,
    record: ObserverRecord,
    /// The target's, where it has one.
    there: Option<ObserverRecord>,
}

/// How many records were found to be equal.
struct Equal {
    peers: u64,
    segments: u64,
    gaps: u64,
}

impl<'a> History<'a> {
    /// Reads whose history it is, before any of it is read.
    async fn read(
        from: &'a dyn Store,
        to: &'a dyn Store,
        observer: NodeId,
        options: &CopyOptions,
    ) -> Result<Self, CopyError> {
        // It was listed, and nothing is ever taken off that list.
        let record = from.observer(&observer).await?.ok_or(CopyError::SourceChanged { observer })?;
        let there = to.observer(&observer).await?;
        if there.is_some_and(|there| there != record) && !options.overwrite {
            return Err(CopyError::TargetExists { observer });
        }
        Ok(Self { from, to, observer, record, there })
    }

    async fn copy(
        self,
        options: &CopyOptions,
        progress: &mut (impl FnMut(CopyProgress) + Send),
    ) -> Result<CopySummary, CopyError> {
        let observer = self.observer;
        let tell = |progress: &mut dyn FnMut(CopyProgress), phase, done, total| {
            progress(CopyProgress { observer, phase, peers_done: done, peers_total: total });
        };
        let counting =
            Peers::new(self.from, observer).count(|done| tell(progress, CopyPhase::Counting, done, None));
        let total = Some(counting.await?);
        if self.there.is_some() && !options.overwrite {
            // It was copied before, unless another history has the same record.
            let compared = self.compare(|done| tell(progress, CopyPhase::Verifying, done, total)).await;
            return match compared {
                Ok(equal) => Ok(equal.copied(observer)),
                Err(CopyError::VerificationFailed { .. }) => Err(CopyError::TargetExists { observer }),
                Err(error) => Err(error),
            };
        }
        let mut writer = Writer::new(self.to, observer, options.max_batch_records);
        self.write(&mut writer, |done| tell(progress, CopyPhase::Copying, done, total)).await?;
        let compared = self.compare(|done| tell(progress, CopyPhase::Verifying, done, total)).await;
        // What was written to meanwhile differs, and that is not the target's fault.
        if self.from.observer(&observer).await? != Some(self.record) {
            return Err(CopyError::SourceChanged { observer });
        }
        compared?;
        let copied = writer.finish(self.record, self.there).await?;
        if self.to.observer(&observer).await? != Some(self.record) {
            return Err(self.differs(RecordKey::Observer(&observer)));
        }
        Ok(copied)
    }

    /// Writes everything but the observer's record.
    async fn write(&self, writer: &mut Writer<'_>, mut tell: impl FnMut(u64)) -> Result<(), CopyError> {
        let mut walk = Walk::new(self.from, self.to, self.observer);
        let mut done = 0;
        loop {
            let pairs = walk.next().await?;
            if pairs.is_empty() {
                break;
            }
            let of_source = pairs.iter().map(|pair| pair.source.as_ref().map(|peer| peer.node_id));
            let source_logs = logs(self.from, &self.observer, of_source).await?;
            // What is to be forgotten need not be read.
            let of_both = pairs.iter().map(|pair| {
                let both = pair.source.as_ref().and(pair.target.as_ref());
                both.map(|peer| peer.node_id)
            });
            let target_logs = logs(self.to, &self.observer, of_both).await?;
            for ((pair, source_log), target_log) in pairs.into_iter().zip(source_logs).zip(target_logs) {
                done += u64::from(pair.source.is_some());
                let (source, target) = ((pair.source, source_log), (pair.target, target_log));
                writer.peer(source, target, pair.node_id).await?;
            }
            tell(done);
        }
        let source = gaps(self.from, &self.observer).await?;
        let target = gaps(self.to, &self.observer).await?;
        writer.gaps(&source, &target).await?;
        Ok(writer.flush().await?)
    }

    /// Reads everything but the observer's record from both stores, and compares it.
    async fn compare(&self, mut tell: impl FnMut(u64)) -> Result<Equal, CopyError> {
        let mut walk = Walk::new(self.from, self.to, self.observer);
        let mut equal = Equal { peers: 0, segments: 0, gaps: 0 };
        loop {
            let pairs = walk.next().await?;
            if pairs.is_empty() {
                break;
            }
            if let Some(pair) = pairs.iter().find(|pair| pair.source != pair.target) {
                return Err(self.differs(RecordKey::Peer(&pair.node_id)));
            }
            let peers = || pairs.iter().map(|pair| Some(pair.node_id));
            let source = logs(self.from, &self.observer, peers()).await?;
            let target = logs(self.to, &self.observer, peers()).await?;
            for (pair, (source, target)) in pairs.iter().zip(source.iter().zip(&target)) {
                if let Some(index) = first_difference(source, target, |segment| segment.index()) {
                    return Err(self.differs(RecordKey::Segment(&pair.node_id, index)));
                }
                equal.segments += source.len() as u64;
            }
            equal.peers += pairs.len() as u64;
            tell(equal.peers);
        }
        let source = gaps(self.from, &self.observer).await?;
        let target = gaps(self.to, &self.observer).await?;
        if let Some(number) = first_difference(&source, &target, |gap| gap.number) {
            return Err(self.differs(RecordKey::Gap(number)));
        }
        equal.gaps = source.len() as u64;
        Ok(equal)
    }

    fn differs(&self, record: RecordKey<'_>) -> CopyError {
        CopyError::VerificationFailed { observer: self.observer, item: record.to_string() }
    }
}

impl Equal {
    const fn copied(&self, observer: NodeId) -> CopySummary {
        let Self { peers, segments, gaps } = *self;
        let unchanged = peers + segments + gaps + 1;
        CopySummary { peers, segments, gaps, records_unchanged: unchanged, ..CopySummary::none(observer) }
    }
}

/// The name of the first record that is not the same in both, or not in both.
fn first_difference<T: PartialEq>(source: &[T], target: &[T], name: impl Fn(&T) -> u32) -> Option<u32> {
    let at = source.iter().zip(target).position(|(source, target)| source != target);
    let at = at.unwrap_or_else(|| source.len().min(target.len()));
    let names = [source, target].into_iter().filter_map(|records| records.get(at));
    names.map(name).min()
}
