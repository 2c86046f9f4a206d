-- The first column of every primary key is the observer: the node whose history the row belongs to. Node ids
-- are the 33 bytes of a public key. Durations are in nanoseconds. Moments are nanoseconds since the Unix
-- epoch in tracker time, which equals the observer's clock unless that clock was once wrong by years;
-- clock_offset_ns is then the difference. The largest duration and the largest moment are 2^62 - 1 (146 years,
-- and the year 2116), so the sum of two of them does not overflow.
--
-- `record` is the encoded record: a format number, the fields and a checksum. It is authoritative. The other
-- columns repeat some of its fields for SQL queries; they are written together with it and never read back.

CREATE TABLE @schema@.observers (
    observer          bytea  PRIMARY KEY,
    started_at_ns     bigint NOT NULL, -- when the process that wrote this row began to observe
    last_heartbeat_ns bigint NOT NULL, -- the latest moment at which it is known to have observed
    clock_offset_ns   bigint NOT NULL, -- moment + clock_offset_ns = time of the observer's clock; usually 0
    record            bytea  NOT NULL
);

-- Half of each page is left free, so that PostgreSQL can write the new version of a changed row to the same
-- page and need not change the index (heap-only tuples). A commit of all peers is then several times cheaper,
-- and old row versions are removed without a vacuum.
CREATE TABLE @schema@.peers (
    observer          bytea    NOT NULL,
    node_id           bytea    NOT NULL,
    tracked_since_ns  bigint   NOT NULL,
    presence_since_ns bigint   NOT NULL, -- when `presence` last changed
    online_ns         bigint   NOT NULL, -- total at presence_since_ns
    observed_ns       bigint   NOT NULL, -- total at presence_since_ns
    last_flap_ns      bigint,            -- null before the first flap
    flap_count        bigint   NOT NULL, -- decayed as of the last flap
    disconnects       bigint   NOT NULL,
    open_channels     integer  NOT NULL, -- number of open channels with the peer
    presence          smallint NOT NULL, -- 0 unobserved, 1 offline, 2 online
    watched           boolean  NOT NULL,
    record            bytea    NOT NULL,
    PRIMARY KEY (observer, node_id)
) WITH (fillfactor = 50);

-- The event logs of peers, with up to 64 entries per row.
CREATE TABLE @schema@.log_segments (
    observer      bytea  NOT NULL,
    node_id       bytea  NOT NULL,
    segment_index bigint NOT NULL,
    record        bytea  NOT NULL,
    PRIMARY KEY (observer, node_id, segment_index)
) WITH (fillfactor = 80);

-- Monitoring gaps: intervals in which the observer could not observe, with their causes.
CREATE TABLE @schema@.gaps (
    observer bytea    NOT NULL,
    number   bigint   NOT NULL,
    from_ns  bigint   NOT NULL,
    to_ns    bigint   NOT NULL,
    cause    smallint NOT NULL, -- 1 not running, 2 suspended, 3 network down, 4 paused
    record   bytea    NOT NULL,
    PRIMARY KEY (observer, number)
);

-- The store that may write for each observer. A claim raises the epoch, and so does each new connection of
-- the holder. A commit checks the epoch; if it has changed, the commit stores nothing.
CREATE TABLE @schema@.claims (
    observer            bytea       PRIMARY KEY,
    holder_session      bytea       NOT NULL, -- session id of the store that claimed the observer last
    epoch               bigint      NOT NULL,
    commits             bigint      NOT NULL, -- number of commits for the observer, by any store
    last_writer_session bytea       NOT NULL, -- session id of the store that committed last
    holder              text        NOT NULL, -- application_name of the holder
    claimed_at          timestamptz NOT NULL
);
