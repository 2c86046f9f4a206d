//! A service continues an imported history.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fitness_actor::{Clock, Service};
use fitness_core::{
    ChannelId, Event, FlapCount, NodeId, OpenChannel, PeerReport, Presence, Snapshot, Timestamp,
};
use fitness_store_redb::RedbStore;
use serde_json::{Value, json};

use crate::common::{HOUR, SECOND, ldk_fitness, stderr};
use crate::support::{ACME, AT_TEXT, BOLT, OBSERVER, channels_file, peers_file};

const AT: Timestamp = Timestamp::from_secs(1_772_366_400);
const NEW_CHANNEL: ChannelId = ChannelId([0x1d; 32]);

/// A clock whose time the test sets, in nanoseconds after [`AT`].
struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        AT.after_nanos(self.0.load(Ordering::SeqCst))
    }
}

async fn start(store: &Path, clock: &Arc<ManualClock>, snapshot: Snapshot) -> Service {
    let store = Arc::new(RedbStore::open(store).expect("redb file opens"));
    let builder = Service::builder(OBSERVER, store).clock(Arc::clone(clock) as Arc<dyn Clock>);
    // A long interval, because the clock jumps by hours between two events.
    builder
        .stall_check_interval(Duration::from_secs(90 * 86_400))
        .snapshot(snapshot)
        .start()
        .await
        .expect("service starts")
}

fn id(text: &str) -> NodeId {
    text.parse().expect("a node id")
}

/// Returns a snapshot in which Bolt has a channel, and Acme is connected without one.
fn snapshot() -> Snapshot {
    let node_id = id(BOLT);
    let channel = OpenChannel { channel_id: NEW_CHANNEL, node_id, funding: None, usable: Some(true) };
    Snapshot { channels: vec![channel], connected: vec![node_id, id(ACME)], taken_at: None }
}

fn imported(report: &PeerReport) -> (u64, u64, u32) {
    let imported = report.imported.expect("marked as imported");
    assert_eq!(imported.at, AT);
    (imported.observed_ns, imported.uptime_ns, imported.flap_count)
}

#[tokio::test]
async fn service_continues_the_imported_statistics() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("fitness.redb");
    let mut import = ldk_fitness();
    import.args(["import", "lnd"]).arg(peers_file()).arg(channels_file());
    import.args(["--observer", &OBSERVER.to_string(), "--at", AT_TEXT]).arg("--store").arg(&path);
    let output = import.output().expect("program runs");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));

    let clock = Arc::new(ManualClock(AtomicU64::new(24 * HOUR)));
    let service = start(&path, &clock, snapshot()).await;
    let handle = service.handle();
    let day = 24 * HOUR;
    let (observed, uptime) = (45 * day + 3 * HOUR + 16 * SECOND, 30 * day + 7 * SECOND);

    // The snapshot does not list lnd's channel, so it is closed. Bolt's history is kept, and its first connection
    // is not a flap.
    let bolt = handle.peer(&id(BOLT)).expect("tracked peer");
    assert_eq!(bolt.channels.iter().map(|channel| channel.channel_id).collect::<Vec<_>>(), [NEW_CHANNEL]);
    assert_eq!((bolt.channels[0].lifetime_ns, bolt.channels[0].observed_ns), (0, 0));
    assert_eq!((bolt.presence, bolt.observed_ns, bolt.uptime_ns), (Presence::Online, observed, uptime));
    assert_eq!((bolt.flap_count, bolt.disconnects, bolt.untracked_at), (212, 0, None));
    assert_eq!(bolt.last_flap, Some(AT.before_nanos(90 * SECOND + 1)));
    assert_eq!(imported(&bolt), (observed, uptime, 212));
    // Acme has no channel, so it is untracked and its history is kept.
    let acme = handle.peer(&id(ACME)).expect("peer with a history");
    assert_eq!((acme.channels.len(), acme.untracked_at), (0, Some(AT.after_nanos(day))));
    assert_eq!((acme.observed_ns, acme.flap_count), (45 * day + 3 * HOUR + 17 * SECOND, 7));
    assert_eq!(handle.coverage().map(|coverage| (coverage.starts, coverage.first_started_at)), Some((1, AT)));

    // Bolt disconnects nine hours later. Its flap count has decayed since lnd's last flap.
    clock.0.store(24 * HOUR + 9 * HOUR, Ordering::SeqCst);
    handle.record(Event::PeerOffline { node_id: id(BOLT) });
    let bolt = handle.peer(&id(BOLT)).expect("tracked peer");
    let mut flaps = FlapCount::from_parts(212, Some(AT.before_nanos(90 * SECOND + 1).as_nanos()));
    flaps.record_flap(AT.after_nanos(33 * HOUR).as_nanos());
    assert_eq!(flaps.count(), 172, "212 * 0.95^(33.025 / 8), truncated, plus 1");
    assert_eq!((bolt.flap_count, bolt.disconnects), (172, 1));
    assert_eq!((bolt.observed_ns, bolt.uptime_ns), (observed + 9 * HOUR, uptime + 9 * HOUR));
    assert_eq!(bolt.channels[0].uptime_ns, 9 * HOUR);
    service.shutdown().await.expect("all changes are stored");

    // The day between the import and the start of the service is a monitoring gap.
    let mut report = ldk_fitness();
    report.arg("report").arg(&path).args(["--json", "--all", "--timeline", "--window", "lifetime"]);
    let output = report.output().expect("program runs");
    assert_eq!(stderr(&output), "");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    let peers = document["peers"].as_array().expect("a list");
    let peer = |id: &str| peers.iter().find(|entry| entry["node_id"] == id).expect("peer in the report");
    let timeline = peer(BOLT)["timeline"].as_array().expect("a list").iter();
    let timeline: Vec<[&Value; 4]> = timeline
        .map(|interval| ["from_ns", "to_ns", "presence", "cause"].map(|field| &interval[field]))
        .collect();
    let [at, started, disconnected] = [0, 24, 33].map(|hours| json!(AT.after_nanos(hours * HOUR).as_nanos()));
    let tracked_since = json!(AT.before_nanos(observed).as_nanos());
    let (unobserved, not_running, online) = (json!("unobserved"), json!("not_running"), json!("online"));
    assert_eq!(
        timeline,
        [
            [&tracked_since, &at, &Value::Null, &Value::Null],
            [&at, &started, &unobserved, &not_running],
            [&started, &disconnected, &online, &Value::Null],
        ]
    );
    let window = &peer(BOLT)["window"];
    assert_eq!(
        (window["uptime_ns"].as_u64(), window["uptime_error_ns"].as_u64()),
        (Some(uptime + 9 * HOUR), Some(0))
    );
    assert_eq!(peer(ACME)["imported"]["source"], "lnd");
    assert_eq!(peer(ACME)["untracked_at_ns"], started);

    // A restarted service continues again.
    clock.0.store(48 * HOUR, Ordering::SeqCst);
    let service = start(&path, &clock, snapshot()).await;
    let bolt = service.handle().peer(&id(BOLT)).expect("tracked peer");
    assert_eq!(imported(&bolt), (observed, uptime, 212));
    assert_eq!((bolt.flap_count, bolt.observed_ns), (172, observed + 9 * HOUR));
    service.shutdown().await.expect("all changes are stored");
}
