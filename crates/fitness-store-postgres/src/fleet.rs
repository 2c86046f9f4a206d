//! SQL views over all observers of a schema.
//!
//! The schema contains four views. Node ids are `bytea`, the 33 bytes of a public key. Durations are in
//! nanoseconds. Moments are nanoseconds since the Unix epoch, in the time of the observer's clock. Durations
//! are limited to 2^62 - 1 ns, which is 146 years, and moments to the year 2116.
//!
//! The values of an observer are as of its last heartbeat (`as_of_ns`), which is at most a minute old while
//! its service runs. SQL cannot compute statistics of a window of time, because the event logs are stored in
//! encoded form; use [`PeerHistory`](fitness_core::PeerHistory).
//!
//! # `peer_availability`: a peer as one observer sees it
//!
//! | column | meaning |
//! |---|---|
//! | `observer`, `node_id` | the observer, and the peer |
//! | `presence`, `presence_since_ns` | `online`, `offline` or `unobserved`, and when that began |
//! | `as_of_ns` | the observer's last heartbeat, up to which the other columns count |
//! | `uptime_ns`, `observed_ns` | the time in which the peer was online, and in which its presence was known, since it was first tracked |
//! | `availability` | uptime divided by observed time, 0 to 1; null while nothing was observed |
//! | `disconnects` | the number of online-to-offline transitions |
//! | `flap_count`, `last_flap_ns` | the number of flaps, decayed as of the last flap, and its time; `last_flap_ns` is null before the first flap |
//! | `tracked_since_ns` | when the peer was first tracked |
//! | `open_channels`, `watched` | the number of open channels with the peer, and whether it is watched |
//!
//! # `fleet_peers`: a peer as all observers together see it
//!
//! | column | meaning |
//! |---|---|
//! | `node_id` | the peer |
//! | `observer_count` | the number of observers that have stored the peer |
//! | `online_count`, `offline_count`, `unobserved_count` | the number of observers that see the peer online, offline or unobserved, each as of its own heartbeat |
//! | `uptime_ns`, `observed_ns` | the sums over the observers (`numeric`) |
//! | `availability` | the first sum divided by the second; null while nothing was observed |
//! | `min_availability`, `max_availability` | the lowest and the highest availability that an observer measured |
//! | `disconnects`, `open_channels` | the sums over the observers (`numeric` and `bigint`) |
//! | `watched_count` | the number of observers that watch the peer |
//! | `tracked_since_ns` | when the first observer began to track the peer |
//!
//! # `presence_conflicts`: peers that observers see differently
//!
//! Peers that one observer sees offline while another sees them online. The cause is then the path from the
//! first observer, not the peer. Only observers whose last heartbeat is less than five minutes old by the
//! database's clock are considered.
//!
//! | column | meaning |
//! |---|---|
//! | `observer`, `node_id` | the observer that sees the peer offline, and the peer |
//! | `offline_since_ns` | when the peer went offline for this observer |
//! | `online_count`, `offline_count` | the number of observers that see the peer online and offline |
//!
//! # `peers_by_availability`: the least available peers first
//!
//! The rows of `fleet_peers` with at least one open channel or watching observer and with observed time, in
//! ascending order of availability. Of peers with equal availability, those with more disconnects come first.
//!
//! ```sql
//! -- The ten least available peers that were observed for a week in total.
//! SELECT encode(node_id, 'hex'), availability, disconnects FROM ldk_fitness.peers_by_availability
//! WHERE observed_ns > 7 * 86400 * 1e9 LIMIT 10;
//!
//! -- One peer, as each observer sees it.
//! SELECT encode(observer, 'hex'), presence, availability FROM ldk_fitness.peer_availability
//! WHERE node_id = '\x02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619';
//!
//! -- A role that can read the views and nothing else.
//! GRANT USAGE ON SCHEMA ldk_fitness TO grafana;
//! GRANT SELECT ON ldk_fitness.peer_availability, ldk_fitness.fleet_peers,
//!     ldk_fitness.presence_conflicts, ldk_fitness.peers_by_availability TO grafana;
//! ```
