//! The lnd presets return the same values as lnd, to the nanosecond.
//!
//! `tests/data/*.jsonl.gz` contains random traces with the results of lnd's `chanfitness` package after each
//! operation. If the environment variable `FITNESS_EXTRA_VECTORS` is set, the test also reads the files in
//! that directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, LogEntry, NodeId, NotFound, PeerRecord, Presence, Timestamp,
    Totals, Tracker, TrackerConfig, UnsavedChanges,
};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Trace {
    name: String,
    profile: String,
    #[serde(default)]
    stored: Vec<StoredPeer>,
    ops: Vec<Operation>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct StoredPeer {
    peer: u32,
    count: u32,
    last_flap_ns: u64,
}

#[derive(Deserialize)]
struct Operation {
    t: u64,
    op: String,
    peer: u32,
    #[serde(default)]
    chan: u32,
    peer_online: Option<bool>,
    flap_count: Option<u32>,
    last_flap_ns: Option<u64>,
    #[serde(default)]
    log: Vec<LoggedChange>,
    staged: Option<LoggedChange>,
    error: Option<String>,
    lifetime_ns: Option<u64>,
    uptime_ns: Option<u64>,
    exact_uptime_ns: Option<u64>,
    #[serde(default)]
    written: Vec<StoredPeer>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct LoggedChange {
    t: u64,
    online: bool,
}

impl From<LogEntry> for LoggedChange {
    fn from(entry: LogEntry) -> Self {
        Self { t: entry.at_ns(), online: entry.presence() == Presence::Online }
    }
}

fn node(peer: u32) -> NodeId {
    let mut id = [2; 33];
    id[29..].copy_from_slice(&peer.to_be_bytes());
    NodeId(id)
}

fn channel(chan: u32) -> ChannelId {
    let mut id = [0; 32];
    id[28..].copy_from_slice(&chan.to_be_bytes());
    ChannelId(id)
}

/// A tracker with an lnd preset.
struct Replay {
    tracker: Tracker,
    /// The flap count and last flap of each peer, as of the last commit.
    ///
    /// lnd writes all tracked peers at each flush, and the tracker only those that changed. The accumulated
    /// rows are the same.
    written: BTreeMap<NodeId, (u32, u64)>,
    /// The number of compared values.
    comparisons: usize,
    /// Describes the current operation.
    context: String,
}

impl Replay {
    fn new(trace: &Trace) -> Self {
        let config = match trace.profile.as_str() {
            "lnd-0.19" => TrackerConfig::lnd_0_19(),
            "lnd-master" => TrackerConfig::lnd_master(),
            other => panic!("{}: unknown profile {other}", trace.name),
        };
        let mut tracker = Tracker::new(config, HashSeed([1; 16]));
        for peer in &trace.stored {
            tracker.resume_peer(&peer_record(peer));
        }
        Self { tracker, written: BTreeMap::new(), comparisons: 0, context: String::new() }
    }

    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, value: T, lnd_value: T, name: &str) {
        assert_eq!(value, lnd_value, "{}: {name} (right: lnd)", self.context);
        self.comparisons += 1;
    }

    fn run(&mut self, op: &Operation) {
        let at = Timestamp::from_nanos(op.t);
        let node_id = node(op.peer);
        match op.op.as_str() {
            "online" => self.tracker.apply(at, &Event::PeerOnline { node_id }),
            "offline" => self.tracker.apply(at, &Event::PeerOffline { node_id }),
            "open" => {
                let opened = ChannelOpened {
                    channel_id: channel(op.chan),
                    node_id,
                    funding: None,
                    online: op.peer_online,
                };
                self.tracker.apply(at, &Event::ChannelOpened(opened));
            }
            "close" => self.tracker.apply(at, &Event::ChannelClosed { channel_id: channel(op.chan) }),
            "flap_count" => self.flap_count(op, &node_id),
            "channel_info" => self.channel_info(op, at, &node_id),
            "flush" => self.flush(op),
            other => panic!("{}: unknown operation {other}", self.context),
        }
    }

    fn flap_count(&mut self, op: &Operation, node_id: &NodeId) {
        // All stored peers were resumed, so an unknown peer has never flapped.
        let (count, last_flap) = self.tracker.flap_count(node_id).unwrap_or_default();
        self.compare(Some(count), op.flap_count, "flap count");
        self.compare(last_flap.map(Timestamp::as_nanos), op.last_flap_ns, "last flap");
        let log = self.tracker.event_log(node_id);
        let committed: Vec<_> =
            log.iter().flat_map(|log| log.committed()).copied().map(LoggedChange::from).collect();
        let staged = log.and_then(|log| log.staged()).map(LoggedChange::from);
        self.compare(&committed, &op.log, "log");
        self.compare(&staged, &op.staged, "staged");
    }

    fn channel_info(&mut self, op: &Operation, at: Timestamp, node_id: &NodeId) {
        match self.tracker.peer_channel(at, node_id, &channel(op.chan)) {
            Ok(report) => {
                self.compare(None, op.error.as_deref(), "error");
                self.compare(Some(report.lifetime_ns), op.lifetime_ns, "lifetime");
                self.compare(Some(report.uptime_ns), op.exact_uptime_ns, "exact uptime");
                let uptime_ns = self.tracker.lnd_uptime_ns(at, &channel(op.chan));
                self.compare(uptime_ns, op.uptime_ns, "lnd uptime");
            }
            Err(error) => {
                let error = match error {
                    NotFound::Peer(_) => "peer_not_found",
                    NotFound::Channel(_) => "channel_not_found",
                    other => panic!("{other}"),
                };
                self.compare(Some(error), op.error.as_deref(), "error");
            }
        }
    }

    fn flush(&mut self, op: &Operation) {
        let mut changes = UnsavedChanges::default();
        while self.tracker.drain_changes(2, &mut changes) {}
        for record in changes.peers {
            if let Some(last_flap_ns) = record.last_flap_ns {
                self.written.insert(record.node_id, (record.flap_count, last_flap_ns));
            }
        }
        let expected: BTreeMap<_, _> =
            op.written.iter().map(|peer| (node(peer.peer), (peer.count, peer.last_flap_ns))).collect();
        self.compare(&self.written.clone(), &expected, "stored peers");
    }
}

fn peer_record(peer: &StoredPeer) -> PeerRecord {
    PeerRecord {
        node_id: node(peer.peer),
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 0,
        presence: Presence::Unobserved,
        presence_since_ns: 0,
        totals: Totals::default(),
        flap_count: peer.count,
        last_flap_ns: Some(peer.last_flap_ns),
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    }
}

/// The number of traces in a file, and the number of values that were compared.
struct Summary {
    traces: usize,
    comparisons: usize,
}

fn compare_file(file: &Path) -> Summary {
    let reader = File::open(file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    let lines = BufReader::new(MultiGzDecoder::new(reader)).lines();
    let mut summary = Summary { traces: 0, comparisons: 0 };
    for line in lines {
        let line = line.unwrap_or_else(|err| panic!("{}: {err}", file.display()));
        summary.traces += 1;
        let trace: Trace = serde_json::from_str(&line)
            .unwrap_or_else(|err| panic!("{}, trace {}: {err}", file.display(), summary.traces));
        let mut replay = Replay::new(&trace);
        for (number, op) in trace.ops.iter().enumerate() {
            replay.context = format!("{}, operation {number} ({})", trace.name, op.op);
            replay.run(op);
        }
        summary.comparisons += replay.comparisons;
    }
    println!("{}: {} traces, {} comparisons", file.display(), summary.traces, summary.comparisons);
    summary
}

fn vectors_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|err| panic!("{}: {err}", directory.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap_or_else(|err| panic!("{}: {err}", directory.display())).path())
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.gz"))
        .collect();
    files.sort();
    files
}

#[test]
fn presets_return_the_recorded_values_of_lnd() {
    let files = vectors_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"));
    assert_eq!(files.len(), 2);
    for file in files {
        let Summary { traces, comparisons } = compare_file(&file);
        assert_eq!(traces, 96, "{}", file.display());
        assert!(comparisons > 10_000, "{}: {comparisons}", file.display());
    }
    if let Some(directory) = std::env::var_os("FITNESS_EXTRA_VECTORS") {
        let files = vectors_in(Path::new(&directory));
        assert!(!files.is_empty(), "{}: no *.jsonl.gz files", Path::new(&directory).display());
        for file in files {
            compare_file(&file);
        }
    }
}
