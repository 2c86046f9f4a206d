//! One peer: statistics by window, timeline, outages and channels.

use axum::extract::{Path, State as Extract};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_core::{
    ChannelReport, Gap, ImportedReport, NodeId, PeerHistory, PeerReport, Presence, PresenceInterval,
    StandardWindow, Timestamp,
};
use maud::{Markup, html};

use super::components::{HistoryQuery, cell, fact, number, table_head};
use super::layout::{NavItem, Page, error_page};
use super::{HOME, availability_chart, parse_query, peers, svg, text};
use crate::root::Root;
use crate::state::{Shared, State};

pub(super) async fn page(
    Extract(state): Extract<State>,
    Path(text): Path<String>,
    root: Root,
    uri: Uri,
) -> Response {
    let query: HistoryQuery = match parse_query(&uri) {
        Ok(query) => query,
        Err(message) => return error_page(&root, StatusCode::BAD_REQUEST, &message),
    };
    let node_id: NodeId = match text.parse() {
        Ok(node_id) => node_id,
        Err(err) => {
            return error_page(&root, StatusCode::BAD_REQUEST, &format!("Invalid node id: {err}."));
        }
    };
    let Some(report) = state.handle.peer(&node_id) else {
        let message = format!("Unknown peer {node_id}: it never had a channel and is not watched.");
        return error_page(&root, StatusCode::NOT_FOUND, &message);
    };
    match view(&state, &root, query, &report).await {
        Ok(page) => page.into_response(),
        Err(message) => error_page(&root, StatusCode::SERVICE_UNAVAILABLE, &message),
    }
}

async fn view(
    state: &Shared,
    root: &Root,
    query: HistoryQuery,
    report: &PeerReport,
) -> Result<Markup, String> {
    let read_error = |err: &dyn std::fmt::Display| format!("Cannot read the history: {err}");
    let history = state.handle.history(&report.node_id).await.map_err(|err| read_error(&err))?;
    let history = history.ok_or("This peer is no longer known.")?;
    let now = history.end();
    let from = query.window().start(now).max(history.start());
    let gaps = state.handle.gaps(from, now).await.map_err(|err| read_error(&err))?;
    let alias = state.alias(&report.node_id);
    let base = root.link(&format!("peers/{}", report.node_id));
    let view = View { root, base, query, report, history: &history, alias: alias.as_deref(), from, now };
    let title = alias.clone().unwrap_or_else(|| text::short_id(&report.node_id));
    let layout = Page {
        root,
        title: &title,
        nav_item: NavItem::None,
        changes_query: format!("?node_id={}", report.node_id),
        is_incomplete: false,
    };
    Ok(layout.render(state, now, &view.content(&gaps)))
}

struct View<'a> {
    root: &'a Root,
    /// Link to this page.
    base: String,
    query: HistoryQuery,
    report: &'a PeerReport,
    history: &'a PeerHistory,
    alias: Option<&'a str>,
    from: Timestamp,
    now: Timestamp,
}

impl View<'_> {
    fn content(&self, gaps: &[Gap]) -> Markup {
        let timeline = self.history.timeline_with_gaps(self.from, self.now, gaps);
        html! {
            p.back { a href=(self.root.link(HOME)) { "All peers" } }
            h1 { (text::alias_or_id(self.alias, &self.report.node_id)) }
            (self.facts())
            (self.window_stats())
            section aria-labelledby="history" {
                h2 #history { "History" }
                (self.query.window_picker(&self.base))
                div #timeline {
                    h3 { "Timeline" }
                    (svg::timeline(self.history, &timeline, &self.timeline_description(&timeline)))
                    (svg::axis(self.from, self.now))
                }
                (availability_chart::chart(self.history, self.query.window(), self.from, self.now))
                (svg::presence_legend())
            }
            (self.outages(&timeline))
            (channels(&self.report.channels))
        }
    }

    fn facts(&self) -> Markup {
        let report = self.report;
        html! {
            dl.facts #facts {
                div.full-row { dt { "Node id" } dd.id.full { (report.node_id) } }
                (fact("Presence", peers::presence(report, self.now)))
                @if let Some(at) = report.untracked_at { (fact("Untracked since", text::time(at))) }
                (fact("Tracked since", text::time(report.tracked_since)))
                (fact("Disconnects (total)", text::count(report.disconnects as usize)))
                (fact("Flaps (decaying)", html! {
                    (text::count(report.flap_count as usize))
                    @if let Some(at) = report.last_flap {
                        " (last " (text::duration_since(self.now, at)) " ago)"
                    }
                }))
                @if report.watched { (fact("Watched", "yes, tracked even without a channel")) }
                @if let Some(imported) = &report.imported { (imported_totals(imported)) }
            }
        }
    }

    fn window_stats(&self) -> Markup {
        let columns = [
            "Window",
            "Availability",
            "Uptime",
            "Observed",
            "Disconnects",
            "MTBD",
            "Median recovery",
            "Longest outage",
        ];
        html! {
            section aria-labelledby="windows" {
                h2 #windows { "Statistics by window" }
                table.cards #window-stats role="table" aria-labelledby="windows" {
                    (table_head(&columns))
                    tbody role="rowgroup" {
                        @for window in StandardWindow::ALL { (self.window_row(window)) }
                    }
                }
                (definitions())
            }
        }
    }

    fn window_row(&self, standard_window: StandardWindow) -> Markup {
        let stats = self.history.stats_over(standard_window);
        let (window, outages) = (&stats.window, &stats.outages);
        let at_least = if outages.complete { "" } else { "≥ " };
        let longest_outage = match outages.longest_outage_ns {
            0 => "none".to_owned(),
            ns => format!("{at_least}{}", text::duration(ns)),
        };
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (standard_window) }
                (number("Availability", text::percent(window.uptime_ns, window.observed_ns)))
                (number("Uptime", text::duration_with_error(window.uptime_ns, window.uptime_error_ns)))
                (number("Observed", text::duration_with_error(window.observed_ns, window.observed_error_ns)))
                (number("Disconnects", format!("{at_least}{}", text::group_digits(outages.disconnects))))
                (number("MTBD", text::or_na(outages.mean_time_between_disconnects_ns)))
                (number("Median recovery", text::or_na(outages.median_recovery_ns)))
                (number("Longest outage", longest_outage))
            }
        }
    }

    /// Describes the timeline for screen readers.
    fn timeline_description(&self, timeline: &[PresenceInterval]) -> String {
        let total = |presence: Presence| -> u64 {
            let intervals = timeline.iter().filter(|interval| interval.presence == Some(presence));
            intervals.map(PresenceInterval::length_ns).sum()
        };
        format!(
            "From {} to now: online for {}, offline for {}, unobserved for {}",
            text::datetime(self.from),
            text::duration(total(Presence::Online)),
            text::duration(total(Presence::Offline)),
            text::duration(total(Presence::Unobserved))
        )
    }

    fn outages(&self, timeline: &[PresenceInterval]) -> Markup {
        let is_listed = |interval: &&PresenceInterval| interval.presence != Some(Presence::Online);
        let intervals: Vec<&PresenceInterval> = timeline.iter().filter(is_listed).collect();
        html! {
            section aria-labelledby="outages" {
                h2 #outages { "Outages and gaps" }
                div #outage-list {
                    @if intervals.is_empty() {
                        p.empty { "No outages or gaps in this window" }
                    } @else {
                        table.cards role="table" aria-labelledby="outages" {
                            (table_head(&["Start", "End", "Duration", "Cause", "Details"]))
                            tbody role="rowgroup" {
                                @for interval in self.query.rows(&intervals) { (self.outage_row(interval)) }
                            }
                        }
                        (self.query.pager(&self.base, intervals.len(), "interval", "intervals"))
                    }
                }
            }
        }
    }

    fn outage_row(&self, interval: &PresenceInterval) -> Markup {
        let cause = Cause::of(interval, self.history.start());
        let is_ongoing = interval.to >= self.now;
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (text::time(interval.from)) }
                (cell("End", html! { @if is_ongoing { "ongoing" } @else { (text::time(interval.to)) } }))
                (number("Duration", text::duration(interval.length_ns())))
                (cell("Cause", html! { span.cause.(cause.class) { (cause.label) } }))
                (cell("Details", cause.details))
            }
        }
    }
}

/// Why a peer was not observed online during an interval.
struct Cause {
    class: &'static str,
    label: &'static str,
    details: &'static str,
}

impl Cause {
    fn of(interval: &PresenceInterval, history_start: Timestamp) -> Self {
        let (class, label, details) = match (interval.presence, interval.cause) {
            (Some(Presence::Offline), _) => ("peer", "peer", "offline"),
            (Some(Presence::Unobserved), Some(cause)) => ("gap", "monitoring gap", text::gap_cause(cause)),
            (Some(Presence::Unobserved), None) if interval.from <= history_start => {
                ("unknown", "not yet observed", "presence not known yet")
            }
            (Some(Presence::Unobserved), None) => {
                ("grace", "reconnect grace", "reconnect grace period, or disconnected by us")
            }
            _ => ("peer", "peer", "unstable (details downsampled)"),
        };
        Self { class, label, details }
    }
}

/// Definitions of the column labels.
fn definitions() -> Markup {
    let definitions = [
        ("Observed", "time during which the peer's presence was known; monitoring gaps are excluded"),
        ("Uptime", "part of the observed time during which the peer was online"),
        ("Availability", "uptime divided by observed time"),
        ("Disconnects", "online-to-offline transitions; ≥ marks a lower bound"),
        ("MTBD", "mean time between disconnects: uptime divided by disconnects"),
        ("Median recovery", "median length of the outages that started and ended in the window"),
        ("Longest outage", "longest time offline in the window, including an ongoing outage"),
        ("Flaps (decaying)", "connection changes as counted by lnd; the count decays while there are none"),
        ("≈ and ±", "details of old history are downsampled, so values may be inexact by the stated amount"),
    ];
    html! {
        details #definitions {
            summary { "Definitions" }
            dl { @for (term, definition) in definitions { div { dt { (term) } dd { (definition) } } } }
        }
    }
}

fn imported_totals(imported: &ImportedReport) -> Markup {
    let (uptime, observed) = (text::duration(imported.uptime_ns), text::duration(imported.observed_ns));
    let flaps = text::pluralize(imported.flap_count.into(), "flap", "flaps");
    html! {
        div.full-row {
            dt { "Imported from " (imported.source) }
            dd {
                "Until " (text::time(imported.at)) ": online for " (uptime) " of " (observed) " observed, " (flaps)
            }
        }
    }
}

fn channels(channels: &[ChannelReport]) -> Markup {
    let columns =
        ["Channel", "Tracked since", "Availability", "Uptime", "Observed", "Usable now", "Usable time"];
    html! {
        section aria-labelledby="channels" {
            h2 #channels { "Channels" }
            div #channel-list {
                @if channels.is_empty() {
                    p.empty { "No open channels" }
                } @else {
                    table.cards role="table" aria-labelledby="channels" {
                        (table_head(&columns))
                        tbody role="rowgroup" { @for channel in channels { (channel_row(channel)) } }
                    }
                }
            }
        }
    }
}

fn channel_row(channel: &ChannelReport) -> Markup {
    let usable = match channel.usable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    html! {
        tr role="row" id={ "channel-" (channel.channel_id) } {
            th scope="row" role="rowheader" {
                details {
                    summary.id { (text::short_id(&channel.channel_id)) }
                    p.id.full { (channel.channel_id) }
                    @if let Some(funding) = channel.funding {
                        p { "Funding outpoint " span.id.full { (funding) } }
                    }
                }
            }
            (cell("Tracked since", text::time(channel.opened_at)))
            (number("Availability", text::percent(channel.uptime_ns, channel.observed_ns)))
            (number("Uptime", text::duration(channel.uptime_ns)))
            (number("Observed", text::duration(channel.observed_ns)))
            (cell("Usable now", usable))
            (number("Usable time", text::percent(channel.usable_ns, channel.usable_observed_ns)))
        }
    }
}
