//! Moments, and what was the matter at them.

use std::time::{Duration, SystemTime};

use fitness_core::{GapCause, Timestamp};

const SECOND: u64 = 1_000_000_000;

/// The last second of the year 9999, beyond which dates have no usual form.
const LAST_SECOND: u64 = 253_402_300_799;

/// A moment as programs read it, in UTC by RFC 3339, to the second: `2026-11-22T21:22:13Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let secs = (at.as_nanos() / SECOND).min(LAST_SECOND);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).to_string()
}

/// A moment as people read it, in UTC, to the second: `2026-11-22 21:22:13`.
#[must_use]
pub fn datetime(at: Timestamp) -> String {
    rfc3339(at).replace('T', " ").replace('Z', "")
}

/// Why we could not tell who was online, in a few words.
#[must_use]
pub const fn gap_cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::NotRunning => "our program was not running",
        GapCause::Suspended => "we were suspended",
        GapCause::NetworkDown => "our network was out",
        GapCause::Paused => "the wallet paused us",
        _ => "we could not tell",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_can_be_told() {
        assert_eq!(datetime(Timestamp::from_secs(1_700_000_000)), "2023-11-14 22:13:20");
        assert_eq!(rfc3339(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp::MAX), "2554-07-21T23:34:33Z");
    }
}
