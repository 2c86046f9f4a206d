//! The details of one peer: standard windows, timeline and buckets.

use fitness_core::{BucketWidth, ImportedReport, Presence, PresenceInterval, WindowReport, WindowStats};

use super::document::{PeerEntry, Section};
use super::{format, grid};
use fitness_words::{pluralize, rfc3339};

/// Renders the details of a peer under `title`; `None` if there are none.
pub(super) fn render(section: &Section, peer: &PeerEntry, title: &str, width: Option<u16>) -> Option<String> {
    let windows = (!peer.standard_windows.is_empty()).then(|| window_table(peer, width));
    let timeline = peer.timeline.as_ref().map(|timeline| timeline_table(timeline, width));
    let buckets =
        peer.buckets.as_ref().map(|(bucket_width, windows)| bucket_table(*bucket_width, windows, width));
    let tables: Vec<String> = [windows, timeline, buckets].into_iter().flatten().collect();
    if tables.is_empty() {
        return None;
    }
    let report = &peer.report;
    let lifetime = format::duration(section.lifetime_ns(peer));
    let disconnects = pluralize(u64::from(report.disconnects), "disconnect", "disconnects");
    let tracked_since = rfc3339(report.tracked_since);
    let mut title = format!("{title}\nTracked since {tracked_since} ({lifetime}), {disconnects}");
    if let Some(imported) = &report.imported {
        title += &format!("\n{}", grid::wrap(&imported_summary(imported), width));
    }
    Some(format!("{title}\n\n{}", tables.join("\n\n")))
}

/// Summarizes the values that were imported from another program.
fn imported_summary(imported: &ImportedReport) -> String {
    let observed = format::duration(imported.observed_ns);
    let uptime = format::duration(imported.uptime_ns);
    let flaps = pluralize(imported.flap_count.into(), "flap", "flaps");
    let (source, at) = (imported.source, rfc3339(imported.at));
    format!("Imported from {source} up to {at}: observed {observed}, uptime {uptime}, {flaps}")
}

fn window_table(peer: &PeerEntry, width: Option<u16>) -> String {
    let headings = [
        "window",
        ">observed",
        ">uptime",
        ">avail-\nability",
        ">discon-\nnects",
        ">MTBD",
        ">median\nrecovery",
        ">longest\nrecovery",
        ">longest\noutage",
    ];
    let row = |name: &str, stats: &WindowStats| {
        [
            name.to_owned(),
            format::with_error(stats.window.observed_ns, stats.window.observed_error_ns),
            format::with_error(stats.window.uptime_ns, stats.window.uptime_error_ns),
            availability(&stats.window),
            disconnects(stats),
            mean_time_between_disconnects(stats),
            median_recovery(stats),
            longest_recovery(stats),
            longest_outage(stats),
        ]
    };
    let rows = peer.standard_windows.iter().map(|(window, stats)| row(window.name(), stats));
    grid::lines(headings, rows, width)
}

fn timeline_table(timeline: &[PresenceInterval], width: Option<u16>) -> String {
    let row = |interval: &PresenceInterval| {
        let state = match (interval.presence, interval.cause) {
            (Some(Presence::Unobserved), Some(cause)) => format!("unobserved: {cause}"),
            (Some(presence), _) => super::presence_label(presence).to_owned(),
            (None, _) => {
                let availability = format::availability(interval.uptime_ns, interval.observed_ns);
                format!("unstable, {availability} online")
            }
        };
        let length = format::duration(interval.length_ns());
        [rfc3339(interval.from), rfc3339(interval.to), length, state]
    };
    grid::lines(["from", "to", ">length", "state"], timeline.iter().map(row), width)
}

fn bucket_table(bucket_width: BucketWidth, windows: &[WindowReport], width: Option<u16>) -> String {
    let heading = bucket_width.to_string();
    let row = |window: &WindowReport| {
        [
            rfc3339(window.from),
            format::duration(window.length_ns),
            format::with_error(window.observed_ns, window.observed_error_ns),
            format::with_error(window.uptime_ns, window.uptime_error_ns),
            availability(window),
        ]
    };
    let headings = [heading.as_str(), ">length", ">observed", ">uptime", ">availability"];
    grid::lines(headings, windows.iter().map(row), width)
}

/// Formats the availability in a window, with `~` if it is not exact.
pub(super) fn availability(window: &WindowReport) -> String {
    let mark = if window.is_exact() { "" } else { "~" };
    format!("{mark}{}", format::availability(window.uptime_ns, window.observed_ns))
}

/// Formats the number of disconnects: `12+` if it is a lower bound, `n/a` if nothing was observed.
pub(super) fn disconnects(stats: &WindowStats) -> String {
    let count = (stats.window.observed_ns > 0).then_some(stats.outages.disconnects);
    let count = count.map_or_else(|| format::NA.to_owned(), |count| count.to_string());
    mark_lower_bound(stats, count)
}

/// Formats the mean time between disconnects, with `<` if it is an upper bound.
pub(super) fn mean_time_between_disconnects(stats: &WindowStats) -> String {
    let mean = format::or_na(stats.outages.mean_time_between_disconnects_ns);
    if is_exact(stats, &mean) { mean } else { format!("<{mean}") }
}

/// Formats the median recovery, with `~` if it is not exact.
pub(super) fn median_recovery(stats: &WindowStats) -> String {
    let median = format::or_na(stats.outages.median_recovery_ns);
    if is_exact(stats, &median) { median } else { format!("~{median}") }
}

/// Formats the longest completed outage, with `+` if it is a lower bound.
pub(super) fn longest_recovery(stats: &WindowStats) -> String {
    mark_lower_bound(stats, format::or_na(stats.outages.longest_recovery_ns))
}

/// Formats the longest outage, completed or not, with `+` if it is a lower bound.
fn longest_outage(stats: &WindowStats) -> String {
    let longest = (stats.window.observed_ns > 0).then_some(stats.outages.longest_outage_ns);
    mark_lower_bound(stats, format::or_na(longest))
}

fn mark_lower_bound(stats: &WindowStats, text: String) -> String {
    if is_exact(stats, &text) { text } else { text + "+" }
}

/// Returns whether the log has every change that could affect the value.
fn is_exact(stats: &WindowStats, text: &str) -> bool {
    stats.outages.complete || text == format::NA
}
