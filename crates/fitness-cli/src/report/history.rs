//! What one observer stored, restored into a tracker and asked.

use std::collections::HashMap;

use fitness_core::{
    ChannelId, Coverage, Gap, GapRecord, HashSeed, LogSegment, NodeId, ObserverRecord, PeerRecord,
    PeerReport, Presence, Timestamp, Tracker, TrackerConfig,
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
    let history = History::load(store, observer, &record, &gaps).await?;
    let heartbeat = history.heartbeat;
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
    let started_at = Timestamp::from_nanos(record.started_at_ns);
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
    tracker.restore_observer(observer, gaps);
    let is_later = at.as_nanos() > observer.heartbeat_ns.max(observer.started_at_ns);
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
        coverage.ongoing = Some(*down);
        (coverage.starts, coverage.started_at, coverage.down) =
            (before.starts, before.started_at, before.down);
    }
    (coverage, told)
}

/// A tracker that took over what was stored.
struct History {
    tracker: Tracker,
    heartbeat: Timestamp,
    /// The last moment that anything is known of.
    end: Timestamp,
    last_known: HashMap<NodeId, LastKnown>,
}

/// What a record says of a peer's connection, which a tracker that takes over no longer believes.
struct LastKnown {
    presence: Presence,
    since: Timestamp,
    until: Timestamp,
    usable: Vec<(ChannelId, Presence)>,
}

impl History {
    /// What `observer` stored; `record` and the latest of its gaps are read already.
    async fn load(
        store: &dyn Store,
        observer: NodeId,
        record: &ObserverRecord,
        gaps: &[GapRecord],
    ) -> Result<Self, CliError> {
        let mut history = Self::new(Timestamp::from_nanos(record.heartbeat_ns));
        if *record != ObserverRecord::default() {
            history.tracker.restore_observer(record, gaps);
        }
        let mut after = None;
        loop {
            let page = store.peers(&observer, after.as_ref(), PAGE).await?;
            for peer in &page {
                history.restore(peer);
            }
            after = page.last().map(|peer| peer.node_id);
            if page.len() < PAGE {
                return Ok(history);
            }
        }
    }

    fn new(heartbeat: Timestamp) -> Self {
        // The ids are those of our own store, and nothing is added to them.
        let tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        Self { tracker, heartbeat, end: heartbeat, last_known: HashMap::new() }
    }

    fn restore(&mut self, record: &PeerRecord) {
        self.tracker.restore(record);
        let since = Timestamp::from_nanos(record.since_ns);
        // A change that was stored after the last heartbeat was observed, too.
        let until = self.heartbeat.max(since);
        self.end = self.end.max(until);
        let usable = record.channels.iter().map(|channel| (channel.channel_id, channel.usable.presence()));
        let last = LastKnown { presence: record.presence, since, until, usable: usable.collect() };
        self.last_known.insert(record.node_id, last);
    }

    fn answer(&self, at: Timestamp, all: bool) -> Section {
        let as_last_known = |mut report: PeerReport| {
            // Up to its last moment what was known holds; from then on nothing does.
            if let Some(last) = self.last_known.get(&report.node_id).filter(|last| at <= last.until) {
                report.online = last.presence;
                report.since = last.since;
                for channel in &mut report.channels {
                    let usable = last.usable.iter().find(|known| known.0 == channel.channel_id);
                    channel.usable = usable.map_or(channel.usable, |known| known.1);
                }
            }
            report
        };
        if all {
            Section::new(Some(at), self.tracker.known_peers(at).map(as_last_known))
        } else {
            Section::new(Some(at), self.tracker.peers(at).map(as_last_known))
        }
    }
}
