//! The server for all tests, sample data, and helpers.

use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fitness_core::{
    GapCause, GapRecord, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence, Totals,
    UnsavedChanges,
};
use fitness_pgtest::{Cluster, Database, NEEDS_POSTGRESQL};
use fitness_store::{Batch, LogReplacement, Store, StoreError};
use fitness_store_postgres::{PostgresStore, PostgresStoreBuilder};

/// The server for all tests of this process. It is deleted when the process ends.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().expect(NEEDS_POSTGRESQL));

/// Creates an empty database.
pub(crate) fn create_database() -> Database<'static> {
    CLUSTER.create_database()
}

pub(crate) const OBSERVER: NodeId = NodeId([3; 33]);
pub(crate) const OTHER_OBSERVER: NodeId = NodeId([4; 33]);
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

/// Returns a batch whose records all contain `version`. It replaces or deletes all records of the batch of
/// another version.
pub(crate) fn batch(version: u32) -> Arc<Batch> {
    let gap =
        |number| GapRecord { number, cause: GapCause::NotRunning, from_ns: 0, to_ns: u64::from(version) };
    Arc::new(Batch {
        changes: UnsavedChanges {
            // This includes a peer that the batch writes.
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

/// Returns the version of the batch that is stored, or 0 if none is. Panics if only a part of it is stored.
pub(crate) async fn stored_version(store: &dyn Store, observer: NodeId) -> u32 {
    let record = store.observer(&observer).await.expect("a successful read");
    let version = record.map_or(0, |record| u32::try_from(record.last_heartbeat_ns).expect("a version"));
    let peers = store.peers(&observer, None, 10_000).await.expect("a successful read");
    if version == 0 {
        assert_eq!(peers, []);
        return 0;
    }
    let expected: Vec<_> = (0..PEERS).chain([1_000 + version]).map(|number| peer(number, version)).collect();
    let unexpected = peers.iter().find(|peer| !expected.contains(peer));
    assert!(peers == expected, "{} peers of version {version}, unexpected: {unexpected:?}", peers.len());
    let log = store.segments(&observer, &node(0), 0, 10).await.expect("a successful read");
    assert_eq!(log, [segment(0, 2, version), segment(0, 5, version)]);
    let log = store.segments(&observer, &node(PEERS - 1), 0, 10).await.expect("a successful read");
    assert_eq!(log, [segment(PEERS - 1, 5, version)]);
    let gaps = store.gaps(&observer, 0, 10).await.expect("a successful read");
    let numbers: Vec<_> = gaps.iter().map(|gap| (gap.number, gap.to_ns)).collect();
    assert_eq!(numbers, [(version, u64::from(version)), (version + 1, u64::from(version))]);
    version
}

/// Returns a builder with a short claim timeout.
pub(crate) fn short_timeout(url: &str) -> PostgresStoreBuilder {
    PostgresStore::builder(url).claim_timeout(Duration::from_millis(200))
}

pub(crate) async fn open(database: &Database<'_>) -> PostgresStore {
    short_timeout(&database.url()).open().await.expect("an open store")
}

/// Waits until the condition holds. Panics after a minute.
pub(crate) async fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not true within a minute: {description}");
}

/// Returns the holder in a [`StoreError::Claimed`]. Panics on any other result.
pub(crate) fn claim_holder<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Claimed { .. }) => {
            assert!(!error.is_transient());
            let StoreError::Claimed { holder, .. } = error else { unreachable!() };
            holder
        }
        Err(other) => panic!("unexpected error: {other}"),
        Ok(_) => panic!("unexpected success"),
    }
}

/// Returns the text of a transient error. Panics on any other result.
pub(crate) fn transient_error<T>(result: Result<T, StoreError>) -> String {
    let error = result.err().expect("an error");
    assert!(error.is_transient(), "{error}");
    error.to_string()
}

/// Returns the reason of a [`StoreError::OpenFailed`]. Panics on any other result.
pub(crate) fn open_failure<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::OpenFailed { reason, .. }) => reason,
        Err(other) => panic!("unexpected error: {other}"),
        Ok(_) => panic!("unexpected success"),
    }
}

/// A superuser's session with an open transaction. Dropping it ends the session.
pub(crate) struct Blocker {
    psql: Child,
    input: Option<ChildStdin>,
}

impl Blocker {
    /// Starts a session, and returns when its transaction has run `sql`.
    pub(crate) async fn start(database: &Database<'_>, sql: &str) -> Self {
        use std::io::Write;
        let mut psql = database.cluster().psql(database.name());
        psql.env("PGAPPNAME", "blocker").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut psql = psql.spawn().expect("a psql process");
        let mut input = psql.stdin.take().expect("a piped input");
        writeln!(input, "BEGIN; {sql}; SELECT 'locked';").expect("a successful write");
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blocker' \
                    AND datname = current_database() AND state = 'idle in transaction' \
                    AND query LIKE 'SELECT ''locked''%'";
        wait_until("the blocker has its lock", || database.sql(idle) == "1").await;
        Self { psql, input: Some(input) }
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.psql.wait();
    }
}

/// Returns the process ids of the sessions that have an advisory lock of this database, one per line.
pub(crate) fn lock_holders(database: &Database<'_>) -> String {
    database.sql(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
         WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() ORDER BY 1",
    )
}

/// Returns the number of sessions that wait for a lock, without those of the superuser.
pub(crate) fn blocked_sessions(database: &Database<'_>) -> usize {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND usename <> 'postgres'";
    database.sql(count).parse().expect("a count")
}

/// Terminates those sessions, as an administrator can, and returns their number.
pub(crate) fn terminate_blocked_sessions(database: &Database<'_>) -> usize {
    let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename <> 'postgres'";
    database.sql(terminate).parse().expect("a count")
}

/// Makes the functions for advisory locks succeed without locking, as in CockroachDB.
pub(crate) fn disable_advisory_locks(database: &Database<'_>) {
    let mut sql = "SET allow_system_table_mods = on;".to_owned();
    for (name, returned) in [
        ("pg_try_advisory_lock", "boolean"),
        ("pg_advisory_unlock", "boolean"),
        ("pg_advisory_xact_lock", "void"),
    ] {
        let body = if returned == "boolean" { "SELECT true" } else { "" };
        sql.push_str(&format!(
            "ALTER FUNCTION pg_catalog.{name}(bigint) RENAME TO {name}_original; \
             CREATE FUNCTION pg_catalog.{name}(bigint) RETURNS {returned} LANGUAGE sql VOLATILE AS '{body}';"
        ));
    }
    database.sql(&sql);
}
