//! Durations, percentages and counts.

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// The text shown in place of an unknown number.
pub const NA: &str = "n/a";

/// Formats a duration in nanoseconds in its two largest units: `3d 04h`, `4h 07m`, `2m 05s`, `12.3s`,
/// `250ms`.
///
/// Rounds down, so a part never looks longer than the whole.
#[must_use]
pub fn duration(ns: u64) -> String {
    match ns {
        0 | MINUTE.. => coarse_duration(ns),
        SECOND.. => format!("{}.{}s", ns / SECOND, ns % SECOND / (SECOND / 10)),
        MILLI.. => format!("{}ms", ns / MILLI),
        MICRO.. => format!("{}us", ns / MICRO),
        _ => format!("{ns}ns"),
    }
}

/// Formats a duration in nanoseconds without fractions of a second, for values that are redrawn often:
/// `3d 04h`, `2m 05s`, `12s`.
#[must_use]
pub fn coarse_duration(ns: u64) -> String {
    let secs = ns / SECOND;
    let (mins, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match secs {
        _ if days >= 1_000 => format!("{days}d"),
        _ if days > 0 => format!("{days}d {:02}h", hours % 24),
        _ if hours > 0 => format!("{hours}h {:02}m", mins % 60),
        _ if mins > 0 => format!("{mins}m {:02}s", secs % 60),
        _ => format!("{secs}s"),
    }
}

/// Formats a duration in nanoseconds like [`duration`], or returns [`NA`] for `None`.
#[must_use]
pub fn or_na(ns: Option<u64>) -> String {
    ns.map_or_else(|| NA.to_owned(), duration)
}

/// Formats `part` of `whole` as a percentage such as `99.95%`, or returns [`NA`] if `whole` is 0.
///
/// Only the whole is shown as `100.00%`, and only zero as `0.00%`.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return NA.to_owned();
    }
    let (wide_part, wide_whole) = (u128::from(part), u128::from(whole));
    let hundredths = match part {
        0 => 0,
        _ if part >= whole => 10_000,
        _ => ((wide_part * 10_000 + wide_whole / 2) / wide_whole).clamp(1, 9_999),
    };
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// Formats a ratio from 0 to 1 as a percentage such as `99.95%`.
///
/// Only 1 is shown as `100.00%`, and only 0 as `0.00%`. Clamps ratios outside that range. Returns [`NA`] for
/// NaN.
#[must_use]
pub fn ratio_percent(ratio: f64) -> String {
    let hundredths = match ratio {
        _ if ratio.is_nan() => return NA.to_owned(),
        _ if ratio >= 1.0 => 10_000.0,
        _ if ratio <= 0.0 => 0.0,
        _ => (ratio * 10_000.0).round().clamp(1.0, 9_999.0),
    };
    format!("{:.2}%", hundredths / 100.0)
}

/// Formats a whole number with thousands separators: `1,234,567`.
#[must_use]
pub fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun in the right form: `1 outage`, `3 outages`.
#[must_use]
pub fn pluralize(number: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", group_digits(number), if number == 1 { singular } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_the_two_largest_units() {
        let texts = [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_500, "1us"),
            (999_999_999, "999ms"),
            (SECOND, "1.0s"),
            (12_399_999_999, "12.3s"),
            (59_999_999_999, "59.9s"),
            (60 * SECOND, "1m 00s"),
            (3_599 * SECOND, "59m 59s"),
            (3_600 * SECOND, "1h 00m"),
            (86_399 * SECOND, "23h 59m"),
            (86_400 * SECOND, "1d 00h"),
            (76 * 3_600 * SECOND, "3d 04h"),
            (1_000 * 86_400 * SECOND, "1000d"),
            (u64::MAX, "213503d"),
        ];
        for (ns, text) in texts {
            assert_eq!(duration(ns), text);
        }
        let texts = [(0, "0s"), (59 * SECOND + 1, "59s"), (MINUTE, "1m 00s"), (u64::MAX, "213503d")];
        for (ns, text) in texts {
            assert_eq!(coarse_duration(ns), text);
        }
    }

    #[test]
    fn only_the_whole_is_shown_as_100_percent() {
        assert_eq!(percent(0, 0), "n/a");
        assert_eq!(percent(0, 5), "0.00%");
        assert_eq!(percent(1, u64::MAX), "0.01%");
        assert_eq!(percent(2, 3), "66.67%");
        assert_eq!(percent(57, 100), "57.00%");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.99%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.00%");
    }

    #[test]
    fn a_ratio_is_formatted_like_the_fraction() {
        for (part, whole) in
            [(0, 5), (1, u64::MAX), (1, 2), (2, 3), (57, 100), (9_999_999, 10_000_000), (7, 7)]
        {
            #[allow(clippy::cast_precision_loss)]
            let ratio = part as f64 / whole as f64;
            assert_eq!(ratio_percent(ratio), percent(part, whole));
        }
        assert_eq!([f64::NAN, -1.0, 2.0].map(ratio_percent), ["n/a", "0.00%", "100.00%"]);
    }

    #[test]
    fn counts_have_thousands_separators() {
        assert_eq!(
            [0, 999, 1_000, 12_345, 1_234_567].map(group_digits),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
        let texts = [0, 1, 2_000].map(|number| pluralize(number, "outage", "outages"));
        assert_eq!(texts, ["0 outages", "1 outage", "2,000 outages"]);
    }
}
