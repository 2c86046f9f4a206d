//! What SQL answers across the fleet.
//!
//! Four views in the store's schema, over all observers in it. Ids are `bytea`, the 33 bytes of a public
//! key; lengths are nanoseconds, moments nanoseconds since the Unix epoch as the observing node's clock calls
//! them. Both end at 2^62 - 1, which is 146 years, or the year 2116.
//!
//! What a node knows is as of its last heartbeat (`as_of_ns`), a minute ago or less while it runs. A window
//! of time is the business of [`PeerHistory`](fitness_core::PeerHistory): logs are records, which SQL does not read.
//!
//! # `peer_availability`: a peer as one node sees it
//!
//! | column | |
//! |---|---|
//! | `observer`, `node_id` | our node, and the peer |
//! | `presence`, `since_ns` | `online`, `offline` or `unobserved`, and since when |
//! | `as_of_ns` | the node's last heartbeat, until which all of this counts |
//! | `uptime_ns`, `observed_ns` | time in which it was online, and in which we knew, since it was first followed |
//! | `availability` | uptime over observed time, 0 to 1; null while nothing was observed |
//! | `disconnects` | changes from online to offline |
//! | `flap_count`, `last_flap_ns` | flaps, cooled down as of the last one; null before the first |
//! | `tracked_since_ns` | when it was first followed |
//! | `channels`, `watched` | how many channels are open with it; whether it is followed for its own sake |
//!
//! # `fleet_peers`: a peer as all nodes together see it
//!
//! | column | |
//! |---|---|
//! | `node_id` | the peer |
//! | `observers` | how many of our nodes know it |
//! | `online_at`, `offline_at`, `unobserved_at` | how many of them find it so, each as of its own heartbeat |
//! | `uptime_ns`, `observed_ns` | their sums (`numeric`) |
//! | `availability` | the one sum over the other; null while nothing was observed |
//! | `worst_availability`, `best_availability` | as the node sees it that sees it worst, and best |
//! | `disconnects`, `channels` | their sums (`numeric` and `bigint`) |
//! | `watched_at` | how many of our nodes follow it for its own sake |
//! | `tracked_since_ns` | when the first of our nodes followed it |
//!
//! # `seen_differently`: our path, not their fault
//!
//! Peers that a node finds offline while others find them online. Only nodes are heard whose last heartbeat
//! is less than five minutes old by the database's clock.
//!
//! | column | |
//! |---|---|
//! | `observer`, `node_id` | the node of ours that misses it, and the peer |
//! | `offline_since_ns` | since when it does |
//! | `online_at`, `offline_at` | how many of our nodes find it online, and offline |
//!
//! # `worst_peers`: whom to leave
//!
//! `fleet_peers` of whom a node of ours has a channel with or watches, the least available first; of those
//! that are equally available, the ones that left most often.
//!
//! ```sql
//! -- The ten worst that were watched for a week, all nodes together.
//! SELECT encode(node_id, 'hex'), availability, disconnects FROM ldk_fitness.worst_peers
//! WHERE observed_ns > 7 * 86400 * 1e9 LIMIT 10;
//!
//! -- One peer, from everywhere.
//! SELECT encode(observer, 'hex'), presence, availability FROM ldk_fitness.peer_availability
//! WHERE node_id = '\x02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619';
//!
//! -- Somebody who may look at all this, and at nothing else.
//! GRANT USAGE ON SCHEMA ldk_fitness TO grafana;
//! GRANT SELECT ON ldk_fitness.peer_availability, ldk_fitness.fleet_peers,
//!     ldk_fitness.seen_differently, ldk_fitness.worst_peers TO grafana;
//! ```
