//! The ledger: the exact running totals of a peer's uptime and observed time.

use crate::LogEntry;

/// The state of a peer's connection, as seen by the observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Presence {
    /// The state of the connection is not known.
    #[default]
    Unobserved,
    /// The peer is not connected.
    Offline,
    /// The peer is connected.
    Online,
}

impl Presence {
    /// Returns `Some(true)` if online, `Some(false)` if offline and `None` if unobserved.
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

/// A peer's uptime and observed time, in nanoseconds, since it was first tracked.
///
/// `online_ns` is never greater than `observed_ns`. Both are monotonic and saturate at [`Totals::LIMIT_NS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Totals {
    /// The uptime: the time during which the peer was online.
    pub online_ns: u64,
    /// The observed time: the time during which the presence was known.
    pub observed_ns: u64,
}

impl Totals {
    /// The maximum total: 146 years.
    pub const LIMIT_NS: u64 = (1 << 62) - 1;

    /// Returns the totals after `elapsed_ns` more nanoseconds of `presence`.
    #[must_use]
    pub fn after(self, presence: Presence, elapsed_ns: u64) -> Self {
        let grow = |total: u64| total.saturating_add(elapsed_ns).min(Self::LIMIT_NS);
        match presence {
            Presence::Unobserved => self,
            Presence::Offline => Self { observed_ns: grow(self.observed_ns), ..self },
            Presence::Online => Self { online_ns: grow(self.online_ns), observed_ns: grow(self.observed_ns) },
        }
    }

    /// Returns the difference from `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            online_ns: self.online_ns.saturating_sub(earlier.online_ns),
            observed_ns: self.observed_ns.saturating_sub(earlier.observed_ns),
        }
    }
}

/// The running totals of one peer: its presence, the time of the last presence change, and the totals at that
/// time.
///
/// A ledger is exact: it counts every change, even those that the log drops. Its times are in tracker time,
/// which never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    // The last change has the form of a log entry, which takes 24 bytes.
    last: LogEntry,
}

impl Ledger {
    /// Creates a ledger that starts at `at_ns`, with presence unobserved and both totals at 0.
    #[must_use]
    pub fn starting(at_ns: u64) -> Self {
        Self::from_parts(Presence::Unobserved, at_ns, Totals::default())
    }

    /// Creates a ledger from stored values.
    #[must_use]
    pub fn from_parts(presence: Presence, since_ns: u64, totals: Totals) -> Self {
        Self { last: LogEntry::new(since_ns, presence, totals) }
    }

    /// Returns the last change as a log entry.
    #[must_use]
    pub const fn last_change(&self) -> LogEntry {
        self.last
    }

    /// Returns the presence since [`Ledger::presence_since_ns`].
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.last.presence()
    }

    /// Returns the tracker time of the last change.
    #[must_use]
    pub const fn presence_since_ns(&self) -> u64 {
        self.last.at_ns()
    }

    /// Returns the totals at [`Ledger::presence_since_ns`].
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.last.totals()
    }

    /// Returns the totals at `now_ns`, or at [`Ledger::presence_since_ns`] if that is later.
    #[must_use]
    pub fn totals_at(&self, now_ns: u64) -> Totals {
        self.totals().after(self.presence(), now_ns.saturating_sub(self.presence_since_ns()))
    }

    /// Replaces the presence since [`Ledger::presence_since_ns`].
    pub(crate) fn amend(&mut self, presence: Presence) {
        self.last = LogEntry::new(self.presence_since_ns(), presence, self.totals());
    }

    /// Changes the presence at `at_ns`.
    pub fn set(&mut self, presence: Presence, at_ns: u64) {
        // An earlier time than the last change would count the time in between twice.
        self.last = LogEntry::new(self.presence_since_ns().max(at_ns), presence, self.totals_at(at_ns));
    }
}
