//! What one observer stored, restored into a tracker and asked.

use fitness_core::{
    Coverage, Gap, GapRecord, HashSeed, LogSegment, NodeId, ObserverRecord, PeerRecord, Timestamp, Tracker,
    TrackerConfig,
};
use fitness_store::Store;

use super::Args;
use crate::error::CliError;
use crate::moment::rfc3339;
use crate::output::{Observer, Section};

const PAGE: usize = 1_000;

/// How many of our own gaps are read where not all are asked for: more than are listed.
const LATEST_GAPS: u32 = 100;

/// Reads what `observer` knew, as of the moment that was asked for or else of the last that it knows;
/// and returns the tracker to ask for more.
pub(super) async fn read(
    store: &dyn Store,
    observer: NodeId,
    args: &Args,
) -> Result<(Section, Tracker), CliError> {
    let stored = store.observer(&observer).await?;
    let record = stored.unwrap_or_default();
    let all_gaps = args.ask.asks_for_gaps(args.output.json);
    let first = if all_gaps { 0 } else { record.gap_count.saturating_sub(LATEST_GAPS) };
    let gaps = read_gaps(store, &observer, first).await?;
    let history = History::load(store, observer, &record, &gaps, args.at).await?;
    if let Some(asked) = args.at.filter(|&at| at < history.end) {
        return Err(CliError::BeforeLastMoment {
            store: args.store.to_string(),
            observer,
            asked: rfc3339(asked),
            known_until: rfc3339(history.end),
        });
    }
    let at = args.at.unwrap_or(history.end);
    let mut section = history.answer(at, args.ask.asks_for_closed());
    let to_wall_clock = |ns| history.tracker.to_wall_clock(ns);
    let (started_at, heartbeat) =
        (to_wall_clock(record.started_at_ns), to_wall_clock(record.last_heartbeat_ns));
    section.observer = Some(Observer { node_id: observer, started_at, heartbeat });
    if let Some(stored) = &stored {
        (section.coverage, section.gaps) = watched(stored, &gaps, at);
    }
    Ok((section, history.tracker))
}

/// Tells more of a section's peers, from the stored logs.
pub(super) async fn tell(
    store: &dyn Store,
    observer: NodeId,
    tracker: &Tracker,
    section: &mut Section,
    args: &Args,
) -> Result<(), CliError> {
    let Some(at) = section.at else { return Ok(()) };
    let question = args.ask.question(at, args.output.json);
    let gaps = section.gaps.clone();
    question.begin(section);
    if !question.needs_histories() {
        return Ok(());
    }
    for peer in &mut section.peers {
        let node_id = peer.report.node_id;
        let log = read_log(store, &observer, &node_id).await?;
        let Some(history) = tracker.history(at, &node_id, &log) else { continue };
        let of_channel = |channel_id: &_| tracker.channel_history(at, channel_id, &log);
        question.answer(peer, section.strips_from, &gaps, &history, of_channel);
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
        let page = store.segments(observer, node_id, next, PAGE).await?;
        let is_last = page.len() < PAGE;
        log.extend(page);
        if is_last {
            return Ok(log);
        }
    }
}

async fn read_gaps(store: &dyn Store, observer: &NodeId, first: u32) -> Result<Vec<GapRecord>, CliError> {
    let (mut gaps, mut next) = (Vec::new(), first);
    loop {
        let page = store.gaps(observer, next, PAGE).await?;
        let is_last = page.len() < PAGE;
        next = page.last().map_or(next, |gap| gap.number.saturating_add(1));
        gaps.extend(page);
        if is_last {
            return Ok(gaps);
        }
    }
}

/// How long `observer` watched until `at`, and when it was gone.
fn watched(observer: &ObserverRecord, gaps: &[GapRecord], at: Timestamp) -> (Option<Coverage>, Vec<Gap>) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    tracker.resume_observer(observer, gaps);
    let is_later = at > tracker.to_wall_clock(observer.last_heartbeat_ns.max(observer.started_at_ns));
    let before = tracker.coverage(at);
    if is_later {
        // What would start at that moment would find itself gone since the last heartbeat. But
        // nothing starts, and so that has not ended.
        tracker.advance(at);
    }
    let (mut coverage, mut told) =
        (tracker.coverage(at), tracker.gaps(at, gaps, Timestamp::EPOCH, Timestamp::MAX));
    let down = told.last_mut().filter(|_| is_later);
    if let (Some(coverage), Some(before), Some(down)) = (&mut coverage, before, down) {
        down.ongoing = true;
        coverage.ongoing_gap = Some(*down);
        (coverage.starts, coverage.started_at, coverage.not_running) =
            (before.starts, before.started_at, before.not_running);
    }
    (coverage, told)
}

/// A tracker that took over what was stored.
struct History {
    tracker: Tracker,
    /// The last moment that anything is known of.
    end: Timestamp,
}

impl History {
    /// What `observer` stored, to be asked as of `at` or else of the last moment that it knows; `record` and the
    /// latest of its gaps are read already.
    async fn load(
        store: &dyn Store,
        observer: NodeId,
        record: &ObserverRecord,
        gaps: &[GapRecord],
        at: Option<Timestamp>,
    ) -> Result<Self, CliError> {
        // The ids are those of our own store, and nothing is added to them.
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        if *record != ObserverRecord::default() {
            tracker.resume_observer(record, gaps);
        }
        let peers = read_peers(store, &observer).await?;
        // A change that was stored after the last heartbeat was observed, too.
        let end_ns =
            peers.iter().fold(record.last_heartbeat_ns, |end_ns, peer| end_ns.max(peer.presence_since_ns));
        let end = tracker.to_wall_clock(end_ns);
        for peer in &peers {
            // Up to its last moment what was known holds; from then on nothing does.
            if at.is_some_and(|at| at > end) {
                tracker.resume_peer(peer);
            } else {
                tracker.load_archived_peer(peer, end_ns);
            }
        }
        Ok(Self { tracker, end })
    }

    fn answer(&self, at: Timestamp, all: bool) -> Section {
        if all {
            Section::new(Some(at), self.tracker.all_peers(at))
        } else {
            Section::new(Some(at), self.tracker.peers(at))
        }
    }
}

async fn read_peers(store: &dyn Store, observer: &NodeId) -> Result<Vec<PeerRecord>, CliError> {
    let mut peers: Vec<PeerRecord> = Vec::new();
    loop {
        let page = store.peers(observer, peers.last().map(|peer| &peer.node_id), PAGE).await?;
        let is_last = page.len() < PAGE;
        peers.extend(page);
        if is_last {
            return Ok(peers);
        }
    }
}
