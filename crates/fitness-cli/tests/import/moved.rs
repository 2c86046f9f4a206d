//! From lnd to LDK: a service that goes on from what was imported.

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
use crate::support::{ACME, AT_TEXT, BOLT, US, channels_file, peers_file};

const AT: Timestamp = Timestamp::from_secs(1_772_366_400);
const NEW_CHANNEL: ChannelId = ChannelId([0x1d; 32]);

/// Both clocks go as they are told.
struct Told(AtomicU64);

impl Clock for Told {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        AT.after_nanos(self.0.load(Ordering::SeqCst))
    }
}

async fn start(store: &Path, clock: &Arc<Told>, snapshot: Snapshot) -> Service {
    let store = Arc::new(RedbStore::open(store).expect("it is free"));
    let builder = Service::builder(US, store).clock(Arc::clone(clock) as Arc<dyn Clock>);
    // Hours pass between two events without a sign of life.
    builder.pulse(Duration::from_secs(90 * 86_400)).snapshot(snapshot).start().await.expect("it starts")
}

fn id(text: &str) -> NodeId {
    text.parse().expect("an id")
}

/// A channel with Bolt, and Acme is there without one.
fn snapshot() -> Snapshot {
    let node_id = id(BOLT);
    let channel = OpenChannel { channel_id: NEW_CHANNEL, node_id, funding: None, usable: Some(true) };
    Snapshot { channels: vec![channel], connected: vec![node_id, id(ACME)], taken_at: None }
}

fn imported(report: &PeerReport) -> (u64, u64, u32) {
    let taken = report.imported.expect("it was taken over");
    assert_eq!(taken.at, AT);
    (taken.observed_ns, taken.uptime_ns, taken.flap_count)
}

#[tokio::test]
async fn a_service_goes_on_from_what_lnd_had_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let mut import = ldk_fitness();
    import.args(["import", "lnd"]).arg(peers_file()).arg(channels_file());
    import.args(["--observer", &US.to_string(), "--at", AT_TEXT]).arg("--store").arg(&path);
    let output = import.output().expect("it runs");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));

    let clock = Arc::new(Told(AtomicU64::new(24 * HOUR)));
    let service = start(&path, &clock, snapshot()).await;
    let handle = service.handle();
    let day = 24 * HOUR;
    let (known, uptime) = (45 * day + 3 * HOUR + 16 * SECOND, 30 * day + 7 * SECOND);

    // lnd's channel is gone, and its peer's history is there; that it is there is no flap.
    let bolt = handle.peer(&id(BOLT)).expect("it has a channel");
    assert_eq!(bolt.channels.iter().map(|channel| channel.channel_id).collect::<Vec<_>>(), [NEW_CHANNEL]);
    assert_eq!((bolt.channels[0].lifetime_ns, bolt.channels[0].observed_ns), (0, 0));
    assert_eq!((bolt.presence, bolt.observed_ns, bolt.uptime_ns), (Presence::Online, known, uptime));
    assert_eq!((bolt.flap_count, bolt.disconnects, bolt.untracked_at), (212, 0, None));
    assert_eq!(bolt.last_flap, Some(AT.before_nanos(90 * SECOND + 1)));
    assert_eq!(imported(&bolt), (known, uptime, 212));
    // Without a channel Acme is let go of, and remembered.
    let acme = handle.peer(&id(ACME)).expect("it is remembered");
    assert_eq!((acme.channels.len(), acme.untracked_at), (0, Some(AT.after_nanos(day))));
    assert_eq!((acme.observed_ns, acme.flap_count), (45 * day + 3 * HOUR + 17 * SECOND, 7));
    assert_eq!(handle.coverage().map(|coverage| (coverage.starts, coverage.first_started_at)), Some((1, AT)));

    // Nine hours later it is lost: lnd's flaps cool down by our clock.
    clock.0.store(24 * HOUR + 9 * HOUR, Ordering::SeqCst);
    handle.record(Event::PeerOffline { node_id: id(BOLT) });
    let bolt = handle.peer(&id(BOLT)).expect("it has a channel");
    let mut flaps = FlapCount::from_parts(212, Some(AT.before_nanos(90 * SECOND + 1).as_nanos()));
    flaps.record_flap(AT.after_nanos(33 * HOUR).as_nanos());
    assert_eq!(flaps.count(), 172, "212 * 0.95^(33.025 / 8), truncated, and one more");
    assert_eq!((bolt.flap_count, bolt.disconnects), (172, 1));
    assert_eq!((bolt.observed_ns, bolt.uptime_ns), (known + 9 * HOUR, uptime + 9 * HOUR));
    assert_eq!(bolt.channels[0].uptime_ns, 9 * HOUR);
    service.shutdown().await.expect("all is stored");

    // The day between was nobody's: lnd was off, and LDK not on yet.
    let mut report = ldk_fitness();
    report.arg("report").arg(&path).args(["--json", "--all", "--timeline", "--window", "lifetime"]);
    let output = report.output().expect("it runs");
    assert_eq!(stderr(&output), "");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let peers = document["peers"].as_array().expect("a list");
    let of = |id: &str| peers.iter().find(|peer| peer["node_id"] == id).expect("it is known");
    let timeline = of(BOLT)["timeline"].as_array().expect("a list").iter();
    let timeline: Vec<[&Value; 4]> =
        timeline.map(|it| [&it["from_ns"], &it["to_ns"], &it["presence"], &it["cause"]]).collect();
    let [at, started, lost] = [0, 24, 33].map(|hours| json!(AT.after_nanos(hours * HOUR).as_nanos()));
    let tracked_since = json!(AT.before_nanos(known).as_nanos());
    let (unobserved, down, online) = (json!("unobserved"), json!("down"), json!("online"));
    assert_eq!(
        timeline,
        [
            [&tracked_since, &at, &Value::Null, &Value::Null],
            [&at, &started, &unobserved, &down],
            [&started, &lost, &online, &Value::Null],
        ]
    );
    let window = &of(BOLT)["window"];
    assert_eq!(
        (window["uptime_ns"].as_u64(), window["uptime_error_ns"].as_u64()),
        (Some(uptime + 9 * HOUR), Some(0))
    );
    assert_eq!(of(ACME)["imported"]["source"], "lnd");
    assert_eq!(of(ACME)["untracked_at_ns"], started);

    // And on and on.
    clock.0.store(48 * HOUR, Ordering::SeqCst);
    let service = start(&path, &clock, snapshot()).await;
    let bolt = service.handle().peer(&id(BOLT)).expect("it has a channel");
    assert_eq!(imported(&bolt), (known, uptime, 212));
    assert_eq!((bolt.flap_count, bolt.observed_ns), (172, known + 9 * HOUR));
    service.shutdown().await.expect("all is stored");
}
