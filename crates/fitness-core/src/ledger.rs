//! The exact account of a peer's time: presence, since when, and two running totals.

use crate::LogEntry;

/// What we know of a peer at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Presence {
    /// We could not tell.
    #[default]
    Unobserved,
    /// Not connected.
    Offline,
    /// Connected.
    Online,
}

impl Presence {
    /// `Some(true)` online, `Some(false)` offline, `None` unobserved.
    #[must_use]
    pub const fn is_online(self) -> Option<bool> {
        match self {
            Self::Unobserved => None,
            Self::Offline => Some(false),
            Self::Online => Some(true),
        }
    }
}

impl From<bool> for Presence {
    fn from(online: bool) -> Self {
        if online { Self::Online } else { Self::Offline }
    }
}

impl From<Option<bool>> for Presence {
    fn from(online: Option<bool>) -> Self {
        online.map_or(Self::Unobserved, Self::from)
    }
}

/// Two running totals of a peer, in nanoseconds, since it was first followed.
///
/// `online_ns <= observed_ns`, always. Neither ever shrinks. Both stop at [`Totals::LIMIT_NS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Totals {
    /// Time in which the peer was online.
    pub online_ns: u64,
    /// Time in which we knew whether it was.
    pub observed_ns: u64,
}

impl Totals {
    /// The largest total that is counted: 146 years.
    pub const LIMIT_NS: u64 = (1 << 62) - 1;

    /// These totals after `elapsed_ns` more nanoseconds of `presence`.
    #[must_use]
    pub fn after(self, presence: Presence, elapsed_ns: u64) -> Self {
        let grow = |total: u64| total.saturating_add(elapsed_ns).min(Self::LIMIT_NS);
        match presence {
            Presence::Unobserved => self,
            Presence::Offline => Self { observed_ns: grow(self.observed_ns), ..self },
            Presence::Online => Self { online_ns: grow(self.online_ns), observed_ns: grow(self.observed_ns) },
        }
    }

    /// What was added since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            online_ns: self.online_ns.saturating_sub(earlier.online_ns),
            observed_ns: self.observed_ns.saturating_sub(earlier.observed_ns),
        }
    }
}

/// Presence, since when, and the totals at that moment.
///
/// Exact: every change counts, whatever the event log forgets. Times are on the tracker's own
/// line, which never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    // The last change has the very shape of a log entry, and 24 bytes.
    last: LogEntry,
}

impl Ledger {
    /// An account that knows nothing yet, from the moment `at_ns`.
    #[must_use]
    pub fn starting(at_ns: u64) -> Self {
        Self::from_parts(Presence::Unobserved, at_ns, Totals::default())
    }

    /// An account as it was stored.
    #[must_use]
    pub fn from_parts(presence: Presence, since_ns: u64, totals: Totals) -> Self {
        Self { last: LogEntry::new(since_ns, presence, totals) }
    }

    /// The last change, as an entry of a log.
    #[must_use]
    pub const fn last_change(&self) -> LogEntry {
        self.last
    }

    /// What is known since [`Ledger::presence_since_ns`].
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.last.presence()
    }

    /// When the present presence began, in nanoseconds on the tracker's line.
    #[must_use]
    pub const fn presence_since_ns(&self) -> u64 {
        self.last.at_ns()
    }

    /// The totals at [`Ledger::presence_since_ns`].
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.last.totals()
    }

    /// The totals at `now_ns`; those at [`Ledger::presence_since_ns`] where that is later.
    #[must_use]
    pub fn totals_at(&self, now_ns: u64) -> Totals {
        self.totals().after(self.presence(), now_ns.saturating_sub(self.presence_since_ns()))
    }

    /// Says that since [`Ledger::presence_since_ns`] it was not `presence()` but this, after all.
    pub(crate) fn amend(&mut self, presence: Presence) {
        self.last = LogEntry::new(self.presence_since_ns(), presence, self.totals());
    }

    /// Changes the presence at `at_ns`.
    pub fn set(&mut self, presence: Presence, at_ns: u64) {
        // A moment before the present stretch began would count the time in between twice.
        self.last = LogEntry::new(self.presence_since_ns().max(at_ns), presence, self.totals_at(at_ns));
    }
}
