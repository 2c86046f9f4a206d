//! A server for all tests, and short ways to say things.

use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fitness_core::{
    GapCause, GapRecord, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence, Totals,
    UnsavedChanges,
};
use fitness_pgtest::{Cluster, Database};
use fitness_store::{Batch, LogReplacement, Store, StoreError};
use fitness_store_postgres::{PostgresStore, PostgresStoreBuilder};

/// One server for all tests of this process; it goes with it.
pub(crate) static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);

/// A database of its own, or the end of the test where PostgreSQL is not installed.
macro_rules! database {
    () => {
        match crate::support::CLUSTER.as_ref() {
            Some(cluster) => cluster.create_database(),
            None => return,
        }
    };
}
pub(crate) use database;

pub(crate) const OURS: NodeId = NodeId([3; 33]);
pub(crate) const THEIRS: NodeId = NodeId([4; 33]);
pub(crate) const PEERS: u32 = 50;

pub(crate) fn node(number: u32) -> NodeId {
    let mut bytes = [2; 33];
    bytes[1..5].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

pub(crate) fn peer(number: u32, version: u32) -> PeerRecord {
    PeerRecord {
        node_id: node(number),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: 1,
        presence: Presence::Online,
        presence_since_ns: 2,
        totals: Totals::default(),
        flap_count: version,
        last_flap_ns: None,
        disconnects: 6,
        log_end: version,
        imported: None,
        channels: Vec::new(),
    }
}

pub(crate) fn segment(number: u32, index: u32, version: u32) -> LogSegment {
    let totals = Totals { online_ns: 0, observed_ns: u64::from(version) };
    LogSegment {
        node_id: node(number),
        first_number: index * fitness_core::SEGMENT_ENTRIES,
        entries: vec![LogEntry::new(1, Presence::Online, totals)],
    }
}

/// A batch that bears `version` all over, and removes what another left.
pub(crate) fn marked(version: u32) -> Arc<Batch> {
    let gap =
        |number| GapRecord { number, cause: GapCause::NotRunning, from_ns: 0, to_ns: u64::from(version) };
    Arc::new(Batch {
        changes: UnsavedChanges {
            // Its own one, too: what is forgotten and written is written.
            forgotten_peers: (1_000..1_500).map(node).collect(),
            peers: (0..PEERS).chain([1_000 + version]).map(|number| peer(number, version)).collect(),
            segments: (0..PEERS).map(|number| segment(number, 5, version)).collect(),
            gaps: vec![gap(version), gap(version + 1)],
        },
        observer: Some(ObserverRecord {
            started_at_ns: 1,
            last_heartbeat_ns: u64::from(version),
            ..ObserverRecord::default()
        }),
        replacements: vec![LogReplacement {
            node_id: node(0),
            below_index: 3,
            segments: vec![segment(0, 2, version)],
        }],
        prune_gaps_before: Some(version),
    })
}

/// The version of the batch that is stored, all of it; 0 where there is none.
pub(crate) async fn stored(store: &dyn Store, observer: NodeId) -> u32 {
    let record = store.observer(&observer).await.expect("the observer");
    let version = record.map_or(0, |record| u32::try_from(record.last_heartbeat_ns).expect("a version"));
    let peers = store.peers(&observer, None, 10_000).await.expect("the peers");
    if version == 0 {
        assert_eq!(peers, []);
        return 0;
    }
    let expected: Vec<_> = (0..PEERS).chain([1_000 + version]).map(|number| peer(number, version)).collect();
    let wrong = peers.iter().find(|peer| !expected.contains(peer));
    assert!(peers == expected, "{} peers of version {version}, not {wrong:?}", peers.len());
    let log = store.segments(&observer, &node(0), 0, 10).await.expect("the log");
    assert_eq!(log, [segment(0, 2, version), segment(0, 5, version)]);
    let log = store.segments(&observer, &node(PEERS - 1), 0, 10).await.expect("the log");
    assert_eq!(log, [segment(PEERS - 1, 5, version)]);
    let gaps = store.gaps(&observer, 0, 10).await.expect("the gaps");
    let numbers: Vec<_> = gaps.iter().map(|gap| (gap.number, gap.to_ns)).collect();
    assert_eq!(numbers, [(version, u64::from(version)), (version + 1, u64::from(version))]);
    version
}

/// A builder whose store does not wait long for others.
pub(crate) fn impatient(url: &str) -> PostgresStoreBuilder {
    PostgresStore::builder(url).claim_timeout(Duration::from_millis(200))
}

pub(crate) async fn open(database: &Database<'_>) -> PostgresStore {
    impatient(&database.url()).open().await.expect("the database opens")
}

/// Waits for something that happens by itself.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("after a minute still not: {what}");
}

/// Fails unless it is a claim of somebody else's, and returns who that is said to be.
pub(crate) fn claimed_by<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Claimed { .. }) => {
            assert!(!error.is_transient());
            let StoreError::Claimed { holder: by, .. } = error else { unreachable!() };
            by
        }
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

pub(crate) fn refused_for_now<T>(result: Result<T, StoreError>) -> String {
    let error = result.err().expect("it was done");
    assert!(error.is_transient(), "{error}");
    error.to_string()
}

/// Why a store could not be opened, where somebody has to act.
pub(crate) fn cannot_open<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::OpenFailed { reason, .. }) => reason,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// A session of the superuser's that is in the middle of a transaction, until it is dropped.
pub(crate) struct Blocker {
    psql: Child,
    input: Option<ChildStdin>,
}

impl Blocker {
    /// Begins one that has run `sql`.
    pub(crate) async fn begin(database: &Database<'_>, sql: &str) -> Self {
        use std::io::Write;
        let mut psql = database.cluster().psql(database.name());
        psql.env("PGAPPNAME", "blocker").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut psql = psql.spawn().expect("psql");
        let mut input = psql.stdin.take().expect("its input");
        writeln!(input, "BEGIN; {sql}; SELECT 'has it';").expect("psql listens");
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blocker' \
                    AND datname = current_database() AND state = 'idle in transaction' \
                    AND query LIKE 'SELECT ''has it''%'";
        until("the blocker has its lock", || database.sql(idle) == "1").await;
        Self { psql, input: Some(input) }
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.psql.wait();
    }
}

/// Which sessions have an advisory lock of this database, one to a line.
pub(crate) fn lockers(database: &Database<'_>) -> String {
    database.sql(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
         WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() ORDER BY 1",
    )
}

/// How many sessions of ours wait for a lock of somebody's.
pub(crate) fn waiting(database: &Database<'_>) -> usize {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND usename <> 'postgres'";
    database.sql(count).parse().expect("a count")
}

/// Ends those sessions, as an administrator does.
pub(crate) fn terminate_waiting(database: &Database<'_>) -> usize {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename <> 'postgres'";
    database.sql(end).parse().expect("a count")
}

/// Makes this database's advisory locks say yes to everybody, as those of CockroachDB do.
pub(crate) fn without_locks(database: &Database<'_>) {
    let mut sql = "SET allow_system_table_mods = on;".to_owned();
    for (name, returned) in [
        ("pg_try_advisory_lock", "boolean"),
        ("pg_advisory_unlock", "boolean"),
        ("pg_advisory_xact_lock", "void"),
    ] {
        let answer = if returned == "boolean" { "SELECT true" } else { "" };
        sql.push_str(&format!(
            "ALTER FUNCTION pg_catalog.{name}(bigint) RENAME TO {name}_before; \
             CREATE FUNCTION pg_catalog.{name}(bigint) RETURNS {returned} LANGUAGE sql VOLATILE AS '{answer}';"
        ));
    }
    database.sql(&sql);
}
