//! The statements that read and write histories and claims.
//!
//! Except for the advisory locks, they use only what PostgreSQL, CockroachDB and YugabyteDB have in common:
//! single statements on primary keys, `INSERT ... ON CONFLICT DO UPDATE`, arrays as parameters, `unnest`.
//! CockroachDB accepts the functions for advisory locks but does not lock.

use crate::schema::Schema;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        /// The statements, with the name of one schema filled in.
        #[derive(Debug)]
        pub(crate) struct Sql {
            $($(#[$doc])* pub(crate) $name: String,)*
        }

        impl Sql {
            pub(crate) fn new(schema: &Schema) -> Self {
                Self { $($name: schema.expand($sql),)* }
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
    segments = "SELECT segment_index, record FROM @schema@.log_segments \
        WHERE observer = $1 AND node_id = $2 AND segment_index >= $3 ORDER BY segment_index LIMIT $4";
    gaps = "SELECT number, record FROM @schema@.gaps \
        WHERE observer = $1 AND number >= $2 ORDER BY number LIMIT $3";

    /// Takes a lock if it is free, and returns whether this session has it.
    try_lock = "SELECT pg_try_advisory_lock($1)";
    unlock = "SELECT pg_advisory_unlock($1)";
    /// Describes the session that has a lock. The parameters are the two halves of the lock's number, as
    /// pg_locks lists it, and the observer.
    lock_holder = "SELECT l.pid, a.backend_start::text, a.application_name, a.usename::text, \
            a.client_addr::text, \
            (SELECT c.claimed_at::text FROM @schema@.claims c WHERE c.observer = $3) \
        FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
          AND l.classid::bigint = $1 AND l.objid::bigint = $2 \
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())";
    terminate = "SELECT pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
        WHERE a.pid = $1 AND a.backend_start::text = $2";
    /// Returns the number of commits for an observer.
    commit_count = "SELECT commits FROM @schema@.claims WHERE observer = $1";
    read_claim = "SELECT holder_session, epoch, commits, last_writer_session, holder FROM @schema@.claims \
        WHERE observer = $1 FOR UPDATE";
    write_claim = "INSERT INTO @schema@.claims AS c \
            (observer, holder_session, epoch, commits, last_writer_session, holder, claimed_at) \
        VALUES ($1, $2, $3, $4, $5, $6, now()) \
        ON CONFLICT (observer) DO UPDATE SET \
            holder_session = excluded.holder_session, epoch = GREATEST(c.epoch + 1, excluded.epoch), \
            holder = excluded.holder, claimed_at = CASE WHEN c.holder_session = excluded.holder_session \
                THEN c.claimed_at ELSE excluded.claimed_at END \
        RETURNING epoch, commits";
    /// The first statement of each commit. It updates no row if another store, or another connection of this
    /// store, has claimed the observer since. Until the transaction ends, no other session can claim it.
    fence = "UPDATE @schema@.claims SET commits = commits + 1, last_writer_session = holder_session \
        WHERE observer = $1 AND holder_session = $2 AND epoch = $3 RETURNING commits";

    forget_segments = "DELETE FROM @schema@.log_segments WHERE observer = $1 AND node_id = ANY($2)";
    forget_peers = "DELETE FROM @schema@.peers WHERE observer = $1 AND node_id = ANY($2)";
    // Set-returning functions in the select list advance together. Unlike functions in the FROM list they
    // need no temporary file.
    write_peers = "INSERT INTO @schema@.peers \
            (observer, node_id, tracked_since_ns, presence_since_ns, online_ns, observed_ns, last_flap_ns, \
             flap_count, disconnects, open_channels, presence, watched, record) \
        SELECT $1::bytea, unnest($2::bytea[]), unnest($3::bigint[]), unnest($4::bigint[]), \
            unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]), \
            unnest($9::bigint[]), unnest($10::integer[]), unnest($11::smallint[]), unnest($12::boolean[]), \
            unnest($13::bytea[]) \
        ON CONFLICT (observer, node_id) DO UPDATE SET \
            tracked_since_ns = excluded.tracked_since_ns, presence_since_ns = excluded.presence_since_ns, \
            online_ns = excluded.online_ns, observed_ns = excluded.observed_ns, \
            last_flap_ns = excluded.last_flap_ns, flap_count = excluded.flap_count, \
            disconnects = excluded.disconnects, open_channels = excluded.open_channels, \
            presence = excluded.presence, watched = excluded.watched, record = excluded.record";
    /// Deletes the segments below an index, for each of the peers that is stored.
    delete_replaced_segments = "DELETE FROM @schema@.log_segments s \
        USING unnest($2::bytea[], $3::bigint[]) AS r(node_id, below_index) \
        WHERE s.observer = $1 AND s.node_id = r.node_id AND s.segment_index < r.below_index AND EXISTS \
            (SELECT 1 FROM @schema@.peers p WHERE p.observer = $1 AND p.node_id = r.node_id)";
    /// Writes the segments whose peers are stored.
    write_replacement_segments = "INSERT INTO @schema@.log_segments \
            (observer, node_id, segment_index, record) \
        SELECT $1::bytea, r.node_id, r.segment_index, r.record \
        FROM unnest($2::bytea[], $3::bigint[], $4::bytea[]) AS r(node_id, segment_index, record) \
        WHERE EXISTS \
            (SELECT 1 FROM @schema@.peers p WHERE p.observer = $1 AND p.node_id = r.node_id) \
        ON CONFLICT (observer, node_id, segment_index) DO UPDATE SET record = excluded.record";
    write_segments = "INSERT INTO @schema@.log_segments (observer, node_id, segment_index, record) \
        SELECT $1::bytea, unnest($2::bytea[]), unnest($3::bigint[]), unnest($4::bytea[]) \
        ON CONFLICT (observer, node_id, segment_index) DO UPDATE SET record = excluded.record";
    write_gaps = "INSERT INTO @schema@.gaps (observer, number, from_ns, to_ns, cause, record) \
        SELECT $1::bytea, unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::bigint[]), \
            unnest($5::smallint[]), unnest($6::bytea[]) \
        ON CONFLICT (observer, number) DO UPDATE SET from_ns = excluded.from_ns, \
            to_ns = excluded.to_ns, cause = excluded.cause, record = excluded.record";
    prune_gaps = "DELETE FROM @schema@.gaps WHERE observer = $1 AND number < $2";
    write_observer = "INSERT INTO @schema@.observers \
            (observer, started_at_ns, last_heartbeat_ns, clock_offset_ns, record) \
        VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (observer) DO UPDATE SET started_at_ns = excluded.started_at_ns, \
            last_heartbeat_ns = excluded.last_heartbeat_ns, clock_offset_ns = excluded.clock_offset_ns, \
            record = excluded.record";
}
