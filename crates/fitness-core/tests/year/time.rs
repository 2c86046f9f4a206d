//! Durations in nanoseconds, and the bounds of the simulated year.

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// 14 November 2023, 22:13:20 UTC.
pub(crate) const START: u64 = 1_700_000_000 * SECOND;
pub(crate) const END: u64 = START + 365 * DAY;
