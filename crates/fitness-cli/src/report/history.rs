//! What one observer stored, restored into a tracker and asked.

use std::collections::HashMap;
use std::path::Path;

use fitness_core::{HashSeed, LogSegment, NodeId, PeerRecord, Presence, Timestamp, Tracker, TrackerConfig};
use fitness_store::Store;

use crate::error::CliError;
use crate::moment::{Window, rfc3339};
use crate::output::{Observer, Section};

const PAGE: usize = 1_000;

/// What an observer knew, and the tracker to ask for more.
pub(super) struct Answer {
    pub(super) section: Section,
    observer: NodeId,
    tracker: Tracker,
}

/// Reads the history of `observer`, as of `at` or else of the last moment that it knows.
pub(super) async fn read(
    store: &dyn Store,
    path: &Path,
    observer: NodeId,
    at: Option<Timestamp>,
) -> Result<Answer, CliError> {
    let stored = store.observer(&observer).await?;
    let record = stored.unwrap_or_default();
    let heartbeat = Timestamp::from_nanos(record.heartbeat_ns);
    let mut history = History::new(heartbeat);
    if let Some(stored) = &stored {
        history.tracker.restore_observer(stored, &[]);
    }
    let mut after = None;
    loop {
        let page = store.peers(&observer, after.as_ref(), PAGE).await?;
        for peer in &page {
            history.restore(peer);
        }
        after = page.last().map(|peer| peer.node_id);
        if page.len() < PAGE {
            break;
        }
    }
    if let Some(asked) = at.filter(|&at| at < history.end) {
        return Err(CliError::BeforeLastMoment {
            path: path.to_owned(),
            observer,
            asked: rfc3339(asked),
            known_until: rfc3339(history.end),
        });
    }
    let mut section = history.answer(at.unwrap_or(history.end));
    let started_at = Timestamp::from_nanos(record.started_at_ns);
    section.observer = Some(Observer { node_id: observer, started_at, heartbeat });
    Ok(Answer { section, observer, tracker: history.tracker })
}

impl Answer {
    /// Adds what there is to say of a window that ends at the moment of the question, from the
    /// stored logs.
    pub(super) async fn add_window(&mut self, store: &dyn Store, window: &Window) -> Result<(), CliError> {
        let Some(at) = self.section.at else { return Ok(()) };
        let from = at.before_nanos(window.length_ns);
        for peer in &mut self.section.peers {
            let node_id = peer.report.node_id;
            let log = read_log(store, &self.observer, &node_id).await?;
            let Some(history) = self.tracker.history(at, &node_id, &log) else { continue };
            peer.window = Some(history.window(from, at));
            for channel in &mut peer.channels {
                channel.window = Some(history.window(from.max(channel.report.opened_at), at));
            }
        }
        self.section.window = Some(window.clone());
        Ok(())
    }
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
}

impl History {
    fn new(heartbeat: Timestamp) -> Self {
        // The ids are those of our own file, and nothing is added to them.
        let tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        Self { tracker, heartbeat, end: heartbeat, last_known: HashMap::new() }
    }

    fn restore(&mut self, record: &PeerRecord) {
        self.tracker.restore(record);
        let since = Timestamp::from_nanos(record.since_ns);
        // A change that was stored after the last heartbeat was observed, too.
        let until = self.heartbeat.max(since);
        self.end = self.end.max(until);
        self.last_known.insert(record.node_id, LastKnown { presence: record.presence, since, until });
    }

    fn answer(&self, at: Timestamp) -> Section {
        let reports = self.tracker.peers(at).map(|mut report| {
            // Up to its last moment what was known holds; from then on nothing does.
            if let Some(last) = self.last_known.get(&report.node_id).filter(|last| at <= last.until) {
                report.online = last.presence;
                report.since = last.since;
            }
            report
        });
        Section::new(Some(at), reports)
    }
}
