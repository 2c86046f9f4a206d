//! Numbers and moments as people read them, in the words of the program's tables.

use fitness_core::{NodeId, Timestamp};
use fitness_words::rfc3339;
pub(super) use fitness_words::{
    NA, datetime, duration, gap_cause, group_digits as many, or_na, percent, pluralize, ratio_percent,
};
use maud::{Markup, html};

/// A duration, and how far it may be off where it may be.
pub(super) fn within(ns: u64, error_ns: u64) -> String {
    let text = duration(ns);
    if error_ns == 0 { text } else { format!("{text} ± {}", duration(error_ns)) }
}

/// A whole number with its thousands apart.
pub(super) fn count(number: usize) -> String {
    many(u64::try_from(number).unwrap_or(u64::MAX))
}

/// A moment on a page.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(rfc3339(at)) { (datetime(at)) } }
}

/// How long a moment is past, on a page, with the moment itself for whoever wants to know.
pub(super) fn since(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(rfc3339(at)) title={ (datetime(at)) " UTC" } { (duration(now.nanos_since(at))) } }
}

/// The two ends of an id.
pub(super) fn short(id: &impl ToString) -> String {
    fitness_words::shorten_id(id, 8, "…", 6)
}

/// What a peer is called: a name that may run in either direction and is never part of the sentence, or
/// the ends of its id.
pub(super) fn called(name: Option<&str>, node_id: &NodeId) -> Markup {
    html! {
        @match name {
            Some(name) => bdi.name { (name) },
            None => span.id { (short(node_id)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_off_says_by_how_much() {
        const SECOND: u64 = 1_000_000_000;
        assert_eq!(within(SECOND, 0), "1.0s");
        assert_eq!(within(SECOND, 1_500_000), "1.0s ± 1ms");
    }
}
