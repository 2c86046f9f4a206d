//! Moments and stretches of time, as people write them on a command line.

use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use fitness_core::{StandardWindow, Timestamp};

/// A moment: nanoseconds since the Unix epoch, or RFC 3339 such as `2026-03-01T12:00:00Z`.
///
/// # Errors
///
/// What was expected, in words.
pub(crate) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    const EXPECTED: &str =
        "expected RFC 3339 such as 2026-03-01T12:00:00Z, or nanoseconds since 1970 as an integer";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let nanos = text.parse().map_err(|_| format!("{EXPECTED} up to {}", u64::MAX))?;
        return Ok(Timestamp::from_nanos(nanos));
    }
    let (local, ahead_secs) = split_offset(text).ok_or(EXPECTED)?;
    let local = humantime::parse_rfc3339_weak(local).map_err(|error| format!("{EXPECTED}: {error}"))?;
    let since_epoch = local.duration_since(UNIX_EPOCH).map_err(|_| EXPECTED)?;
    let nanos = i128::try_from(since_epoch.as_nanos()).map_err(|_| EXPECTED)?;
    let nanos = u64::try_from(nanos - i128::from(ahead_secs) * 1_000_000_000)
        .map_err(|_| "expected a moment from 1970 to 2554")?;
    Ok(Timestamp::from_nanos(nanos))
}

/// Splits `…+02:00` into what stands before and the seconds that its clock is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let Some((local, offset)) = text.len().checked_sub(6).and_then(|start| text.split_at_checked(start))
    else {
        return Some((text, 0));
    };
    // The time of day has no sign, and the date's dashes stand further left.
    let sign = match offset.as_bytes().first() {
        Some(b'+') if local.contains(':') => 1,
        Some(b'-') if local.contains(':') => -1,
        _ => return Some((text, 0)),
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let two_digits = |text: &str, most: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|&number| digits && number <= most)
    };
    Some((local, sign * (two_digits(hours, 23)? * 3600 + two_digits(minutes, 59)? * 60)))
}

/// A stretch of time that ends at the moment of the question.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Its length in nanoseconds; not 0. A lifetime is as long as can be.
    pub(crate) length_ns: u64,
    /// As it was written.
    pub(crate) text: String,
}

impl Window {
    /// Where it begins if it ends at `at`.
    pub(crate) const fn before(&self, at: Timestamp) -> Timestamp {
        at.before_nanos(self.length_ns)
    }

    /// Whether it is all the time there is.
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

/// A moment as RFC 3339, in UTC, with as many digits as it has.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    humantime::format_rfc3339(UNIX_EPOCH + Duration::from_nanos(at.as_nanos())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_every_spelling() {
        let noon = Timestamp::from_secs(1_772_366_400);
        for text in [
            "1772366400000000000",
            "2026-03-01T12:00:00Z",
            "2026-03-01 12:00:00",
            "2026-03-01T12:00:00+00:00",
            "2026-03-01T14:00:00+02:00",
            "2026-03-01T06:30:00-05:30",
        ] {
            assert_eq!(parse_moment(text), Ok(noon), "{text}");
        }
        assert_eq!(rfc3339(noon), "2026-03-01T12:00:00Z");
        assert_eq!(parse_moment("2026-03-01T14:00:00.25+02:00"), Ok(noon.after_nanos(250_000_000)));
        assert_eq!(parse_moment(&u64::MAX.to_string()), Ok(Timestamp::MAX));
        assert_eq!(parse_moment(&rfc3339(Timestamp::MAX)), Ok(Timestamp::MAX));
    }

    #[test]
    fn no_moment_is_an_error_that_says_what_is() {
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
            let error = parse_moment(text).expect_err(text);
            assert!(error.starts_with("expected"), "{text}: {error}");
        }
    }

    #[test]
    fn windows() {
        let week: Window = "7d".parse().expect("a week");
        assert_eq!(week.length_ns, 7 * 86_400 * 1_000_000_000);
        assert_eq!("1000years".parse::<Window>().map(|window| window.length_ns), Ok(u64::MAX));
        let lifetime: Window = "lifetime".parse().expect("all the time there is");
        assert_eq!((lifetime.is_lifetime(), lifetime.before(Timestamp::MAX)), (true, Timestamp::EPOCH));
        assert!(!week.is_lifetime());
        for span in StandardWindow::ALL {
            let window: Window = span.name().parse().expect("a usual window");
            assert_eq!(window.length_ns, span.length_ns().unwrap_or(u64::MAX));
        }
        for text in ["", "0s", "7", "week", "-1d"] {
            let error = text.parse::<Window>().expect_err(text);
            assert!(error.starts_with("expected"), "{text}: {error}");
        }
    }
}
