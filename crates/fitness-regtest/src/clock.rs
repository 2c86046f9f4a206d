//! The only place that reads the wall clock. Everything else takes the time as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the seconds since the Unix epoch, in the width of the time field of a block header.
#[allow(
    clippy::disallowed_methods,
    reason = "nodes compare block times with their own clock, so the chain must use the real time"
)]
pub(crate) fn unix_now() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
