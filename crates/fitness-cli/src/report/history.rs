//! Loads one observer's stored history into a tracker and queries it.

use fitness_core::{
    Coverage, Gap, GapRecord, HashSeed, LogSegment, NodeId, ObserverRecord, PeerRecord, Timestamp, Tracker,
    TrackerConfig,
};
use fitness_store::Store;

use super::Args;
use crate::error::CliError;
use crate::output::{Observer, Section};
use crate::time::rfc3339;

const PAGE_SIZE: usize = 1_000;

/// How many of the latest gaps to read unless all are needed: more than a report lists.
const LATEST_GAPS: u32 = 100;

/// Reads the section of `observer`, as of the time given with `--at` or else the last time in its history.
/// Also returns the tracker, which [`add_histories`] queries.
pub(super) async fn read_section(
    store: &dyn Store,
    observer: NodeId,
    args: &Args,
) -> Result<(Section, Tracker), CliError> {
    let stored = store.observer(&observer).await?;
    let record = stored.unwrap_or_default();
    let all_gaps = args.query.needs_all_gaps(args.output.json);
    let first = if all_gaps { 0 } else { record.gap_count.saturating_sub(LATEST_GAPS) };
    let gaps = read_gaps(store, &observer, first).await?;
    let history = StoredHistory::load(store, observer, &record, &gaps, args.at).await?;
    if let Some(at) = args.at.filter(|&at| at < history.end) {
        return Err(CliError::BeforeHistoryEnd {
            store: args.store.to_string(),
            observer,
            at: rfc3339(at),
            history_end: rfc3339(history.end),
        });
    }
    let at = args.at.unwrap_or(history.end);
    let mut section = history.section(at, args.query.includes_untracked());
    let to_wall_clock = |ns| history.tracker.to_wall_clock(ns);
    section.observer = Some(Observer {
        node_id: observer,
        started_at: to_wall_clock(record.started_at_ns),
        last_heartbeat: to_wall_clock(record.last_heartbeat_ns),
    });
    if let Some(stored) = &stored {
        (section.coverage, section.gaps) = coverage_and_gaps(stored, &gaps, at);
    }
    Ok((section, history.tracker))
}

/// Adds to a section's peers what the stored logs are needed for.
pub(super) async fn add_histories(
    store: &dyn Store,
    observer: NodeId,
    tracker: &Tracker,
    section: &mut Section,
    args: &Args,
) -> Result<(), CliError> {
    let Some(at) = section.at else { return Ok(()) };
    let query = args.query.as_of(at, args.output.json);
    let gaps = section.gaps.clone();
    query.prepare_section(section);
    if !query.needs_histories() {
        return Ok(());
    }
    for peer in &mut section.peers {
        let node_id = peer.report.node_id;
        let log = read_log(store, &observer, &node_id).await?;
        let Some(history) = tracker.history(at, &node_id, &log) else { continue };
        let channel_history = |channel_id: &_| tracker.channel_history(at, channel_id, &log);
        query.fill_peer(peer, section.strips_from, &gaps, &history, channel_history);
    }
    Ok(())
}

async fn read_log(
    store: &dyn Store,
    observer: &NodeId,
    node_id: &NodeId,
) -> Result<Vec<LogSegment>, CliError> {
    let mut log: Vec<LogSegment> = Vec::new();
    loop {
        let next = log.last().map_or(0, |segment| segment.index().saturating_add(1));
        let page = store.segments(observer, node_id, next, PAGE_SIZE).await?;
        let is_last = page.len() < PAGE_SIZE;
        log.extend(page);
        if is_last {
            return Ok(log);
        }
    }
}

async fn read_gaps(store: &dyn Store, observer: &NodeId, first: u32) -> Result<Vec<GapRecord>, CliError> {
    let (mut gaps, mut next) = (Vec::new(), first);
    loop {
        let page = store.gaps(observer, next, PAGE_SIZE).await?;
        let is_last = page.len() < PAGE_SIZE;
        next = page.last().map_or(next, |gap| gap.number.saturating_add(1));
        gaps.extend(page);
        if is_last {
            return Ok(gaps);
        }
    }
}

/// Returns the monitoring coverage and gaps of `observer` as of `at`.
fn coverage_and_gaps(
    observer: &ObserverRecord,
    gap_records: &[GapRecord],
    at: Timestamp,
) -> (Option<Coverage>, Vec<Gap>) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    tracker.resume_observer(observer, gap_records);
    let is_after_heartbeat =
        at > tracker.to_wall_clock(observer.last_heartbeat_ns.max(observer.started_at_ns));
    let stored_coverage = tracker.coverage(at);
    if is_after_heartbeat {
        // A process that started at `at` would record a gap since the last heartbeat. No process starts here,
        // so the gap is still ongoing.
        tracker.advance(at);
    }
    let mut coverage = tracker.coverage(at);
    let mut gaps = tracker.gaps(at, gap_records, Timestamp::EPOCH, Timestamp::MAX);
    let ongoing_gap = gaps.last_mut().filter(|_| is_after_heartbeat);
    if let (Some(coverage), Some(stored), Some(gap)) = (&mut coverage, stored_coverage, ongoing_gap) {
        gap.ongoing = true;
        coverage.ongoing_gap = Some(*gap);
        (coverage.starts, coverage.started_at, coverage.not_running) =
            (stored.starts, stored.started_at, stored.not_running);
    }
    (coverage, gaps)
}

/// A tracker with one observer's stored history.
struct StoredHistory {
    tracker: Tracker,
    /// The last time at which the observer is known to have been observing.
    end: Timestamp,
}

impl StoredHistory {
    /// Loads the history of `observer`, to be queried as of `at` or else its last time. `record` and `gaps`
    /// are the observer's record and its latest gaps.
    async fn load(
        store: &dyn Store,
        observer: NodeId,
        record: &ObserverRecord,
        gaps: &[GapRecord],
        at: Option<Timestamp>,
    ) -> Result<Self, CliError> {
        // A fixed hash seed is safe: the ids come from our own store, and none are added.
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        if *record != ObserverRecord::default() {
            tracker.resume_observer(record, gaps);
        }
        let peers = read_peers(store, &observer).await?;
        // A change that was stored after the last heartbeat was observed as well.
        let end_ns =
            peers.iter().fold(record.last_heartbeat_ns, |end_ns, peer| end_ns.max(peer.presence_since_ns));
        let end = tracker.to_wall_clock(end_ns);
        for peer in &peers {
            // Up to `end` the stored presence holds; afterwards the peer is unobserved.
            if at.is_some_and(|at| at > end) {
                tracker.resume_peer(peer);
            } else {
                tracker.load_archived_peer(peer, end_ns);
            }
        }
        Ok(Self { tracker, end })
    }

    fn section(&self, at: Timestamp, include_untracked: bool) -> Section {
        if include_untracked {
            Section::new(Some(at), self.tracker.all_peers(at))
        } else {
            Section::new(Some(at), self.tracker.peers(at))
        }
    }
}

async fn read_peers(store: &dyn Store, observer: &NodeId) -> Result<Vec<PeerRecord>, CliError> {
    let mut peers: Vec<PeerRecord> = Vec::new();
    loop {
        let page = store.peers(observer, peers.last().map(|peer| &peer.node_id), PAGE_SIZE).await?;
        let is_last = page.len() < PAGE_SIZE;
        peers.extend(page);
        if is_last {
            return Ok(peers);
        }
    }
}
