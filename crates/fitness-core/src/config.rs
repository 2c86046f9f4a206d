//! How a tracker behaves: ours by default, lnd's by preset.

use crate::Retention;
use crate::log::LogCapacity;

const SECOND_NS: u64 = 1_000_000_000;

/// How a [`Tracker`](crate::Tracker) behaves.
///
/// ```
/// use fitness_core::TrackerConfig;
///
/// let ours = TrackerConfig::default().with_log_capacity(1024);
/// let lnds = TrackerConfig::lnd_0_19();
/// # assert_ne!(ours, lnds);
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

/// When to take a loss of peers for an outage of our own network.
///
/// Our network is taken to be out when, with no connection coming up in between, at least
/// `min_peers` connections and at least `percent` of those that were up before the first of them
/// went down within `settle_ns` of each other. All connections that we are told of count, those of
/// peers that are not followed included. The outage began with the first of the losses, and ends
/// when the next connection comes up. It is also taken to be out when a grace has passed in which
/// at least `min_peers` peers were waited for and nobody at all was connected.
///
/// Fewer than `min_peers` losses never are an outage, so no failure of one peer is excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOutageRule {
    /// How many connections have to go down at least; the default is 3, and 0 is 1.
    pub min_peers: u32,
    /// Which part of the connections has to go down, in per cent; the default is 80.
    pub min_percent: u8,
    /// Within what time, in nanoseconds; the default is 30 s.
    pub settle_ns: u64,
}

impl Default for NetworkOutageRule {
    fn default() -> Self {
        Self { min_peers: 3, min_percent: 80, settle_ns: 30 * SECOND_NS }
    }
}

impl NetworkOutageRule {
    /// Whether `disconnected` connections of `of` are all but all.
    pub(crate) fn applies(&self, disconnected: usize, total: usize) -> bool {
        let (disconnected, total) = (disconnected as u64, total as u64);
        disconnected >= u64::from(self.min_peers.max(1))
            && disconnected.saturating_mul(100) >= total.saturating_mul(u64::from(self.min_percent))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Peers with a channel and watched ones; only changes count; nothing flaps from unobserved.
    Native,
    /// Every peer that was ever heard of; every event is a flap.
    Lnd019,
    /// Every peer that ever had a channel; every event is a flap, and so is the first sight.
    LndMaster,
}

impl Rules {
    pub(crate) fn is_lnd(self) -> bool {
        self != Self::Native
    }
}

impl TrackerConfig {
    /// The behaviour of lnd 0.19, quirks and all: every peer is tracked for ever, a repeated event
    /// is a flap, and the log goes with the last channel. The log is unbounded.
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

    /// The behaviour of lnd's master branch in August 2026: as [`TrackerConfig::lnd_0_19`], but a
    /// peer is tracked from its first channel on, and its presence at that moment is a flap.
    #[must_use]
    pub const fn lnd_master() -> Self {
        Self { rules: Rules::LndMaster, ..Self::lnd_0_19() }
    }

    const LND_COMMIT_DELAY_NS: u64 = 3600 * SECOND_NS;

    /// How many stored entries of a peer's log stay in memory; the default is 64.
    ///
    /// They go in whole segments of [`SEGMENT_ENTRIES`](crate::SEGMENT_ENTRIES), and the last of these
    /// always stays. Questions that reach further back read the store, or state their error.
    #[must_use]
    pub const fn with_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.stored = entries;
        self
    }

    /// How many entries of a peer's log are held while they cannot be stored; the default is 4,096,
    /// the least 2.
    ///
    /// When there are more, the oldest quarter is dropped. Totals stay exact; windows that reach into
    /// what was dropped state their error.
    #[must_use]
    pub const fn with_unsaved_log_capacity(mut self, entries: u32) -> Self {
        self.log_capacity.unsaved = if entries < 2 { 2 } else { entries };
        self
    }

    /// When to take a loss of peers for an outage of our own network; `None` is never. lnd knows no
    /// such rule, and its presets have none.
    #[must_use]
    pub const fn with_network_outage_rule(self, rule: Option<NetworkOutageRule>) -> Self {
        Self { network_outage_rule: rule, ..self }
    }

    /// How long which detail of a history is kept. It matters to who calls
    /// [`Tracker::forget_expired`](crate::Tracker::forget_expired) and
    /// [`Tracker::downsampled`](crate::Tracker::downsampled) now and then.
    #[must_use]
    pub const fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// How long a peer that was online before a gap of ours (a restart, a pause) has to come back
    /// before it counts as offline, in nanoseconds; the default is two minutes, 0 is no grace.
    ///
    /// Until it is back, or until then, its time is unobserved. If it is not back then, it was
    /// offline from the end of the gap. lnd knows no gaps, and its presets no grace.
    #[must_use]
    pub const fn with_reconnect_grace_ns(self, grace_ns: u64) -> Self {
        Self { reconnect_grace_ns: grace_ns, ..self }
    }

    /// How long after the first unsaved change [`Tracker::commit_deadline`](crate::Tracker::commit_deadline)
    /// asks for a commit, in nanoseconds; the default is one second, in the lnd presets an hour.
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
