//! More of one peer: the usual windows, its timeline, its hours or days.

use fitness_core::{BucketWidth, ImportedReport, Presence, PresenceInterval, WindowReport, WindowStats};

use super::document::{PeerEntry, Section};
use super::grid;
use super::humanise;
use super::watch::count;
use fitness_words::rfc3339;

/// What was asked of a peer beyond its rows; `None` where nothing was.
pub(super) fn render(section: &Section, peer: &PeerEntry, name: &str, width: Option<u16>) -> Option<String> {
    let spans = (!peer.spans.is_empty()).then(|| spans(peer, width));
    let timeline = peer.timeline.as_ref().map(|timeline| self::timeline(timeline, width));
    let buckets = peer.buckets.as_ref().map(|(bucket, windows)| buckets(*bucket, windows, width));
    let parts: Vec<String> = [spans, timeline, buckets].into_iter().flatten().collect();
    if parts.is_empty() {
        return None;
    }
    let report = &peer.report;
    let lifetime = humanise::duration(section.lifetime_ns(peer));
    let disconnects = count(u64::from(report.disconnects), "disconnect");
    let tracked_since = rfc3339(report.tracked_since);
    let mut title = format!("{name}\nfollowed since {tracked_since} ({lifetime}), {disconnects}");
    if let Some(taken) = &report.imported {
        title += &format!("\n{}", grid::wrap(&imported(taken), width));
    }
    Some(format!("{title}\n\n{}", parts.join("\n\n")))
}

/// How much of a peer's numbers is not ours.
fn imported(taken: &ImportedReport) -> String {
    let (observed, uptime) = (humanise::duration(taken.observed_ns), humanise::duration(taken.uptime_ns));
    let flaps = count(taken.flap_count.into(), "flap");
    let until = rfc3339(taken.at);
    format!("until {until} as counted by {}: observed {observed}, uptime {uptime}, {flaps}", taken.source)
}

fn spans(peer: &PeerEntry, width: Option<u16>) -> String {
    let headings = [
        "window",
        ">observed",
        ">uptime",
        ">availability",
        ">losses",
        ">between",
        ">return",
        ">worst",
        ">longest",
    ];
    let row = |name: &str, stats: &WindowStats| {
        [
            name.to_owned(),
            humanise::within(stats.window.observed_ns, stats.window.observed_error_ns),
            humanise::within(stats.window.uptime_ns, stats.window.uptime_error_ns),
            availability(&stats.window),
            losses(stats),
            between(stats),
            median(stats),
            worst(stats),
            longest(stats),
        ]
    };
    grid::lines(headings, peer.spans.iter().map(|(span, stats)| row(span.name(), stats)), width)
}

fn timeline(timeline: &[PresenceInterval], width: Option<u16>) -> String {
    let row = |interval: &PresenceInterval| {
        let what = match (interval.presence, interval.cause) {
            (Some(Presence::Unobserved), Some(cause)) => format!("unobserved: {cause}"),
            (Some(presence), _) => super::state(presence).to_owned(),
            (None, _) => {
                let availability = humanise::availability(interval.uptime_ns, interval.observed_ns);
                format!("on and off, {availability}")
            }
        };
        let length = humanise::duration(interval.length_ns());
        [rfc3339(interval.from), rfc3339(interval.to), length, what]
    };
    grid::lines(["from", "to", ">length", "state"], timeline.iter().map(row), width)
}

fn buckets(bucket: BucketWidth, windows: &[WindowReport], width: Option<u16>) -> String {
    let heading = bucket.to_string();
    let row = |window: &WindowReport| {
        [
            rfc3339(window.from),
            humanise::duration(window.length_ns),
            humanise::within(window.observed_ns, window.observed_error_ns),
            humanise::within(window.uptime_ns, window.uptime_error_ns),
            availability(window),
        ]
    };
    let headings = [heading.as_str(), ">length", ">observed", ">uptime", ">availability"];
    grid::lines(headings, windows.iter().map(row), width)
}

/// The availability of a window, marked where it is not exact.
pub(super) fn availability(window: &WindowReport) -> String {
    let mark = if window.is_exact() { "" } else { "~" };
    format!("{mark}{}", humanise::availability(window.uptime_ns, window.observed_ns))
}

/// How often a peer was lost; `12+` where that is the least, `n/a` where it could not be told.
pub(super) fn losses(stats: &WindowStats) -> String {
    let count = (stats.window.observed_ns > 0).then_some(stats.outages.disconnects);
    let count = count.map_or_else(|| humanise::NA.to_owned(), |count| count.to_string());
    at_least(stats, count)
}

/// The uptime for each loss, which is the most where there may have been more.
pub(super) fn between(stats: &WindowStats) -> String {
    let mean = humanise::or_na(stats.outages.mean_time_between_disconnects_ns);
    if is_certain(stats, &mean) { mean } else { format!("<{mean}") }
}

/// The median time to return.
pub(super) fn median(stats: &WindowStats) -> String {
    let median = humanise::or_na(stats.outages.median_recovery_ns);
    if is_certain(stats, &median) { median } else { format!("~{median}") }
}

/// The worst time to return.
pub(super) fn worst(stats: &WindowStats) -> String {
    at_least(stats, humanise::or_na(stats.outages.longest_recovery_ns))
}

/// The longest stretch offline.
fn longest(stats: &WindowStats) -> String {
    let longest = (stats.window.observed_ns > 0).then_some(stats.outages.longest_outage_ns);
    at_least(stats, humanise::or_na(longest))
}

fn at_least(stats: &WindowStats, text: String) -> String {
    if is_certain(stats, &text) { text } else { text + "+" }
}

/// Whether nothing is missing that could make it another number.
fn is_certain(stats: &WindowStats, text: &str) -> bool {
    stats.outages.complete || text == humanise::NA
}
