//! The configuration of a tracker, and the presets that reproduce lnd.

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
/// The network is considered down in either of two cases:
///
/// * At least `min_peers` connections, and at least `min_percent` of the connections that were up, are
///   lost within `settle_ns`, and no connection comes up in between.
/// * A reconnect grace period expires, at least `min_peers` peers are still in it, no connection is up and
///   none came up since the gap ended.
///
/// The network outage begins with the first of these disconnects, or at the end of the gap. It ends when
/// the next connection comes up. All connections count, including those of strangers.
///
/// Fewer than `min_peers` disconnects are never attributed to the network, so the failure of a single peer
/// always counts against that peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOutageRule {
    /// The minimum number of disconnects; the default is 3. 0 has the same effect as 1.
    pub min_peers: u32,
    /// The minimum percentage of connections that must be lost; the default is 80.
    pub min_percent: u8,
    /// The interval within which the disconnects must happen, in nanoseconds; the default is 30 s.
    pub settle_ns: u64,
}

impl Default for NetworkOutageRule {
    fn default() -> Self {
        Self { min_peers: 3, min_percent: 80, settle_ns: 30 * SECOND_NS }
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
    /// Returns a configuration that behaves exactly like lnd 0.19.
    ///
    /// Every peer that was ever connected is tracked forever, repeated events are flaps, and the log is
    /// deleted with the last channel. The log is unbounded. Pauses and suspensions are ignored, there is
    /// no reconnect grace period and no network outage rule, and commits are an hour apart.
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

    /// Returns a configuration that behaves exactly like lnd's master branch as of August 2026.
    ///
    /// It equals [`TrackerConfig::lnd_0_19`], except that a peer is tracked from its first channel on, and
    /// that its presence at that moment is a flap.
    #[must_use]
    pub const fn lnd_master() -> Self {
        Self { rules: Rules::LndMaster, ..Self::lnd_0_19() }
    }

    const LND_COMMIT_DELAY_NS: u64 = 3600 * SECOND_NS;

    /// Sets how many stored entries of a peer's log stay in memory; the default is 64.
    ///
    /// Entries are dropped in whole segments of [`SEGMENT_ENTRIES`](crate::SEGMENT_ENTRIES), and the last
    /// segment always stays. Queries that reach further back need the segments from the store; without
    /// them, they state their error.
    #[must_use]
    pub const fn with_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.stored = entries;
        self
    }

    /// Sets how many entries of a peer's log are held in memory while they cannot be stored; the default is
    /// 4,096, the minimum 2.
    ///
    /// When there are more, the oldest quarter is dropped. Totals stay exact; windows that reach into the
    /// dropped part state their error.
    #[must_use]
    pub const fn with_unsaved_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.unsaved = if entries < 2 { 2 } else { entries };
        self
    }

    /// Sets the rule that detects outages of the observer's own network; `None` disables it. The lnd
    /// presets have no such rule, because lnd has none.
    #[must_use]
    pub const fn with_network_outage_rule(self, rule: Option<NetworkOutageRule>) -> Self {
        Self { network_outage_rule: rule, ..self }
    }

    /// Sets how long history is kept, and at which level of detail.
    ///
    /// The embedder applies it by calling [`Tracker::forget_expired`](crate::Tracker::forget_expired) and
    /// [`Tracker::downsampled`](crate::Tracker::downsampled) regularly.
    #[must_use]
    pub const fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Sets the reconnect grace period in nanoseconds; the default is two minutes, and 0 disables it.
    ///
    /// A peer that was online before a monitoring gap is unobserved until it reconnects or the period
    /// expires. If it is still disconnected then, it counts as offline from the end of the gap. The lnd
    /// presets have no grace period, because lnd does not record monitoring gaps.
    #[must_use]
    pub const fn with_reconnect_grace_ns(self, grace_ns: u64) -> Self {
        Self { reconnect_grace_ns: grace_ns, ..self }
    }

    /// Sets the time from the first unsaved change to
    /// [`Tracker::commit_deadline`](crate::Tracker::commit_deadline), in nanoseconds; the default is one
    /// second, in the lnd presets one hour.
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
