//! What SQL answers across the fleet is what the nodes' own trackers answer.

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

/// A node that has followed peers of the fleet, of which it knows `0..known`, for a day until `until`.
fn node_of_ours(seed: u64, known: u32, until: Timestamp) -> Tracker {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    let mut at = until.before_nanos(24 * 3600 * SECOND_NS);
    if seed % 2 == 0 {
        // Its clock was wrong by decades at first, and something was noted then.
        let wrong = at.before_nanos(40 * 365 * 24 * 3600 * SECOND_NS);
        tracker.apply(wrong, &Event::Watch { node_id: node(0) });
        tracker.apply(wrong.after_secs(5), &Event::PeerOnline { node_id: node(0) });
        tracker.apply(wrong.after_secs(50), &Event::ClockSet { to: at });
    }
    for number in 0..known {
        let node_id = node(number);
        let event = match number % 4 {
            0 => Event::Watch { node_id },
            _ => Event::ChannelOpened(ChannelOpened {
                channel_id: ChannelId([u8::try_from(number).expect("few"); 32]),
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
        let node_id = node(random.u32(0..known));
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

/// Stores all that a tracker knows, as of `at`.
async fn store_all(store: &PostgresStore, observer: NodeId, tracker: &mut Tracker, at: Timestamp) {
    let mut batch = Batch { observer: Some(tracker.observer_record(at)), ..Batch::default() };
    let peers = tracker.begin_commit();
    tracker.drain_changes(peers, &mut batch.changes);
    store.commit(&observer, Arc::new(batch)).await.expect("it stores");
}

/// The rows of a query, their columns apart.
fn rows(database: &Database<'_>, sql: &str) -> Vec<Vec<String>> {
    let printed = database.sql(sql);
    printed.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

fn option<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

const fn word(presence: Presence) -> &'static str {
    match presence {
        Presence::Unobserved => "unobserved",
        Presence::Offline => "offline",
        Presence::Online => "online",
    }
}

/// What the database's clock says.
fn database_now(database: &Database<'_>) -> Timestamp {
    let now = database.sql("SELECT (extract(epoch FROM now()) * 1000000000)::bigint");
    Timestamp::from_nanos(now.parse().expect("a number"))
}

struct Fleet {
    /// Each node, as of when it last wrote, and what it says of each peer.
    nodes: Vec<(NodeId, Timestamp, Vec<PeerReport>)>,
}

async fn fleet(database: &Database<'_>) -> Fleet {
    let store = PostgresStore::open(&database.url()).await.expect("it opens");
    let now = database_now(database);
    let mut nodes = Vec::new();
    for (number, known, minutes_ago) in [(1, 40, 0), (2, 40, 1), (3, 25, 0), (4, 40, 60), (5, 10, 2)] {
        let at = now.before_nanos(minutes_ago * 60 * SECOND_NS);
        let mut tracker = node_of_ours(u64::from(number), known, at);
        tracker.advance(at);
        store_all(&store, observer(number), &mut tracker, at).await;
        let reports = (0..FLEET_PEERS).filter_map(|number| tracker.peer(at, &node(number))).collect();
        nodes.push((observer(number), at, reports));
    }
    Fleet { nodes }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_sees_a_peer_as_its_tracker_does() {
    let database = database!();
    let fleet = fleet(&database).await;
    let mut expected = Vec::new();
    for (observer, at, reports) in &fleet.nodes {
        for report in reports {
            expected.push(vec![
                observer.to_string(),
                report.node_id.to_string(),
                word(report.presence).to_owned(),
                report.presence_since.as_nanos().to_string(),
                at.as_nanos().to_string(),
                report.uptime_ns.to_string(),
                report.observed_ns.to_string(),
                option(report.availability),
                report.disconnects.to_string(),
                report.flap_count.to_string(),
                option(report.last_flap.map(Timestamp::as_nanos)),
                report.tracked_since.as_nanos().to_string(),
                report.channels.len().to_string(),
                if report.watched { "t" } else { "f" }.to_owned(),
            ]);
        }
    }
    expected.sort();
    let seen = rows(
        &database,
        "SELECT encode(observer, 'hex'), encode(node_id, 'hex'), presence, since_ns, as_of_ns, uptime_ns, \
         observed_ns, availability, disconnects, flap_count, last_flap_ns, tracked_since_ns, channels, watched \
         FROM ldk_fitness.peer_availability ORDER BY 1, 2",
    );
    assert!(expected.len() > 100, "{} are no fleet", expected.len());
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_sees_a_peer_as_its_nodes_together() {
    let database = database!();
    let fleet = fleet(&database).await;
    let mut by_peer: BTreeMap<NodeId, Vec<&PeerReport>> = BTreeMap::new();
    for report in fleet.nodes.iter().flat_map(|(_, _, reports)| reports) {
        by_peer.entry(report.node_id).or_default().push(report);
    }
    let mut expected = Vec::new();
    let mut worst = Vec::new();
    for (node_id, reports) in &by_peer {
        let at = |presence| reports.iter().filter(|report| report.presence == presence).count().to_string();
        let sum =
            |figure: fn(&PeerReport) -> u64| reports.iter().map(|report| u128::from(figure(report))).sum();
        let (uptime, observed): (u128, u128) = (sum(|it| it.uptime_ns), sum(|it| it.observed_ns));
        let disconnects = sum(|it| u64::from(it.disconnects));
        let channels = sum(|it| it.channels.len() as u64);
        let availability = (observed > 0).then(|| uptime as f64 / observed as f64);
        let known = || reports.iter().filter_map(|report| report.availability);
        let watched = reports.iter().filter(|report| report.watched).count();
        let row = vec![
            node_id.to_string(),
            reports.len().to_string(),
            at(Presence::Online),
            at(Presence::Offline),
            at(Presence::Unobserved),
            uptime.to_string(),
            observed.to_string(),
            option(availability),
            option(known().reduce(f64::min)),
            option(known().reduce(f64::max)),
            disconnects.to_string(),
            channels.to_string(),
            watched.to_string(),
            option(reports.iter().map(|report| report.tracked_since.as_nanos()).min()),
        ];
        if let (Some(availability), true) = (availability, channels > 0 || watched > 0) {
            worst.push((availability, std::cmp::Reverse(disconnects), *node_id, row.clone()));
        }
        expected.push(row);
    }
    let columns = "encode(node_id, 'hex'), observers, online_at, offline_at, unobserved_at, uptime_ns, \
                   observed_ns, availability, worst_availability, best_availability, disconnects, channels, \
                   watched_at, tracked_since_ns";
    let seen = rows(&database, &format!("SELECT {columns} FROM ldk_fitness.fleet_peers ORDER BY node_id"));
    assert_eq!(seen, expected);

    worst.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let expected: Vec<_> = worst.into_iter().map(|(.., row)| row).take(10).collect();
    let seen = rows(&database, &format!("SELECT {columns} FROM ldk_fitness.worst_peers LIMIT 10"));
    assert_eq!(seen, expected);
    assert_eq!(seen.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_misses_and_others_do_not_is_found() {
    let database = database!();
    let fleet = fleet(&database).await;
    let fresh: Vec<_> = fleet.nodes.iter().filter(|(id, ..)| *id != observer(4)).collect();
    let count = |node_id: &NodeId, presence: Presence| {
        let sees = |reports: &[PeerReport]| {
            reports.iter().any(|it| it.node_id == *node_id && it.presence == presence)
        };
        fresh.iter().filter(|(_, _, reports)| sees(reports)).count()
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
    assert!(expected.len() > 5, "{} are too few to tell", expected.len());
    let seen = rows(
        &database,
        "SELECT encode(observer, 'hex'), encode(node_id, 'hex'), offline_since_ns, online_at, offline_at \
         FROM ldk_fitness.seen_differently ORDER BY 1, 2",
    );
    assert_eq!(seen, expected);
}

/// No record that can be stored makes a question about the fleet fail.
#[tokio::test(flavor = "multi_thread")]
async fn extreme_records_are_answered_for() {
    let database = database!();
    let store = open(&database).await;
    let largest = Totals { online_ns: Totals::LIMIT_NS, observed_ns: Totals::LIMIT_NS };
    for (number, clock_ahead_ns, heartbeat_ns) in
        [(1, i64::MAX, u64::MAX), (2, i64::MIN, 0), (3, 0, u64::MAX), (4, i64::MAX, 0)]
    {
        let record =
            ObserverRecord { clock_ahead_ns, last_heartbeat_ns: heartbeat_ns, ..ObserverRecord::default() };
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
        store.commit(&observer(number), Arc::new(batch)).await.expect("it stores");
    }
    for view in ["peer_availability", "fleet_peers", "seen_differently", "worst_peers"] {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM ldk_fitness.{view}) t");
        database.sql(&sql.replace("count(*)", "count(to_jsonb(t))"));
    }
    assert_eq!(
        database.sql("SELECT max(uptime_ns) FROM ldk_fitness.peer_availability"),
        Totals::LIMIT_NS.to_string()
    );
}

/// What the page about all this shows can be run.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_run() {
    let database = database!();
    drop(fleet(&database).await);
    let page = include_str!("../../src/fleet.rs");
    let (_, examples) = page.split_once("```sql\n").expect("there are examples");
    let (examples, _) = examples.split_once("//! ```").expect("they end");
    let sql: String = examples.lines().map(|line| line.trim_start_matches("//!").to_owned() + "\n").collect();
    assert_eq!(sql.matches("SELECT").count(), 3);
    database.sql("DO 'BEGIN CREATE ROLE grafana LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END'");
    database.sql(&sql);
    database.sql("SET ROLE grafana; SELECT count(*) FROM ldk_fitness.worst_peers");
    database.try_sql("SET ROLE grafana; SELECT count(*) FROM ldk_fitness.peers").expect_err("it may not");
}
