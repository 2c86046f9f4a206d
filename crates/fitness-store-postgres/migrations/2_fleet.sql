-- What all of our nodes together know: views alone, over the columns beside the records.

-- A peer as one of our nodes sees it, as of that node's last heartbeat: what began before and goes on is
-- counted until then. Moments are as the node's clock calls them. Totals end at 2^62 - 1 ns, as everywhere.
CREATE VIEW @schema@.peer_availability AS
SELECT
    t.observer,
    t.node_id,
    CASE t.presence WHEN 2 THEN 'online' WHEN 1 THEN 'offline' ELSE 'unobserved' END AS presence,
    t.since_ns + t.clock_ahead_ns AS since_ns,
    t.as_of_ns + t.clock_ahead_ns AS as_of_ns,
    t.uptime_ns,
    t.observed_ns,
    CASE WHEN t.observed_ns > 0
        THEN t.uptime_ns::double precision / t.observed_ns::double precision END AS availability,
    t.disconnects,
    t.flap_count,
    t.last_flap_ns + t.clock_ahead_ns AS last_flap_ns,
    t.first_seen_ns + t.clock_ahead_ns AS first_seen_ns,
    t.channels,
    t.watched
FROM (
    SELECT
        p.observer, p.node_id, p.presence, p.since_ns, o.heartbeat_ns AS as_of_ns, o.clock_ahead_ns,
        LEAST(4611686018427387903,
            p.online_ns + CASE WHEN p.presence = 2 THEN GREATEST(0, o.heartbeat_ns - p.since_ns) ELSE 0 END)
            AS uptime_ns,
        LEAST(4611686018427387903,
            p.observed_ns + CASE WHEN p.presence > 0 THEN GREATEST(0, o.heartbeat_ns - p.since_ns) ELSE 0 END)
            AS observed_ns,
        p.disconnects, p.flap_count, p.last_flap_ns, p.first_seen_ns, p.channels, p.watched
    FROM @schema@.peers p
    JOIN @schema@.observers o ON o.observer = p.observer
) t;

-- A peer as all of our nodes together see it. The sums are numeric: no number of nodes is too many.
CREATE VIEW @schema@.fleet_peers AS
SELECT
    a.node_id,
    count(*) AS observers,
    count(CASE WHEN a.presence = 'online' THEN 1 END) AS online_at,
    count(CASE WHEN a.presence = 'offline' THEN 1 END) AS offline_at,
    count(CASE WHEN a.presence = 'unobserved' THEN 1 END) AS unobserved_at,
    sum(a.uptime_ns) AS uptime_ns,
    sum(a.observed_ns) AS observed_ns,
    CASE WHEN sum(a.observed_ns) > 0
        THEN sum(a.uptime_ns)::double precision / sum(a.observed_ns)::double precision END AS availability,
    min(a.availability) AS worst_availability,
    max(a.availability) AS best_availability,
    sum(a.disconnects) AS disconnects,
    sum(a.channels) AS channels,
    count(CASE WHEN a.watched THEN 1 END) AS watched_at,
    min(a.first_seen_ns) AS first_seen_ns
FROM @schema@.peer_availability a
GROUP BY a.node_id;

-- Peers that one of our nodes finds offline while others find them online: our path, not their fault. Only
-- nodes are heard whose last heartbeat is less than five minutes old by the database's clock.
CREATE VIEW @schema@.seen_differently AS
SELECT
    mine.observer,
    mine.node_id,
    mine.since_ns AS offline_since_ns,
    seen.online_at,
    seen.offline_at
FROM @schema@.peer_availability mine
JOIN (
    SELECT
        a.node_id,
        count(CASE WHEN a.presence = 'online' THEN 1 END) AS online_at,
        count(CASE WHEN a.presence = 'offline' THEN 1 END) AS offline_at
    FROM @schema@.peer_availability a
    WHERE a.as_of_ns > (extract(epoch FROM now()) * 1000000000)::bigint - 300000000000
    GROUP BY a.node_id
) seen ON seen.node_id = mine.node_id
WHERE mine.presence = 'offline'
  AND seen.online_at > 0
  AND mine.as_of_ns > (extract(epoch FROM now()) * 1000000000)::bigint - 300000000000;

-- The peers that the fleet has a channel with or watches, the least available first; of those that are
-- equally available the ones that left most often. Ask for the first so many (LIMIT), and for those that
-- were observed for long enough to tell (WHERE observed_ns > ...).
CREATE VIEW @schema@.worst_peers AS
SELECT f.*
FROM @schema@.fleet_peers f
WHERE f.observed_ns > 0 AND (f.channels > 0 OR f.watched_at > 0)
ORDER BY f.availability, f.disconnects DESC, f.node_id;
