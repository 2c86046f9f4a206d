//! Times and windows as command-line values.

use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use fitness_core::{StandardWindow, Timestamp};

/// Parses a time: nanoseconds since the Unix epoch, or RFC 3339 such as `2026-03-01T12:00:00Z`.
///
/// # Errors
///
/// Returns a message with the expected format.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    const EXPECTED: &str =
        "expected RFC 3339 such as 2026-03-01T12:00:00Z, or nanoseconds since 1970 as an integer";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let nanos = text.parse().map_err(|_| format!("{EXPECTED} up to {}", u64::MAX))?;
        return Ok(Timestamp::from_nanos(nanos));
    }
    let (local, utc_offset_secs) = split_offset(text).ok_or(EXPECTED)?;
    let local = humantime::parse_rfc3339_weak(local).map_err(|error| format!("{EXPECTED}: {error}"))?;
    let since_epoch = local.duration_since(UNIX_EPOCH).map_err(|_| EXPECTED)?;
    let nanos = i128::try_from(since_epoch.as_nanos()).map_err(|_| EXPECTED)?;
    let nanos = u64::try_from(nanos - i128::from(utc_offset_secs) * 1_000_000_000)
        .map_err(|_| "expected a time from 1970 to 2554")?;
    Ok(Timestamp::from_nanos(nanos))
}

/// Splits `…+02:00` into the local time and its UTC offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let Some((local, offset)) = text.len().checked_sub(6).and_then(|start| text.split_at_checked(start))
    else {
        return Some((text, 0));
    };
    // A sign after a colon starts the offset: a time of day has no sign, and the dashes of the date come
    // first.
    let sign = match offset.as_bytes().first() {
        Some(b'+') if local.contains(':') => 1,
        Some(b'-') if local.contains(':') => -1,
        _ => return Some((text, 0)),
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let two_digits = |text: &str, max: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|&number| digits && number <= max)
    };
    Some((local, sign * (two_digits(hours, 23)? * 3600 + two_digits(minutes, 59)? * 60)))
}

/// A window of time that ends at the time of the report.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Length in nanoseconds, greater than 0; `u64::MAX` for `lifetime`.
    pub(crate) length_ns: u64,
    /// The window as given on the command line.
    pub(crate) text: String,
}

impl Window {
    /// Returns the start of the window that ends at `end`.
    pub(crate) const fn start(&self, end: Timestamp) -> Timestamp {
        end.before_nanos(self.length_ns)
    }

    /// Returns whether the window is `lifetime`.
    pub(crate) fn is_lifetime(&self) -> bool {
        self.text == StandardWindow::Lifetime.name()
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a duration such as 30m, 24h, 7d or `1d 12h`, or `lifetime`";
        if text == StandardWindow::Lifetime.name() {
            return Ok(Self { length_ns: u64::MAX, text: text.to_owned() });
        }
        let length = humantime::parse_duration(text).map_err(|error| format!("{EXPECTED}: {error}"))?;
        if length == Duration::ZERO {
            return Err(format!("{EXPECTED}, longer than 0"));
        }
        let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Ok(Self { length_ns, text: text.trim().to_owned() })
    }
}

/// Formats a time as RFC 3339 in UTC, with fractional seconds if there are any.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    humantime::format_rfc3339(UNIX_EPOCH + Duration::from_nanos(at.as_nanos())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_time_formats_are_parsed() {
        let noon = Timestamp::from_secs(1_772_366_400);
        for text in [
            "1772366400000000000",
            "2026-03-01T12:00:00Z",
            "2026-03-01 12:00:00",
            "2026-03-01T12:00:00+00:00",
            "2026-03-01T14:00:00+02:00",
            "2026-03-01T06:30:00-05:30",
        ] {
            assert_eq!(parse_time(text), Ok(noon), "{text}");
        }
        assert_eq!(rfc3339(noon), "2026-03-01T12:00:00Z");
        assert_eq!(parse_time("2026-03-01T14:00:00.25+02:00"), Ok(noon.after_nanos(250_000_000)));
        assert_eq!(parse_time(&u64::MAX.to_string()), Ok(Timestamp::MAX));
        assert_eq!(parse_time(&rfc3339(Timestamp::MAX)), Ok(Timestamp::MAX));
    }

    #[test]
    fn invalid_times_are_rejected_with_the_expected_format() {
        for text in [
            "",
            "-1",
            "1.5",
            "noon",
            "2026-03-01",
            "2026-13-01T12:00:00Z",
            "2026-03-01T12:00:00+2:00",
            "2026-03-01T12:00:00+25:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2600-01-01T00:00:00Z",
            "18446744073709551616",
            "äöüäöüäöü+äöü",
        ] {
            let error = parse_time(text).expect_err(text);
            assert!(error.starts_with("expected"), "{text}: {error}");
        }
    }

    #[test]
    fn windows_are_parsed() {
        let week: Window = "7d".parse().expect("a valid window");
        assert_eq!(week.length_ns, 7 * 86_400 * 1_000_000_000);
        assert_eq!("1000years".parse::<Window>().map(|window| window.length_ns), Ok(u64::MAX));
        let lifetime: Window = "lifetime".parse().expect("a valid window");
        assert_eq!((lifetime.is_lifetime(), lifetime.start(Timestamp::MAX)), (true, Timestamp::EPOCH));
        assert!(!week.is_lifetime());
        for standard_window in StandardWindow::ALL {
            let window: Window = standard_window.name().parse().expect("a standard window");
            assert_eq!(window.length_ns, standard_window.length_ns().unwrap_or(u64::MAX));
        }
        for text in ["", "0s", "7", "week", "-1d"] {
            let error = text.parse::<Window>().expect_err(text);
            assert!(error.starts_with("expected"), "{text}: {error}");
        }
    }
}
