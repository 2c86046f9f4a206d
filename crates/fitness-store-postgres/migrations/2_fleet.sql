-- Views over the histories of all observers in the schema. They use the columns beside the records.

-- A peer as one observer sees it, as of that observer's last heartbeat: an online or offline period that has
-- not ended is counted up to the heartbeat. Moments are in the time of the observer's clock. Totals are
-- limited to 2^62 - 1 ns, as in the tables.
CREATE VIEW @schema@.peer_availability AS
SELECT
    t.observer,
    t.node_id,
    CASE t.presence WHEN 2 THEN 'online' WHEN 1 THEN 'offline' ELSE 'unobserved' END AS presence,
    t.presence_since_ns + t.clock_offset_ns AS presence_since_ns,
    t.as_of_ns + t.clock_offset_ns AS as_of_ns,
    t.uptime_ns,
    t.observed_ns,
    CASE WHEN t.observed_ns > 0
        THEN t.uptime_ns::double precision / t.observed_ns::double precision END AS availability,
    t.disconnects,
    t.flap_count,
    t.last_flap_ns + t.clock_offset_ns AS last_flap_ns,
    t.tracked_since_ns + t.clock_offset_ns AS tracked_since_ns,
    t.open_channels,
    t.watched
FROM (
    SELECT
        p.observer, p.node_id, p.presence, p.presence_since_ns, o.last_heartbeat_ns AS as_of_ns,
        o.clock_offset_ns,
        LEAST(4611686018427387903, p.online_ns
            + CASE WHEN p.presence = 2 THEN GREATEST(0, o.last_heartbeat_ns - p.presence_since_ns) ELSE 0 END)
            AS uptime_ns,
        LEAST(4611686018427387903, p.observed_ns
            + CASE WHEN p.presence > 0 THEN GREATEST(0, o.last_heartbeat_ns - p.presence_since_ns) ELSE 0 END)
            AS observed_ns,
        p.disconnects, p.flap_count, p.last_flap_ns, p.tracked_since_ns, p.open_channels, p.watched
    FROM @schema@.peers p
    JOIN @schema@.observers o ON o.observer = p.observer
) t;

-- A peer as all observers together see it. The sums are numeric, so no number of observers overflows them.
CREATE VIEW @schema@.fleet_peers AS
SELECT
    a.node_id,
    count(*) AS observer_count,
    count(CASE WHEN a.presence = 'online' THEN 1 END) AS online_count,
    count(CASE WHEN a.presence = 'offline' THEN 1 END) AS offline_count,
    count(CASE WHEN a.presence = 'unobserved' THEN 1 END) AS unobserved_count,
    sum(a.uptime_ns) AS uptime_ns,
    sum(a.observed_ns) AS observed_ns,
    CASE WHEN sum(a.observed_ns) > 0
        THEN sum(a.uptime_ns)::double precision / sum(a.observed_ns)::double precision END AS availability,
    min(a.availability) AS min_availability,
    max(a.availability) AS max_availability,
    sum(a.disconnects) AS disconnects,
    sum(a.open_channels) AS open_channels,
    count(CASE WHEN a.watched THEN 1 END) AS watched_count,
    min(a.tracked_since_ns) AS tracked_since_ns
FROM @schema@.peer_availability a
GROUP BY a.node_id;

-- Peers that one observer sees offline while another sees them online. The cause is then the path from the
-- first observer, not the peer. Only observers whose last heartbeat is less than five minutes old by the
-- database's clock are considered.
CREATE VIEW @schema@.presence_conflicts AS
SELECT
    mine.observer,
    mine.node_id,
    mine.presence_since_ns AS offline_since_ns,
    fleet.online_count,
    fleet.offline_count
FROM @schema@.peer_availability mine
JOIN (
    SELECT
        a.node_id,
        count(CASE WHEN a.presence = 'online' THEN 1 END) AS online_count,
        count(CASE WHEN a.presence = 'offline' THEN 1 END) AS offline_count
    FROM @schema@.peer_availability a
    WHERE a.as_of_ns > (extract(epoch FROM now()) * 1000000000)::bigint - 300000000000
    GROUP BY a.node_id
) fleet ON fleet.node_id = mine.node_id
WHERE mine.presence = 'offline'
  AND fleet.online_count > 0
  AND mine.as_of_ns > (extract(epoch FROM now()) * 1000000000)::bigint - 300000000000;

-- The peers that an observer has a channel with or watches, the least available first. Of peers with equal
-- availability, those with more disconnects come first. Select the first rows with LIMIT, and peers that were
-- observed for long enough with WHERE observed_ns > ...
CREATE VIEW @schema@.peers_by_availability AS
SELECT f.*
FROM @schema@.fleet_peers f
WHERE f.observed_ns > 0 AND (f.open_channels > 0 OR f.watched_count > 0)
ORDER BY f.availability, f.disconnects DESC, f.node_id;
