-- Every table is keyed by the observer, the node whose history it is, first. Ids are the 33 bytes of a
-- public key, lengths are nanoseconds. Moments are nanoseconds since the Unix epoch on the observer's own
-- line of time, which is its clock unless that was once set by years: then clock_ahead_ns tells them apart.
-- Both end at 2^62 - 1, which is in 2116: sums of two do not overflow.
--
-- `record` is the record: a format number, its fields, a checksum. The columns beside it say what of it SQL
-- may want to know. They are written with it and never read back.

CREATE TABLE @schema@.observers (
    observer       bytea  PRIMARY KEY,
    started_at_ns  bigint NOT NULL, -- when the process that wrote this started to observe
    heartbeat_ns   bigint NOT NULL, -- until when it is known to have observed
    clock_ahead_ns bigint NOT NULL, -- to be added to a moment for what the clock calls it; nearly always 0
    record         bytea  NOT NULL
);

-- Half of each page is left free: a row that changes then finds room beside itself, and its index entry
-- stays as it is. That makes a flush of everything several times cheaper, and old rows go without a vacuum.
CREATE TABLE @schema@.peers (
    observer      bytea    NOT NULL,
    node_id       bytea    NOT NULL,
    first_seen_ns bigint   NOT NULL,
    since_ns      bigint   NOT NULL, -- since when `presence` is as it is
    online_ns     bigint   NOT NULL, -- total at since_ns
    observed_ns   bigint   NOT NULL, -- total at since_ns
    last_flap_ns  bigint,            -- null before the first
    flap_count    bigint   NOT NULL, -- cooled down as of the last flap
    disconnects   bigint   NOT NULL,
    channels      integer  NOT NULL, -- how many are open
    presence      smallint NOT NULL, -- 0 unobserved, 1 offline, 2 online
    watched       boolean  NOT NULL,
    record        bytea    NOT NULL,
    PRIMARY KEY (observer, node_id)
) WITH (fillfactor = 50);

-- The logs of peers, up to 64 entries a row.
CREATE TABLE @schema@.segments (
    observer bytea  NOT NULL,
    node_id  bytea  NOT NULL,
    number   bigint NOT NULL,
    record   bytea  NOT NULL,
    PRIMARY KEY (observer, node_id, number)
) WITH (fillfactor = 80);

-- When and why an observer could not tell.
CREATE TABLE @schema@.gaps (
    observer bytea    NOT NULL,
    number   bigint   NOT NULL,
    from_ns  bigint   NOT NULL,
    to_ns    bigint   NOT NULL,
    cause    smallint NOT NULL, -- 1 down, 2 suspended, 3 network out, 4 paused
    record   bytea    NOT NULL,
    PRIMARY KEY (observer, number)
);

-- Who writes for an observer. Each claim and each new connection of who has it raises the epoch; a commit
-- of an earlier one finds that out, and stores nothing.
CREATE TABLE @schema@.claims (
    observer   bytea       PRIMARY KEY,
    session    bytea       NOT NULL, -- the store that has it, or had it last
    epoch      bigint      NOT NULL,
    commits    bigint      NOT NULL, -- how many there were, by anybody
    writer     bytea       NOT NULL, -- the session of the last of them
    holder     text        NOT NULL, -- the application_name of the session
    claimed_at timestamptz NOT NULL
);
