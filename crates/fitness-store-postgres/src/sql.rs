//! Every statement that reads or writes a history.
//!
//! All but one keep to what PostgreSQL, CockroachDB and YugabyteDB have in common: single statements on
//! primary keys, `INSERT ... ON CONFLICT DO UPDATE`, arrays as parameters, `unnest`. The exception are the
//! advisory locks, which CockroachDB accepts and does not take.

use crate::schema::Schema;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        /// The statements, about one schema.
        #[derive(Debug)]
        pub(crate) struct Sql {
            $($(#[$doc])* pub(crate) $name: String,)*
        }

        impl Sql {
            pub(crate) fn new(schema: &Schema) -> Self {
                Self { $($name: schema.fill($sql),)* }
            }
        }
    };
}

statements! {
    observers = "SELECT observer FROM @schema@.observers ORDER BY observer";
    observer = "SELECT record FROM @schema@.observers WHERE observer = $1";
    peers = "SELECT node_id, record FROM @schema@.peers WHERE observer = $1 ORDER BY node_id LIMIT $2";
    peers_after = "SELECT node_id, record FROM @schema@.peers \
        WHERE observer = $1 AND node_id > $2 ORDER BY node_id LIMIT $3";
    peer = "SELECT record FROM @schema@.peers WHERE observer = $1 AND node_id = $2";
    segments = "SELECT number, record FROM @schema@.segments \
        WHERE observer = $1 AND node_id = $2 AND number >= $3 ORDER BY number LIMIT $4";
    gaps = "SELECT number, record FROM @schema@.gaps \
        WHERE observer = $1 AND number >= $2 ORDER BY number LIMIT $3";

    /// Whether a session has a lock, and takes it where nobody has.
    lock = "SELECT pg_try_advisory_lock($1)";
    unlock = "SELECT pg_advisory_unlock($1)";
    /// Who has it: the number in two halves, as the server lists it, and the observer it is about.
    holder = "SELECT l.pid, a.backend_start::text, a.application_name, a.usename::text, \
            a.client_addr::text, \
            (SELECT c.claimed_at::text FROM @schema@.claims c WHERE c.observer = $3) \
        FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
          AND l.classid::bigint = $1 AND l.objid::bigint = $2 \
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())";
    terminate = "SELECT pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
        WHERE a.pid = $1 AND a.backend_start::text = $2";
    /// How many commits there were, for whoever reads before he claims.
    commits = "SELECT commits FROM @schema@.claims WHERE observer = $1";
    claim_found = "SELECT session, epoch, commits, writer, holder FROM @schema@.claims \
        WHERE observer = $1 FOR UPDATE";
    claim = "INSERT INTO @schema@.claims AS c \
            (observer, session, epoch, commits, writer, holder, claimed_at) \
        VALUES ($1, $2, $3, $4, $5, $6, now()) \
        ON CONFLICT (observer) DO UPDATE SET \
            session = excluded.session, epoch = GREATEST(c.epoch + 1, excluded.epoch), \
            holder = excluded.holder, claimed_at = \
                CASE WHEN c.session = excluded.session THEN c.claimed_at ELSE excluded.claimed_at END \
        RETURNING epoch, commits";
    /// The first of each commit. It finds nothing once somebody else has claimed the observer, or another
    /// connection of ours; and nobody can claim it any more until the commit is through.
    fence = "UPDATE @schema@.claims SET commits = commits + 1, writer = session \
        WHERE observer = $1 AND session = $2 AND epoch = $3 RETURNING commits";

    forget_segments = "DELETE FROM @schema@.segments WHERE observer = $1 AND node_id = ANY($2)";
    forget_peers = "DELETE FROM @schema@.peers WHERE observer = $1 AND node_id = ANY($2)";
    // Functions of many rows in the list of columns go side by side, and unlike those in the FROM list
    // they do so without a temporary file.
    write_peers = "INSERT INTO @schema@.peers \
            (observer, node_id, tracked_since_ns, since_ns, online_ns, observed_ns, last_flap_ns, flap_count, \
             disconnects, channels, presence, watched, record) \
        SELECT $1::bytea, unnest($2::bytea[]), unnest($3::bigint[]), unnest($4::bigint[]), \
            unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]), \
            unnest($9::bigint[]), unnest($10::integer[]), unnest($11::smallint[]), unnest($12::boolean[]), \
            unnest($13::bytea[]) \
        ON CONFLICT (observer, node_id) DO UPDATE SET \
            tracked_since_ns = excluded.tracked_since_ns, since_ns = excluded.since_ns, \
            online_ns = excluded.online_ns, observed_ns = excluded.observed_ns, \
            last_flap_ns = excluded.last_flap_ns, flap_count = excluded.flap_count, \
            disconnects = excluded.disconnects, channels = excluded.channels, \
            presence = excluded.presence, watched = excluded.watched, record = excluded.record";
    /// What is below the number of each log whose peer is there.
    clear_logs = "DELETE FROM @schema@.segments s \
        USING unnest($2::bytea[], $3::bigint[]) AS r(node_id, below) \
        WHERE s.observer = $1 AND s.node_id = r.node_id AND s.number < r.below AND EXISTS \
            (SELECT 1 FROM @schema@.peers p WHERE p.observer = $1 AND p.node_id = r.node_id)";
    /// Segments of those peers that are there.
    write_thinned = "INSERT INTO @schema@.segments (observer, node_id, number, record) \
        SELECT $1::bytea, r.node_id, r.number, r.record \
        FROM unnest($2::bytea[], $3::bigint[], $4::bytea[]) AS r(node_id, number, record) \
        WHERE EXISTS \
            (SELECT 1 FROM @schema@.peers p WHERE p.observer = $1 AND p.node_id = r.node_id) \
        ON CONFLICT (observer, node_id, number) DO UPDATE SET record = excluded.record";
    write_segments = "INSERT INTO @schema@.segments (observer, node_id, number, record) \
        SELECT $1::bytea, unnest($2::bytea[]), unnest($3::bigint[]), unnest($4::bytea[]) \
        ON CONFLICT (observer, node_id, number) DO UPDATE SET record = excluded.record";
    write_gaps = "INSERT INTO @schema@.gaps (observer, number, from_ns, to_ns, cause, record) \
        SELECT $1::bytea, unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::bigint[]), \
            unnest($5::smallint[]), unnest($6::bytea[]) \
        ON CONFLICT (observer, number) DO UPDATE SET from_ns = excluded.from_ns, \
            to_ns = excluded.to_ns, cause = excluded.cause, record = excluded.record";
    forget_gaps = "DELETE FROM @schema@.gaps WHERE observer = $1 AND number < $2";
    write_observer = "INSERT INTO @schema@.observers \
            (observer, started_at_ns, heartbeat_ns, clock_ahead_ns, record) \
        VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (observer) DO UPDATE SET started_at_ns = excluded.started_at_ns, \
            heartbeat_ns = excluded.heartbeat_ns, clock_ahead_ns = excluded.clock_ahead_ns, \
            record = excluded.record";
}
