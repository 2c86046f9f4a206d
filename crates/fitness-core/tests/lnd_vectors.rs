//! The presets answer what lnd answered, to the nanosecond.
//!
//! `tests/data/*.jsonl.gz` holds what lnd's `chanfitness` package said when it was run, operation
//! by operation, on random traces. More such files are read from the directory that the
//! environment variable `FITNESS_EXTRA_VECTORS` names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
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
    stored: Vec<Row>,
    ops: Vec<Op>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Row {
    peer: u32,
    count: u32,
    last_flap_ns: u64,
}

#[derive(Deserialize)]
struct Op {
    t: u64,
    op: String,
    peer: u32,
    #[serde(default)]
    chan: u32,
    peer_online: Option<bool>,
    flap_count: Option<u32>,
    last_flap_ns: Option<u64>,
    #[serde(default)]
    log: Vec<Logged>,
    staged: Option<Logged>,
    error: Option<String>,
    lifetime_ns: Option<u64>,
    uptime_ns: Option<u64>,
    exact_uptime_ns: Option<u64>,
    #[serde(default)]
    written: Vec<Row>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Logged {
    t: u64,
    online: bool,
}

impl From<LogEntry> for Logged {
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

/// A tracker under a preset, and the rows that its flushes wrote.
///
/// lnd writes every peer that it tracks at each flush, ours only those that changed: what was
/// written so far is the same.
struct Replay {
    tracker: Tracker,
    written: BTreeMap<NodeId, (u32, u64)>,
    answers: usize,
    context: String,
}

impl Replay {
    fn new(trace: &Trace) -> Self {
        let config = match trace.profile.as_str() {
            "lnd-0.19" => TrackerConfig::lnd_0_19(),
            "lnd-master" => TrackerConfig::lnd_master(),
            other => panic!("{}: no preset for the profile {other}", trace.name),
        };
        let mut tracker = Tracker::new(config, HashSeed([1; 16]));
        for row in &trace.stored {
            tracker.resume_peer(&stored(row));
        }
        Self { tracker, written: BTreeMap::new(), answers: 0, context: String::new() }
    }

    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, ours: T, lnds: T, what: &str) {
        assert_eq!(ours, lnds, "{}: {what}: ours, then lnd's", self.context);
        self.answers += 1;
    }

    fn step(&mut self, op: &Op) {
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
            other => panic!("an operation `{other}` that this test does not know"),
        }
    }

    fn flap_count(&mut self, op: &Op, node_id: &NodeId) {
        // Every stored peer was restored, so a peer that is not there has no count anywhere.
        let (count, last_flap) = self.tracker.flap_count(node_id).unwrap_or_default();
        self.expect(Some(count), op.flap_count, "flap count");
        self.expect(last_flap.map(Timestamp::as_nanos), op.last_flap_ns, "last flap");
        let log = self.tracker.event_log(node_id);
        let committed: Vec<_> =
            log.iter().flat_map(|log| log.committed()).copied().map(Logged::from).collect();
        let staged = log.and_then(|log| log.staged()).map(Logged::from);
        self.expect(&committed, &op.log, "log");
        self.expect(&staged, &op.staged, "staged");
    }

    fn channel_info(&mut self, op: &Op, at: Timestamp, node_id: &NodeId) {
        match self.tracker.peer_channel(at, node_id, &channel(op.chan)) {
            Ok(report) => {
                self.expect(None, op.error.as_deref(), "error");
                self.expect(Some(report.lifetime_ns), op.lifetime_ns, "lifetime");
                self.expect(Some(report.uptime_ns), op.exact_uptime_ns, "exact uptime");
                let uptime_ns = self.tracker.lnd_uptime_ns(at, &channel(op.chan));
                self.expect(uptime_ns, op.uptime_ns, "lnd's uptime");
            }
            Err(error) => {
                let error = match error {
                    NotFound::Peer(_) => "peer_not_found",
                    NotFound::Channel(_) => "channel_not_found",
                    other => panic!("{other}"),
                };
                self.expect(Some(error), op.error.as_deref(), "error");
            }
        }
    }

    fn flush(&mut self, op: &Op) {
        let mut changes = UnsavedChanges::default();
        while self.tracker.drain_changes(2, &mut changes) {}
        for record in changes.peers {
            if let Some(last_flap_ns) = record.last_flap_ns {
                self.written.insert(record.node_id, (record.flap_count, last_flap_ns));
            }
        }
        let rows: BTreeMap<_, _> =
            op.written.iter().map(|row| (node(row.peer), (row.count, row.last_flap_ns))).collect();
        self.expect(&self.written.clone(), &rows, "rows written");
    }
}

fn stored(row: &Row) -> PeerRecord {
    PeerRecord {
        node_id: node(row.peer),
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 0,
        presence: Presence::Unobserved,
        presence_since_ns: 0,
        totals: Totals::default(),
        flap_count: row.count,
        last_flap_ns: Some(row.last_flap_ns),
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    }
}

/// Returns how many traces and answers were compared.
fn compare(file: &Path) -> (usize, usize) {
    let reader = File::open(file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    let lines = BufReader::new(MultiGzDecoder::new(reader)).lines();
    let (mut traces, mut answers) = (0, 0);
    for line in lines {
        let line = line.unwrap_or_else(|err| panic!("{}: {err}", file.display()));
        let trace: Trace = serde_json::from_str(&line)
            .unwrap_or_else(|err| panic!("{}, trace {}: {err}", file.display(), traces + 1));
        let mut replay = Replay::new(&trace);
        for (number, op) in trace.ops.iter().enumerate() {
            replay.context = format!("{}, operation {number} ({})", trace.name, op.op);
            replay.step(op);
        }
        traces += 1;
        answers += replay.answers;
    }
    (traces, answers)
}

fn vectors_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|err| panic!("{}: {err}", directory.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a directory that can be listed").path())
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.gz"))
        .collect();
    files.sort();
    files
}

/// Says something that is seen although the test passes: what the print macros say is not.
fn say(what: &str) {
    // There is nobody left to tell where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn every_recorded_answer_is_ours() {
    let files = vectors_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"));
    assert_eq!(files.len(), 2);
    for file in files {
        let (traces, answers) = compare(&file);
        say(&format!("{}: {traces} traces, {answers} answers", file_name(&file)));
        assert_eq!(traces, 96, "{}", file.display());
        assert!(answers > 10_000, "{}: only {answers} answers", file.display());
    }
}

#[test]
fn every_extra_answer_is_ours() {
    let Some(directory) = std::env::var_os("FITNESS_EXTRA_VECTORS") else {
        say("FITNESS_EXTRA_VECTORS is not set: no extra vectors");
        return;
    };
    let files = vectors_in(Path::new(&directory));
    assert!(!files.is_empty(), "{}: no *.jsonl.gz here", Path::new(&directory).display());
    let (mut traces, mut answers) = (0, 0);
    for file in &files {
        let compared = compare(file);
        traces += compared.0;
        answers += compared.1;
    }
    say(&format!("extra vectors: {} files, {traces} traces, {answers} answers", files.len()));
}
