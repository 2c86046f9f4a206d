//! The configuration of a tracker, and the presets that reproduce the peer monitoring of lnd.

use crate::Retention;
use crate::log::LogCapacity;

const SECOND_NS: u64 = 1_000_000_000;

/// The configuration of a [`Tracker`](crate::Tracker).
///
/// ```
/// use fitness_core::TrackerConfig;
///
/// let config = TrackerConfig::default().with_log_capacity(1024);
/// let lnd = TrackerConfig::lnd_0_19();
/// # assert_ne!(config, lnd);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    pub(crate) rules: Rules,
    pub(crate) log_capacity: LogCapacity,
    pub(crate) commit_delay_ns: u64,
    pub(crate) reconnect_grace_ns: u64,
    pub(crate) network_outage_rule: Option<NetworkOutageRule>,
    pub(crate) retention: Retention,
}

/// The rule that attributes simultaneous disconnects to an outage of the observer's own network.
///
/// The network counts as down in either of two cases:
///
/// 1. At least `min_peers` connections, and at least `min_percent` of all connections, are lost within
///    `window_ns`, and no new connection is established in between. The network outage begins with the first
///    of these disconnects.
/// 2. A reconnect grace period expires while at least `min_peers` tracked peers are still in it, no node is
///    connected, and none has connected since the monitoring gap ended. The network outage begins at the end
///    of that gap.
///
/// In both cases the outage ends when the next connection is established. Connections of strangers count like
/// those of peers.
///
/// Fewer than `min_peers` disconnects are never attributed to the network. With the default of 3, the failure
/// of a single peer therefore always counts against that peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOutageRule {
    /// The minimum number of lost connections (case 1) or of peers in the grace period (case 2). The default
    /// is 3; 0 has the same effect as 1.
    pub min_peers: u32,
    /// The minimum percentage of all connections that must be lost. The default is 80.
    pub min_percent: u8,
    /// The maximum time from the first to the last of the disconnects, in nanoseconds. The default is 30 s.
    pub window_ns: u64,
}

impl Default for NetworkOutageRule {
    fn default() -> Self {
        Self { min_peers: 3, min_percent: 80, window_ns: 30 * SECOND_NS }
    }
}

impl NetworkOutageRule {
    /// Returns whether the loss of `disconnected` out of `total` connections meets the rule.
    pub(crate) fn applies(&self, disconnected: usize, total: usize) -> bool {
        let (disconnected, total) = (disconnected as u64, total as u64);
        disconnected >= u64::from(self.min_peers.max(1))
            && disconnected.saturating_mul(100) >= total.saturating_mul(u64::from(self.min_percent))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Tracks peers that have a channel or are watched. Only changes between online and offline are flaps.
    Native,
    /// Tracks every peer that was ever connected. Every event is a flap.
    Lnd019,
    /// Tracks every peer that ever had a channel. Every event is a flap, and so is the presence at the
    /// first channel.
    LndMaster,
}

impl Rules {
    pub(crate) fn is_lnd(self) -> bool {
        self != Self::Native
    }
}

impl TrackerConfig {
    /// Returns a configuration that behaves exactly like the peer monitoring of lnd 0.19.
    ///
    /// Every peer that was ever connected is tracked forever. Repeated events are flaps. The log is
    /// unbounded, and a peer's log is deleted when its last channel is closed. Pauses and suspensions are
    /// ignored. There is no reconnect grace period and no network outage rule. The commit delay is one hour.
    #[must_use]
    pub const fn lnd_0_19() -> Self {
        Self {
            rules: Rules::Lnd019,
            log_capacity: LogCapacity { stored: u32::MAX, unsaved: u32::MAX },
            commit_delay_ns: Self::LND_COMMIT_DELAY_NS,
            reconnect_grace_ns: 0,
            network_outage_rule: None,
            retention: Retention::UNLIMITED,
        }
    }

    /// Returns a configuration that behaves exactly like the peer monitoring in lnd's master branch as of
    /// August 2026.
    ///
    /// It equals [`TrackerConfig::lnd_0_19`], except that a peer is tracked only once its first channel is
    /// opened, and that its presence at that time counts as a flap.
    #[must_use]
    pub const fn lnd_master() -> Self {
        Self { rules: Rules::LndMaster, ..Self::lnd_0_19() }
    }

    const LND_COMMIT_DELAY_NS: u64 = 3600 * SECOND_NS;

    /// Sets how many stored entries of a peer's log stay in memory; the default is 64.
    ///
    /// Entries leave memory in whole segments of [`SEGMENT_ENTRIES`](crate::SEGMENT_ENTRIES); they remain in
    /// the store. The last segment always stays in memory. A query that reaches further back needs the
    /// segments from the store. Without them, the result is an estimate, and the report contains its maximum
    /// error.
    #[must_use]
    pub const fn with_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.stored = entries;
        self
    }

    /// Sets the maximum number of entries of a peer's log that are kept in memory while the store is
    /// unavailable. The default is 4,096; the minimum is 2.
    ///
    /// When this number is reached, the oldest quarter is dropped and never stored. Totals stay exact.
    /// Reports of windows that overlap the dropped part contain a nonzero error.
    #[must_use]
    pub const fn with_unsaved_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.unsaved = if entries < 2 { 2 } else { entries };
        self
    }

    /// Sets the rule that detects outages of the observer's own network; `None` disables it. The lnd
    /// presets do not use a rule, because lnd does not detect network outages.
    #[must_use]
    pub const fn with_network_outage_rule(self, rule: Option<NetworkOutageRule>) -> Self {
        Self { network_outage_rule: rule, ..self }
    }

    /// Sets how long history is kept, and at which level of detail.
    ///
    /// The embedder applies this setting about once a day, as described in the calling protocol of
    /// [`Tracker`](crate::Tracker#calling-protocol).
    #[must_use]
    pub const fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Sets the reconnect grace period in nanoseconds; the default is two minutes, and 0 disables it.
    ///
    /// A peer that was online before a monitoring gap is unobserved until it reconnects or the period
    /// expires. If it is reported as disconnected when the period expires, it counts as offline from the end
    /// of the gap. The lnd presets have no grace period, because lnd does not record monitoring gaps.
    #[must_use]
    pub const fn with_reconnect_grace_ns(self, grace_ns: u64) -> Self {
        Self { reconnect_grace_ns: grace_ns, ..self }
    }

    /// Sets the time from the first unsaved change to
    /// [`Tracker::commit_deadline`](crate::Tracker::commit_deadline), in nanoseconds. The default is one
    /// second; the lnd presets use one hour.
    #[must_use]
    pub const fn with_commit_delay_ns(self, delay_ns: u64) -> Self {
        Self { commit_delay_ns: delay_ns, ..self }
    }
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            rules: Rules::Native,
            log_capacity: LogCapacity { stored: 64, unsaved: 4096 },
            commit_delay_ns: SECOND_NS,
            reconnect_grace_ns: 120 * SECOND_NS,
            network_outage_rule: Some(NetworkOutageRule::default()),
            retention: Retention::DEFAULT,
        }
    }
}
