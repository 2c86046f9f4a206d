//! The steps of a copy.

use fitness_core::{NodeId, ObserverRecord};

use super::walk::{Peers, Walk, gaps, logs};
use super::writer::Writer;
use super::{CopyError, CopyOptions, CopyPhase, CopyProgress, CopySummary};
use crate::codec::RecordKey;
use crate::{Claim, Store, StoreError};

/// Copies histories from one store to another, reads them back and compares every record.
///
/// Calls `progress` after every few peers. Returns one summary for each observer, in ascending order.
///
/// Each observer is claimed in both stores during the copy, so that no service can run on them, as far as
/// the stores' claims reach. A source that cannot be claimed because it is open read-only is copied without
/// a claim. The source is never written. Dropping the future stops the copy; see
/// [the module documentation](mod@crate::copy) for the state of the target. Repeating a completed copy
/// writes nothing.
///
/// # Errors
///
/// [`CopyError`]. With [`CopyError::SameStore`] and [`CopyError::UnknownObserver`], nothing was written to
/// the target. The same holds for [`CopyError::TargetExists`], except that histories of other observers may
/// have been copied before it.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    options: &CopyOptions,
    mut progress: impl FnMut(CopyProgress) + Send,
) -> Result<Vec<CopySummary>, CopyError> {
    let observers = selected_observers(from, options).await?;
    let _claims = claim_all(from, to, &observers).await?;
    let mut histories = Vec::new();
    for observer in observers {
        let history = History::read(from, to, observer, options).await?;
        histories.push(history);
    }
    let mut summaries = Vec::new();
    for history in histories {
        summaries.push(history.copy(options, &mut progress).await?);
    }
    Ok(summaries)
}

/// Returns the observers to copy, in ascending order.
async fn selected_observers(from: &dyn Store, options: &CopyOptions) -> Result<Vec<NodeId>, CopyError> {
    let available = from.observers().await?;
    let Some(mut selected) = options.observers.clone() else { return Ok(available) };
    selected.sort_unstable();
    selected.dedup();
    match selected.iter().find(|observer| !available.contains(observer)) {
        Some(&observer) => Err(CopyError::UnknownObserver { observer, available }),
        None => Ok(selected),
    }
}

/// Claims each observer in both stores.
async fn claim_all(from: &dyn Store, to: &dyn Store, observers: &[NodeId]) -> Result<Vec<Claim>, CopyError> {
    let mut claims = Vec::new();
    for observer in observers {
        match from.claim(observer).await {
            Ok(claim) => claims.push(claim),
            // A read-only source can be copied without a claim; the copy detects concurrent writes at the end.
            Err(StoreError::ReadOnly { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for observer in observers {
        match to.claim(observer).await {
            Ok(claim) => claims.push(claim),
            Err(error @ (StoreError::Claimed { .. } | StoreError::Locked { .. })) => {
                drop(claims);
                // Our own claim on the source may have caused this. It is dropped now: if the target can be
                // claimed, and that makes claiming the source fail, both are the same store.
                let target_claim = to.claim(observer).await;
                let is_same = target_claim.is_ok() && from.claim(observer).await.is_err();
                return Err(if is_same { CopyError::SameStore } else { error.into() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(claims)
}

/// The history of one observer that is being copied.
struct History<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    observer: NodeId,
    record: ObserverRecord,
    /// The target's record, if it has one.
    target_record: Option<ObserverRecord>,
}

/// The numbers of records compared and found equal.
struct EqualCounts {
    peers: u64,
    segments: u64,
    gaps: u64,
}

impl<'a> History<'a> {
    /// Reads the observer's record from both stores and checks that the target may be written.
    async fn read(
        from: &'a dyn Store,
        to: &'a dyn Store,
        observer: NodeId,
        options: &CopyOptions,
    ) -> Result<Self, CopyError> {
        // The source listed the observer, and a listed observer always has a record.
        let record = from.observer(&observer).await?.ok_or(CopyError::SourceChanged { observer })?;
        let target_record = to.observer(&observer).await?;
        if target_record.is_some_and(|target_record| target_record != record) && !options.overwrite {
            return Err(CopyError::TargetExists { observer });
        }
        Ok(Self { from, to, observer, record, target_record })
    }

    async fn copy(
        self,
        options: &CopyOptions,
        progress: &mut (impl FnMut(CopyProgress) + Send),
    ) -> Result<CopySummary, CopyError> {
        let observer = self.observer;
        let report = |progress: &mut dyn FnMut(CopyProgress), phase, done, total| {
            progress(CopyProgress { observer, phase, peers_done: done, peers_total: total });
        };
        let counting =
            Peers::new(self.from, observer).count(|done| report(progress, CopyPhase::Counting, done, None));
        let total = Some(counting.await?);
        if self.target_record.is_some() && !options.overwrite {
            // The history was copied before, unless a different history has an equal observer record.
            let compared = self.compare(|done| report(progress, CopyPhase::Verifying, done, total)).await;
            return match compared {
                Ok(equal) => Ok(equal.into_summary(observer)),
                Err(CopyError::VerificationFailed { .. }) => Err(CopyError::TargetExists { observer }),
                Err(error) => Err(error),
            };
        }
        let mut writer = Writer::new(self.to, observer, options.max_batch_records);
        self.write(&mut writer, |done| report(progress, CopyPhase::Copying, done, total)).await?;
        let compared = self.compare(|done| report(progress, CopyPhase::Verifying, done, total)).await;
        // If the source changed meanwhile, report that instead of a difference between the stores.
        if self.from.observer(&observer).await? != Some(self.record) {
            return Err(CopyError::SourceChanged { observer });
        }
        compared?;
        let summary = writer.finish(self.record, self.target_record).await?;
        if self.to.observer(&observer).await? != Some(self.record) {
            return Err(self.verification_failed(RecordKey::Observer(&observer)));
        }
        Ok(summary)
    }

    /// Writes all records except the observer's record.
    async fn write(
        &self,
        writer: &mut Writer<'_>,
        mut report_done: impl FnMut(u64),
    ) -> Result<(), CopyError> {
        let mut walk = Walk::new(self.from, self.to, self.observer);
        let mut done = 0;
        loop {
            let pairs = walk.next().await?;
            if pairs.is_empty() {
                break;
            }
            let source_ids = pairs.iter().map(|pair| pair.source.as_ref().map(|peer| peer.node_id));
            let source_logs = logs(self.from, &self.observer, source_ids).await?;
            // The logs of peers that will be forgotten are not needed.
            let shared_ids = pairs.iter().map(|pair| {
                let both = pair.source.as_ref().and(pair.target.as_ref());
                both.map(|peer| peer.node_id)
            });
            let target_logs = logs(self.to, &self.observer, shared_ids).await?;
            for ((pair, source_log), target_log) in pairs.into_iter().zip(source_logs).zip(target_logs) {
                done += u64::from(pair.source.is_some());
                let (source, target) = ((pair.source, source_log), (pair.target, target_log));
                writer.peer(source, target, pair.node_id).await?;
            }
            report_done(done);
        }
        let source = gaps(self.from, &self.observer).await?;
        let target = gaps(self.to, &self.observer).await?;
        writer.gaps(&source, &target).await?;
        Ok(writer.flush().await?)
    }

    /// Reads all records except the observer's record from both stores, and compares them.
    async fn compare(&self, mut report_done: impl FnMut(u64)) -> Result<EqualCounts, CopyError> {
        let mut walk = Walk::new(self.from, self.to, self.observer);
        let mut equal = EqualCounts { peers: 0, segments: 0, gaps: 0 };
        loop {
            let pairs = walk.next().await?;
            if pairs.is_empty() {
                break;
            }
            if let Some(pair) = pairs.iter().find(|pair| pair.source != pair.target) {
                return Err(self.verification_failed(RecordKey::Peer(&pair.node_id)));
            }
            let peers = || pairs.iter().map(|pair| Some(pair.node_id));
            let source = logs(self.from, &self.observer, peers()).await?;
            let target = logs(self.to, &self.observer, peers()).await?;
            for (pair, (source, target)) in pairs.iter().zip(source.iter().zip(&target)) {
                if let Some(index) = first_difference(source, target, |segment| segment.index()) {
                    return Err(self.verification_failed(RecordKey::Segment(&pair.node_id, index)));
                }
                equal.segments += source.len() as u64;
            }
            equal.peers += pairs.len() as u64;
            report_done(equal.peers);
        }
        let source = gaps(self.from, &self.observer).await?;
        let target = gaps(self.to, &self.observer).await?;
        if let Some(number) = first_difference(&source, &target, |gap| gap.number) {
            return Err(self.verification_failed(RecordKey::Gap(number)));
        }
        equal.gaps = source.len() as u64;
        Ok(equal)
    }

    fn verification_failed(&self, record: RecordKey<'_>) -> CopyError {
        CopyError::VerificationFailed { observer: self.observer, item: record.to_string() }
    }
}

impl EqualCounts {
    const fn into_summary(self, observer: NodeId) -> CopySummary {
        let Self { peers, segments, gaps } = self;
        let unchanged = peers + segments + gaps + 1;
        CopySummary { peers, segments, gaps, records_unchanged: unchanged, ..CopySummary::empty(observer) }
    }
}

/// Returns the key of the first record that differs between the two, or that only one of them has.
fn first_difference<T: PartialEq>(source: &[T], target: &[T], key: impl Fn(&T) -> u32) -> Option<u32> {
    let at = source.iter().zip(target).position(|(source, target)| source != target);
    let at = at.unwrap_or_else(|| source.len().min(target.len()));
    let differing = [source, target].into_iter().filter_map(|records| records.get(at));
    differing.map(key).min()
}
