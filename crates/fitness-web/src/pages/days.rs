//! Availability by day, or by hour within a day: bars to look at, and the same as a table.

use fitness_core::{BucketWidth, PeerHistory, StandardWindow, Timestamp, WindowReport};
use maud::{Markup, html};

use super::parts::head;
use super::{svg, text};
use crate::summary::Mark;

/// The most days that are drawn: over two years of them.
const MOST: usize = 800;

pub(super) fn chart(history: &PeerHistory, span: StandardWindow, from: Timestamp, to: Timestamp) -> Markup {
    let (bucket, title) = match span {
        StandardWindow::Day => (BucketWidth::Hour, "Availability by hour"),
        _ => (BucketWidth::Day, "Availability by day"),
    };
    // The newest ones, where there are more of them than are drawn.
    let longest_ns = bucket.width_ns().saturating_mul(MOST as u64);
    let from = from.max(to.before_nanos(longest_ns));
    let buckets = history.calendar_buckets(from, to, bucket, MOST + 1);
    let marks: Vec<Mark> = buckets.iter().map(Mark::of).collect();
    html! {
        div #days {
            h3 { (title) }
            (svg::bars(&marks, &in_words(&buckets)))
            (svg::axis(from, to))
            details {
                summary { "Show it as a table" }
                table.plain {
                    (head(&["From", "Availability", "Offline", "Unobserved"]))
                    tbody { @for bucket in buckets.iter().rev() { (row(bucket)) } }
                }
            }
        }
    }
}

fn row(bucket: &WindowReport) -> Markup {
    let offline_ns = bucket.observed_ns.saturating_sub(bucket.uptime_ns);
    let unobserved_ns = bucket.length_ns.saturating_sub(bucket.observed_ns);
    html! {
        tr {
            th scope="row" { (text::time(bucket.from)) }
            td.number { (text::percent(bucket.uptime_ns, bucket.observed_ns)) }
            td.number { (text::within(offline_ns, bucket.uptime_error_ns)) }
            td.number { (text::duration(unobserved_ns)) }
        }
    }
}

fn in_words(buckets: &[WindowReport]) -> String {
    let perfect =
        buckets.iter().filter(|bucket| bucket.observed_ns > 0 && bucket.uptime_ns >= bucket.observed_ns);
    let perfect = perfect.count();
    let known = buckets.iter().filter(|bucket| bucket.observed_ns > 0).count();
    format!("{} bars, {known} of them observed, {perfect} without an outage; as a table below", buckets.len())
}
