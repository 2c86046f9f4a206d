//! How a tracker behaves: ours by default, lnd's by preset.

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
    pub(crate) log_capacity: u32,
    pub(crate) commit_delay_ns: u64,
    pub(crate) reconnect_grace_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Peers with a channel and watched ones; only changes count; nothing flaps from unobserved.
    Ours,
    /// Every peer that was ever heard of; every event is a flap.
    Lnd019,
    /// Every peer that ever had a channel; every event is a flap, and so is the first sight.
    LndMaster,
}

impl Rules {
    pub(crate) fn are_lnds(self) -> bool {
        self != Self::Ours
    }
}

impl TrackerConfig {
    /// The behaviour of lnd 0.19, quirks and all: every peer is tracked for ever, a repeated event
    /// is a flap, and the log goes with the last channel. The log is unbounded.
    #[must_use]
    pub const fn lnd_0_19() -> Self {
        Self {
            rules: Rules::Lnd019,
            log_capacity: u32::MAX,
            commit_delay_ns: Self::LND_COMMIT_DELAY_NS,
            reconnect_grace_ns: 0,
        }
    }

    /// The behaviour of lnd's master branch in August 2026: as [`TrackerConfig::lnd_0_19`], but a
    /// peer is tracked from its first channel on, and its presence at that moment is a flap.
    #[must_use]
    pub const fn lnd_master() -> Self {
        Self { rules: Rules::LndMaster, ..Self::lnd_0_19() }
    }

    const LND_COMMIT_DELAY_NS: u64 = 3600 * 1_000_000_000;

    /// How many entries a peer's log holds in memory at most; the default is 4,096, the least 2.
    ///
    /// When it is full, the oldest quarter is dropped. Totals stay exact; windows that reach into
    /// what was dropped state their error.
    #[must_use]
    pub const fn with_log_capacity(self, entries: u32) -> Self {
        Self { log_capacity: if entries < 2 { 2 } else { entries }, ..self }
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
            rules: Rules::Ours,
            log_capacity: 4096,
            commit_delay_ns: 1_000_000_000,
            reconnect_grace_ns: 120 * 1_000_000_000,
        }
    }
}
