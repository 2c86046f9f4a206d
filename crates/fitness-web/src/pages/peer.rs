//! One peer: how it did in each window, when it was what, and what its channels make of it.

use axum::extract::{Path, State as Extract};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_core::{
    ChannelReport, Gap, ImportedReport, NodeId, PeerHistory, PeerReport, Presence, PresenceInterval,
    StandardWindow, Timestamp,
};
use maud::{Markup, html};

use super::layout::{Here, Page, refusal};
use super::parts::{Look, cell, fact, head, number};
use super::{HOME, days, index, query, svg, text};
use crate::root::Root;
use crate::state::{Shared, State};

pub(super) async fn page(
    Extract(state): Extract<State>,
    Path(text): Path<String>,
    root: Root,
    uri: Uri,
) -> Response {
    let look: Look = match query(&uri) {
        Ok(look) => look,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let node_id: NodeId = match text.parse() {
        Ok(node_id) => node_id,
        Err(err) => return refusal(&root, StatusCode::BAD_REQUEST, &format!("This is no node id: {err}.")),
    };
    let Some(report) = state.handle.peer(&node_id) else {
        let why = "This peer is not known: no channel was open with it, and it is not watched.";
        return refusal(&root, StatusCode::NOT_FOUND, why);
    };
    match view(&state, &root, look, &report).await {
        Ok(page) => page.into_response(),
        Err(why) => refusal(&root, StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

async fn view(state: &Shared, root: &Root, look: Look, report: &PeerReport) -> Result<Markup, String> {
    let failed = |err: &dyn std::fmt::Display| format!("Its history cannot be read: {err}");
    let history = state.handle.history(&report.node_id).await.map_err(|err| failed(&err))?;
    let history = history.ok_or("This peer was just forgotten.")?;
    let now = history.end();
    let from = look.span().start(now).max(history.start());
    let gaps = state.handle.gaps(from, now).await.map_err(|err| failed(&err))?;
    let name = state.name(&report.node_id);
    let here = root.link(&format!("peers/{}", report.node_id));
    let view = View { root, here, look, report, history: &history, name: name.as_deref(), from, now };
    let title = name.clone().unwrap_or_else(|| text::short(&report.node_id));
    let frame = Page {
        root,
        title: &title,
        here: Here::Elsewhere,
        live: Some(format!("?node_id={}", report.node_id)),
        unfinished: false,
    };
    Ok(frame.of(state, now, &view.content(&gaps)))
}

struct View<'a> {
    root: &'a Root,
    /// Where this page is.
    here: String,
    look: Look,
    report: &'a PeerReport,
    history: &'a PeerHistory,
    name: Option<&'a str>,
    from: Timestamp,
    now: Timestamp,
}

impl View<'_> {
    fn content(&self, gaps: &[Gap]) -> Markup {
        let timeline = self.history.timeline_with_gaps(self.from, self.now, gaps);
        html! {
            p.up { a href=(self.root.link(HOME)) { "All peers" } }
            h1 { (text::called(self.name, &self.report.node_id)) }
            (self.facts())
            (self.windows())
            section aria-labelledby="history" {
                h2 #history { "History" }
                (self.look.choice(&self.here))
                div #timeline {
                    h3 { "Timeline" }
                    (svg::timeline(self.history, &timeline, &self.in_words(&timeline)))
                    (svg::axis(self.from, self.now))
                }
                (days::chart(self.history, self.look.span(), self.from, self.now))
                (svg::legend())
            }
            (self.outages(&timeline))
            (channels(&self.report.channels))
        }
    }

    fn facts(&self) -> Markup {
        let report = self.report;
        html! {
            dl.facts #facts {
                div.row { dt { "Node id" } dd.id.whole { (report.node_id) } }
                (fact("State", index::state(report, self.now)))
                @if let Some(at) = report.untracked_at { (fact("No longer followed since", text::time(at))) }
                (fact("First seen", text::time(report.tracked_since)))
                (fact("Disconnects", text::count(report.disconnects as usize)))
                (fact("Flaps, cooled down", html! {
                    (text::count(report.flap_count as usize))
                    @if let Some(at) = report.last_flap { " (last " (text::since(self.now, at)) " ago)" }
                }))
                @if report.watched { (fact("Watched", "even without a channel")) }
                @if let Some(taken) = &report.imported { (imported(taken)) }
            }
        }
    }

    fn windows(&self) -> Markup {
        let columns = [
            "Window",
            "Availability",
            "Uptime",
            "Observed",
            "Outages",
            "Time between",
            "Median return",
            "Worst return",
        ];
        html! {
            section aria-labelledby="windows" {
                h2 #windows { "In each window" }
                table.cards #in-windows role="table" aria-labelledby="windows" {
                    (head(&columns))
                    tbody role="rowgroup" { @for span in StandardWindow::ALL { (self.window(span)) } }
                }
                (meanings())
            }
        }
    }

    fn window(&self, span: StandardWindow) -> Markup {
        let stats = self.history.stats_over(span);
        let (window, outages) = (&stats.window, &stats.outages);
        let at_least = if outages.complete { "" } else { "≥ " };
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (span) }
                (number("Availability", text::percent(window.uptime_ns, window.observed_ns)))
                (number("Uptime", text::within(window.uptime_ns, window.uptime_error_ns)))
                (number("Observed", text::within(window.observed_ns, window.observed_error_ns)))
                (number("Outages", format!("{at_least}{}", outages.disconnects)))
                (number("Time between", text::or_na(outages.mean_time_between_disconnects_ns)))
                (number("Median return", text::or_na(outages.median_recovery_ns)))
                (number("Worst return", text::or_na(outages.longest_recovery_ns)))
            }
        }
    }

    fn in_words(&self, timeline: &[PresenceInterval]) -> String {
        let sum = |presence: Presence| -> u64 {
            let with_kind = timeline.iter().filter(|interval| interval.presence == Some(presence));
            with_kind.map(PresenceInterval::length_ns).sum()
        };
        format!(
            "From {} until now: online for {}, offline for {}, unobserved for {}",
            text::datetime(self.from),
            text::duration(sum(Presence::Online)),
            text::duration(sum(Presence::Offline)),
            text::duration(sum(Presence::Unobserved))
        )
    }

    fn outages(&self, timeline: &[PresenceInterval]) -> Markup {
        let is_outage = |interval: &&PresenceInterval| interval.presence != Some(Presence::Online);
        let outages: Vec<&PresenceInterval> = timeline.iter().filter(is_outage).collect();
        html! {
            section aria-labelledby="outages" {
                h2 #outages { "Outages, theirs and ours" }
                div #outage-list {
                    @if outages.is_empty() {
                        p.empty { "None in this window." }
                    } @else {
                        table.cards role="table" aria-labelledby="outages" {
                            (head(&["From", "Until", "For", "Whose", "What"]))
                            tbody role="rowgroup" {
                                @for interval in self.look.part(&outages) { (self.outage(interval)) }
                            }
                        }
                        (self.look.pager(&self.here, outages.len(), "stretch", "stretches"))
                    }
                }
            }
        }
    }

    fn outage(&self, interval: &PresenceInterval) -> Markup {
        let (whose, what) = svg::whose(interval.presence, interval.cause);
        let class = if whose == "theirs" { "theirs" } else { "ours" };
        let lasts = interval.to >= self.now;
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (text::time(interval.from)) }
                (cell("Until", html! { @if lasts { "now" } @else { (text::time(interval.to)) } }))
                (number("For", text::duration(interval.length_ns())))
                (cell("Whose", html! { span.whose.(class) { (whose) } }))
                (cell("What", what))
            }
        }
    }
}

/// What the words over the numbers mean.
fn meanings() -> Markup {
    let meanings = [
        ("Observed", "for how long we could tell whether it was online; when we were gone does not count"),
        ("Uptime", "how much of that it was online"),
        ("Availability", "uptime over observed time"),
        ("Outages", "how often it went offline; ≥ where there may have been more"),
        ("Time between", "the uptime for each outage"),
        ("Median return, worst return", "how long the outages lasted that began and ended in the window"),
        ("Flaps", "changes of its connection as lnd counts them; after a quiet time the count sinks"),
        ("≈ and ±", "of long ago only sums are kept, so that a number may be a little off, and by how much"),
    ];
    html! {
        details #meanings {
            summary { "What these words mean" }
            dl { @for (word, meaning) in meanings { div { dt { (word) } dd { (meaning) } } } }
        }
    }
}

/// How much of the numbers is not ours.
fn imported(taken: &ImportedReport) -> Markup {
    let name = format!("Counted by {}", taken.source);
    let (uptime, observed) = (text::duration(taken.uptime_ns), text::duration(taken.observed_ns));
    let flaps = text::pluralize(taken.flap_count.into(), "flap", "flaps");
    html! {
        div.row {
            dt { (name) }
            dd { "until " (text::time(taken.at)) ": online for " (uptime) " of " (observed) " observed, " (flaps) }
        }
    }
}

fn channels(channels: &[ChannelReport]) -> Markup {
    let columns = ["Channel", "Opened", "Availability", "Uptime", "Observed", "Usable", "Usable for"];
    html! {
        section aria-labelledby="channels" {
            h2 #channels { "Channels" }
            div #channel-list {
                @if channels.is_empty() {
                    p.empty { "No channel is open with it." }
                } @else {
                    table.cards role="table" aria-labelledby="channels" {
                        (head(&columns))
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
        None => "not told",
    };
    html! {
        tr role="row" id={ "c-" (channel.channel_id) } {
            th scope="row" role="rowheader" {
                details {
                    summary.id { (text::short(&channel.channel_id)) }
                    p.id.whole { (channel.channel_id) }
                    @if let Some(funding) = channel.funding { p { "funded by " span.id.whole { (funding) } } }
                }
            }
            (cell("Opened", text::time(channel.opened_at)))
            (number("Availability", text::percent(channel.uptime_ns, channel.observed_ns)))
            (number("Uptime", text::duration(channel.uptime_ns)))
            (number("Observed", text::duration(channel.observed_ns)))
            (cell("Usable", usable))
            (number("Usable for", text::percent(channel.usable_ns, channel.usable_observed_ns)))
        }
    }
}
