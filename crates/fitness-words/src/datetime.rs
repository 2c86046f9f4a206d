//! Dates and times, and the causes of monitoring gaps.

use std::time::{Duration, SystemTime};

use fitness_core::{GapCause, Timestamp};

const SECOND: u64 = 1_000_000_000;

/// The last second of the year 9999, the last year that RFC 3339 can represent.
const MAX_UNIX_SECS: u64 = 253_402_300_799;

/// Formats a timestamp for programs: RFC 3339, UTC, to the second, such as `2026-11-22T21:22:13Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let secs = (at.as_nanos() / SECOND).min(MAX_UNIX_SECS);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).to_string()
}

/// Formats a timestamp for people: UTC, to the second, such as `2026-11-22 21:22:13`.
#[must_use]
pub fn datetime(at: Timestamp) -> String {
    rfc3339(at).replace('T', " ").replace('Z', "")
}

/// Returns the cause of a monitoring gap as a short noun phrase, such as `network down`.
#[must_use]
pub const fn gap_cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::NotRunning => "program not running",
        GapCause::Suspended => "system suspended or process stalled",
        GapCause::NetworkDown => "network down",
        GapCause::Paused => "monitoring paused by the wallet",
        _ => "cause unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_formatted_in_utc_to_the_second() {
        assert_eq!(datetime(Timestamp::from_secs(1_700_000_000)), "2023-11-14 22:13:20");
        assert_eq!(rfc3339(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp::MAX), "2554-07-21T23:34:33Z");
    }
}
