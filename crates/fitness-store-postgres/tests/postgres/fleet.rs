//! The SQL views return the same values as the trackers of the observers.

use std::collections::BTreeMap;
use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, ObserverRecord, PeerReport, Presence, Timestamp,
    Totals, Tracker, TrackerConfig,
};
use fitness_pgtest::Database;
use fitness_store::{Batch, Store};
use fitness_store_postgres::PostgresStore;

use crate::support::*;

const SECOND_NS: u64 = 1_000_000_000;
const FLEET_PEERS: u32 = 40;

fn observer(number: u8) -> NodeId {
    NodeId([number; 33])
}

/// Returns a tracker that has tracked the peers `0..peer_count` for a day with random events, up to `until`.
fn simulate_day(seed: u64, peer_count: u32, until: Timestamp) -> Tracker {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    let mut at = until.before_nanos(24 * 3600 * SECOND_NS);
    if seed % 2 == 0 {
        // Events were recorded before the clock, which was wrong by decades, was set.
        let wrong = at.before_nanos(40 * 365 * 24 * 3600 * SECOND_NS);
        tracker.apply(wrong, &Event::Watch { node_id: node(0) });
        tracker.apply(wrong.after_secs(5), &Event::PeerOnline { node_id: node(0) });
        tracker.apply(wrong.after_secs(50), &Event::ClockSet { to: at });
    }
    for number in 0..peer_count {
        let node_id = node(number);
        let event = match number % 4 {
            0 => Event::Watch { node_id },
            _ => Event::ChannelOpened(ChannelOpened {
                channel_id: ChannelId([u8::try_from(number).expect("a small number"); 32]),
                node_id,
                funding: None,
                online: [None, Some(true), Some(false)][random.usize(..3)],
            }),
        };
        tracker.apply(at, &event);
    }
    loop {
        at = at.after_nanos(random.u64(1..600 * SECOND_NS));
        if at >= until {
            return tracker;
        }
        let node_id = node(random.u32(0..peer_count));
        let event = match random.u32(..40) {
            0 => Event::ObservationPaused,
            1..4 => Event::ObservationResumed,
            4 => Event::ChannelClosed { channel_id: ChannelId([random.u8(..40); 32]) },
            5..24 => Event::PeerOnline { node_id },
            _ => Event::PeerOffline { node_id },
        };
        tracker.apply(at, &event);
    }
}

/// Commits everything in a tracker, as of `at`.
async fn commit_tracker(store: &PostgresStore, observer: NodeId, tracker: &mut Tracker, at: Timestamp) {
    let mut batch = Batch { observer: Some(tracker.observer_record(at)), ..Batch::default() };
    let peers = tracker.begin_commit();
    tracker.drain_changes(peers, &mut batch.changes);
    store.commit(&observer, Arc::new(batch)).await.expect("a commit");
}

/// Returns the rows of a query, each as a list of columns.
fn rows(database: &Database<'_>, sql: &str) -> Vec<Vec<String>> {
    let output = database.sql(sql);
    output.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

/// Returns a value as `psql` prints it; NULL is the empty string.
fn nullable<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

const fn presence_name(presence: Presence) -> &'static str {
    match presence {
        Presence::Unobserved => "unobserved",
        Presence::Offline => "offline",
        Presence::Online => "online",
    }
}

/// Returns the time of the database's clock.
fn database_now(database: &Database<'_>) -> Timestamp {
    let now = database.sql("SELECT (extract(epoch FROM now()) * 1000000000)::bigint");
    Timestamp::from_nanos(now.parse().expect("a number"))
}

/// An observer, the time of its last commit, and its tracker's report of each peer at that time.
type ObserverReports = (NodeId, Timestamp, Vec<PeerReport>);

/// Stores the histories of five observers and returns their reports.
async fn store_fleet(database: &Database<'_>) -> Vec<ObserverReports> {
    let store = PostgresStore::open(&database.url()).await.expect("an open store");
    let now = database_now(database);
    let mut fleet = Vec::new();
    for (number, peer_count, minutes_ago) in [(1, 40, 0), (2, 40, 1), (3, 25, 0), (4, 40, 60), (5, 10, 2)] {
        let at = now.before_nanos(minutes_ago * 60 * SECOND_NS);
        let mut tracker = simulate_day(u64::from(number), peer_count, at);
        tracker.advance(at);
        commit_tracker(&store, observer(number), &mut tracker, at).await;
        let reports = (0..FLEET_PEERS).filter_map(|number| tracker.peer(at, &node(number))).collect();
        fleet.push((observer(number), at, reports));
    }
    fleet
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn peer_availability_matches_the_trackers() {
    let database = create_database();
    let fleet = store_fleet(&database).await;
    let mut expected = Vec::new();
    for (observer, at, reports) in &fleet {
        for report in reports {
            expected.push(vec![
                observer.to_string(),
                report.node_id.to_string(),
                presence_name(report.presence).to_owned(),
                report.presence_since.as_nanos().to_string(),
                at.as_nanos().to_string(),
                report.uptime_ns.to_string(),
                report.observed_ns.to_string(),
                nullable(report.availability),
                report.disconnects.to_string(),
                report.flap_count.to_string(),
                nullable(report.last_flap.map(Timestamp::as_nanos)),
                report.tracked_since.as_nanos().to_string(),
                report.channels.len().to_string(),
                if report.watched { "t" } else { "f" }.to_owned(),
            ]);
        }
    }
    expected.sort();
    let actual = rows(
        &database,
        "SELECT encode(observer, 'hex'), encode(node_id, 'hex'), presence, presence_since_ns, as_of_ns, \
         uptime_ns, observed_ns, availability, disconnects, flap_count, last_flap_ns, tracked_since_ns, \
         open_channels, watched \
         FROM ldk_fitness.peer_availability ORDER BY 1, 2",
    );
    assert!(expected.len() > 100, "only {} rows", expected.len());
    for (actual, expected) in actual.iter().zip(&expected) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn fleet_peers_combines_the_trackers_reports() {
    let database = create_database();
    let fleet = store_fleet(&database).await;
    let mut by_peer: BTreeMap<NodeId, Vec<&PeerReport>> = BTreeMap::new();
    for report in fleet.iter().flat_map(|(_, _, reports)| reports) {
        by_peer.entry(report.node_id).or_default().push(report);
    }
    let mut expected = Vec::new();
    let mut rated = Vec::new();
    for (node_id, reports) in &by_peer {
        let count =
            |presence| reports.iter().filter(|report| report.presence == presence).count().to_string();
        let sum =
            |value: fn(&PeerReport) -> u64| reports.iter().map(|report| u128::from(value(report))).sum();
        let (uptime, observed): (u128, u128) =
            (sum(|report| report.uptime_ns), sum(|report| report.observed_ns));
        let disconnects = sum(|report| u64::from(report.disconnects));
        let open_channels = sum(|report| report.channels.len() as u64);
        let availability = (observed > 0).then(|| uptime as f64 / observed as f64);
        let availabilities = || reports.iter().filter_map(|report| report.availability);
        let watched = reports.iter().filter(|report| report.watched).count();
        let row = vec![
            node_id.to_string(),
            reports.len().to_string(),
            count(Presence::Online),
            count(Presence::Offline),
            count(Presence::Unobserved),
            uptime.to_string(),
            observed.to_string(),
            nullable(availability),
            nullable(availabilities().reduce(f64::min)),
            nullable(availabilities().reduce(f64::max)),
            disconnects.to_string(),
            open_channels.to_string(),
            watched.to_string(),
            nullable(reports.iter().map(|report| report.tracked_since.as_nanos()).min()),
        ];
        if let (Some(availability), true) = (availability, open_channels > 0 || watched > 0) {
            rated.push((availability, std::cmp::Reverse(disconnects), *node_id, row.clone()));
        }
        expected.push(row);
    }
    let columns = "encode(node_id, 'hex'), observer_count, online_count, offline_count, unobserved_count, \
                   uptime_ns, observed_ns, availability, min_availability, max_availability, disconnects, \
                   open_channels, watched_count, tracked_since_ns";
    let actual = rows(&database, &format!("SELECT {columns} FROM ldk_fitness.fleet_peers ORDER BY node_id"));
    assert_eq!(actual, expected);

    rated.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let expected: Vec<_> = rated.into_iter().map(|(.., row)| row).take(10).collect();
    let actual =
        rows(&database, &format!("SELECT {columns} FROM ldk_fitness.peers_by_availability LIMIT 10"));
    assert_eq!(actual, expected);
    assert_eq!(actual.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn presence_conflicts_lists_peers_offline_for_one_observer_and_online_for_another() {
    let database = create_database();
    let fleet = store_fleet(&database).await;
    // The last heartbeat of observer 4 is an hour old.
    let fresh: Vec<_> = fleet.iter().filter(|(id, ..)| *id != observer(4)).collect();
    let count = |node_id: &NodeId, presence: Presence| {
        let has_presence = |report: &PeerReport| report.node_id == *node_id && report.presence == presence;
        fresh.iter().filter(|(_, _, reports)| reports.iter().any(has_presence)).count()
    };
    let mut expected = Vec::new();
    for (observer, _, reports) in &fresh {
        for report in reports.iter().filter(|report| report.presence == Presence::Offline) {
            let (online, offline) =
                (count(&report.node_id, Presence::Online), count(&report.node_id, Presence::Offline));
            if online > 0 {
                expected.push(vec![
                    observer.to_string(),
                    report.node_id.to_string(),
                    report.presence_since.as_nanos().to_string(),
                    online.to_string(),
                    offline.to_string(),
                ]);
            }
        }
    }
    expected.sort();
    assert!(expected.len() > 5, "only {} rows", expected.len());
    let actual = rows(
        &database,
        "SELECT encode(observer, 'hex'), encode(node_id, 'hex'), offline_since_ns, online_count, \
         offline_count \
         FROM ldk_fitness.presence_conflicts ORDER BY 1, 2",
    );
    assert_eq!(actual, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn views_accept_every_record_that_can_be_stored() {
    let database = create_database();
    let store = open(&database).await;
    let largest = Totals { online_ns: Totals::LIMIT_NS, observed_ns: Totals::LIMIT_NS };
    for (number, clock_ahead_ns, last_heartbeat_ns) in
        [(1, i64::MAX, u64::MAX), (2, i64::MIN, 0), (3, 0, u64::MAX), (4, i64::MAX, 0)]
    {
        let record = ObserverRecord { clock_ahead_ns, last_heartbeat_ns, ..ObserverRecord::default() };
        let mut batch = Batch { observer: Some(record), ..Batch::default() };
        for (number, totals) in (0..).zip([largest, Totals::default()]) {
            for (offset, moment) in (0..).zip([u64::MAX, 0]) {
                batch.changes.peers.push(fitness_core::PeerRecord {
                    totals,
                    presence_since_ns: moment,
                    tracked_since_ns: moment,
                    last_flap_ns: Some(moment),
                    disconnects: u32::MAX,
                    flap_count: u32::MAX,
                    ..peer(number * 2 + offset, 1)
                });
            }
        }
        store.commit(&observer(number), Arc::new(batch)).await.expect("a commit");
    }
    for view in ["peer_availability", "fleet_peers", "presence_conflicts", "peers_by_availability"] {
        // to_jsonb makes PostgreSQL evaluate every column.
        database.sql(&format!("SELECT count(to_jsonb(t)) FROM (SELECT * FROM ldk_fitness.{view}) t"));
    }
    assert_eq!(
        database.sql("SELECT max(uptime_ns) FROM ldk_fitness.peer_availability"),
        Totals::LIMIT_NS.to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn documented_examples_run() {
    let database = create_database();
    drop(store_fleet(&database).await);
    let module = include_str!("../../src/fleet.rs");
    let (_, examples) = module.split_once("```sql\n").expect("an SQL block");
    let (examples, _) = examples.split_once("//! ```").expect("the end of the block");
    let sql: String = examples.lines().map(|line| line.trim_start_matches("//!").to_owned() + "\n").collect();
    assert_eq!(sql.matches("SELECT").count(), 3);
    database.sql("DO 'BEGIN CREATE ROLE grafana LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END'");
    database.sql(&sql);
    database.sql("SET ROLE grafana; SELECT count(*) FROM ldk_fitness.peers_by_availability");
    database
        .try_sql("SET ROLE grafana; SELECT count(*) FROM ldk_fitness.peers")
        .expect_err("the role has no privilege on the table");
}
