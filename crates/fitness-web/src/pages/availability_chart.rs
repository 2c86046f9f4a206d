//! Availability by day, or by hour for a window of one day: as a chart and as a table.

use fitness_core::{BucketWidth, PeerHistory, StandardWindow, Timestamp, WindowReport};
use maud::{Markup, html};

use super::components::table_head;
use super::{svg, text};
use crate::summary::Mark;

/// Maximum number of bars: more than two years of days.
const MAX_BARS: usize = 800;

pub(super) fn chart(history: &PeerHistory, window: StandardWindow, from: Timestamp, to: Timestamp) -> Markup {
    let (width, title) = match window {
        StandardWindow::Day => (BucketWidth::Hour, "Availability by hour"),
        _ => (BucketWidth::Day, "Availability by day"),
    };
    // Of a longer history, only the newest part is drawn.
    let max_length_ns = width.width_ns().saturating_mul(MAX_BARS as u64);
    let from = from.max(to.before_nanos(max_length_ns));
    let buckets = history.calendar_buckets(from, to, width, MAX_BARS + 1);
    let marks: Vec<Mark> = buckets.iter().map(Mark::of).collect();
    html! {
        div #availability-chart {
            h3 { (title) }
            (svg::bars(&marks, &description(&buckets)))
            (svg::axis(from, to))
            details {
                summary { "Show as table" }
                table.plain {
                    (table_head(&["Start", "Availability", "Offline", "Unobserved"]))
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
            td.number { (text::duration_with_error(offline_ns, bucket.uptime_error_ns)) }
            td.number { (text::duration(unobserved_ns)) }
        }
    }
}

/// Describes the chart for screen readers.
fn description(buckets: &[WindowReport]) -> String {
    let observed = buckets.iter().filter(|bucket| bucket.observed_ns > 0).count();
    let always_online =
        buckets.iter().filter(|bucket| bucket.observed_ns > 0 && bucket.uptime_ns >= bucket.observed_ns);
    format!(
        "{} bars, {observed} observed, {} without an outage; the table below contains the values",
        buckets.len(),
        always_online.count()
    )
}
