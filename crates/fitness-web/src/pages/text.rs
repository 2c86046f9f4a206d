//! Formatting of numbers, times and ids.

use fitness_core::{NodeId, Timestamp};
use fitness_words::rfc3339;
pub(super) use fitness_words::{
    NA, datetime, duration, gap_cause, group_digits, or_na, percent, pluralize, ratio_percent,
};
use maud::{Markup, html};

/// Formats a duration, with its error if it is not exact.
pub(super) fn duration_with_error(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} ± {}", duration(error_ns)) }
}

/// Formats a count with thousands separators.
pub(super) fn count(count: usize) -> String {
    group_digits(u64::try_from(count).unwrap_or(u64::MAX))
}

/// A point in time.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(rfc3339(at)) { (datetime(at)) } }
}

/// The duration since a point in time, with that point in time as tooltip.
pub(super) fn duration_since(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(rfc3339(at)) title={ (datetime(at)) " UTC" } { (duration(now.nanos_since(at))) } }
}

/// Shortens an id to its first and last digits.
pub(super) fn short_id(id: &impl ToString) -> String {
    fitness_words::shorten_id(id, 8, "…", 6)
}

/// The alias of a peer, or its shortened id. The alias is isolated, because its text direction must not
/// affect the text around it.
pub(super) fn alias_or_id(alias: Option<&str>, node_id: &NodeId) -> Markup {
    html! {
        @match alias {
            Some(alias) => bdi.alias { (alias) },
            None => span.id { (short_id(node_id)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inexact_durations_show_their_error() {
        const SECOND: u64 = 1_000_000_000;
        assert_eq!(duration_with_error(SECOND, 0), duration(SECOND));
        let text = duration_with_error(SECOND, 1_500_000);
        assert_eq!(text, format!("{} ± {}", duration(SECOND), duration(1_500_000)));
    }
}
