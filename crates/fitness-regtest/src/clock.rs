//! The one place that reads the wall clock. The chain model is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, in the width of a block header's time field.
#[allow(
    clippy::disallowed_methods,
    reason = "nodes compare block times with their own clock, so the chain has to follow the real one"
)]
pub(crate) fn unix_now() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
