//! Points in time.

use core::fmt;

/// A point in time, in nanoseconds since the Unix epoch (1970-01-01T00:00:00Z).
///
/// The range ends in the year 2554. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The latest representable time.
    pub const MAX: Self = Self(u64::MAX);

    /// Creates a timestamp from nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Creates a timestamp from whole seconds since the epoch. Saturates at [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Returns the nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time `nanos` nanoseconds later. Saturates at [`Timestamp::MAX`].
    #[must_use]
    pub const fn after_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Returns the time `secs` seconds later. Saturates at [`Timestamp::MAX`].
    #[must_use]
    pub const fn after_secs(self, secs: u64) -> Self {
        self.after_nanos(secs.saturating_mul(1_000_000_000))
    }

    /// Returns the time `nanos` nanoseconds earlier. Saturates at [`Timestamp::EPOCH`].
    #[must_use]
    pub const fn before_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_sub(nanos))
    }

    /// Returns the nanoseconds since `earlier`; 0 if `earlier` is later than this time.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    /// Writes the seconds since the epoch with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
