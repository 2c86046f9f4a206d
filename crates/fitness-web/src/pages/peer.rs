//! One peer: how it did in each window, when it was what, and what its channels make of it.

use axum::extract::{Path, State as Extract};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_core::{Gap, Interval, NodeId, PeerHistory, PeerReport, Presence, Span, Timestamp};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::filter::usual_window;
use super::layout::{Here, Page, refusal};
use super::{HOME, days, index, query, svg, text};
use crate::range::WindowName;
use crate::root::Root;
use crate::state::{Shared, State};

/// How many outages a page lists.
const ROWS: usize = 50;

#[derive(Clone, Copy, Deserialize, Serialize)]
struct Asked {
    #[serde(default = "usual_window")]
    window: WindowName,
    /// From 1; the newest outages are on the first.
    #[serde(default = "first")]
    page: usize,
}

const fn first() -> usize {
    1
}

pub(super) async fn page(
    Extract(state): Extract<State>,
    Path(text): Path<String>,
    root: Root,
    uri: Uri,
) -> Response {
    let asked: Asked = match query(&uri) {
        Ok(asked) => asked,
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
    match view(&state, &root, asked, &report).await {
        Ok(page) => page.into_response(),
        Err(why) => refusal(&root, StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

async fn view(state: &Shared, root: &Root, asked: Asked, report: &PeerReport) -> Result<Markup, String> {
    let failed = |err: &dyn std::fmt::Display| format!("Its history cannot be read: {err}");
    let history = state.handle.history(&report.node_id).await.map_err(|err| failed(&err))?;
    let history = history.ok_or("This peer was just forgotten.")?;
    let now = history.now();
    let span = Span::from(asked.window);
    let from = span.before(now).max(history.start());
    let gaps = state.handle.gaps(from, now).await.map_err(|err| failed(&err))?;
    let name = state.name(&report.node_id);
    let view = View { root, asked, report, history: &history, name: name.as_deref(), from, now };
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
    asked: Asked,
    report: &'a PeerReport,
    history: &'a PeerHistory,
    name: Option<&'a str>,
    from: Timestamp,
    now: Timestamp,
}

impl View<'_> {
    fn content(&self, gaps: &[Gap]) -> Markup {
        let timeline = self.history.timeline_with(self.from, self.now, gaps);
        html! {
            p.up { a href=(self.root.link(HOME)) { "All peers" } }
            h1 { (text::called(self.name, &self.report.node_id)) }
            (self.facts())
            (self.windows())
            section aria-labelledby="history" {
                h2 #history { "History" }
                (self.choice())
                div #timeline {
                    h3 { "When it was what" }
                    (svg::timeline(&timeline, self.from, self.now, &self.in_words(&timeline)))
                    (svg::axis(self.from, self.now))
                }
                (days::chart(self.history, self.asked.window.into(), self.from, self.now))
                (svg::legend())
            }
            (self.outages(&timeline))
            (self.channels())
        }
    }

    fn facts(&self) -> Markup {
        let report = self.report;
        html! {
            dl.facts #facts {
                div { dt { "State" } dd { (index::state(report, self.now)) } }
                @if let Some(at) = report.closed_at { div { dt { "Let go" } dd { (text::time(at)) } } }
                div { dt { "Node id" } dd.id.whole { (report.node_id) } }
                div { dt { "First seen" } dd { (text::time(report.first_seen)) } }
                div { dt { "Disconnects" } dd { (text::count(report.disconnects as usize)) } }
                div {
                    dt { "Flaps, cooled down" }
                    dd {
                        (text::count(report.flap_count as usize))
                        @if let Some(at) = report.last_flap { " (last " (text::since(self.now, at)) " ago)" }
                    }
                }
                @if report.watched { div { dt { "Watched" } dd { "for its own sake" } } }
            }
        }
    }

    fn windows(&self) -> Markup {
        html! {
            section aria-labelledby="windows" {
                h2 #windows { "How it did" }
                table.cards #in-windows role="table" aria-labelledby="windows" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for words in ["Window", "Availability", "Uptime", "Observed", "Outages", "Time between", "Median return", "Worst return"] {
                                th scope="col" role="columnheader" { (words) }
                            }
                        }
                    }
                    tbody role="rowgroup" { @for span in Span::ALL { (self.window(span)) } }
                }
            }
        }
    }

    fn window(&self, span: Span) -> Markup {
        let stats = self.history.stats_over(span);
        let (window, outages) = (&stats.window, &stats.outages);
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (span) }
                td.number role="cell" data-label="Availability" { (text::share(window.uptime_ns, window.observed_ns)) }
                td.number role="cell" data-label="Uptime" { (text::within(window.uptime_ns, window.uptime_error_ns)) }
                td.number role="cell" data-label="Observed" { (text::within(window.observed_ns, window.observed_error_ns)) }
                td.number role="cell" data-label="Outages" {
                    @if !outages.complete { "≥ " }
                    (outages.count)
                }
                td.number role="cell" data-label="Time between" { (text::known(outages.mean_time_between_ns)) }
                td.number role="cell" data-label="Median return" { (text::known(outages.median_return_ns)) }
                td.number role="cell" data-label="Worst return" { (text::known(outages.worst_return_ns)) }
            }
        }
    }

    /// The windows that the history can be looked at in.
    fn choice(&self) -> Markup {
        let chosen = Span::from(self.asked.window);
        html! {
            nav.choice aria-label="Window of the history" {
                ul {
                    @for span in Span::ALL {
                        li { a href=(self.href(span.into(), 1)) aria-current=[(span == chosen).then_some("true")] { (span) } }
                    }
                }
            }
        }
    }

    fn href(&self, window: WindowName, page: usize) -> String {
        let query = serde_urlencoded::to_string(Asked { window, page }).unwrap_or_default();
        self.root.link(&format!("peers/{}?{query}", self.report.node_id))
    }

    fn in_words(&self, timeline: &[Interval]) -> String {
        let sum = |presence: Presence| -> u64 {
            let of_kind = timeline.iter().filter(|interval| interval.presence == Some(presence));
            of_kind.map(Interval::length_ns).sum()
        };
        format!(
            "From {} until now: online for {}, offline for {}, unobserved for {}",
            text::moment(self.from),
            text::duration(sum(Presence::Online)),
            text::duration(sum(Presence::Offline)),
            text::duration(sum(Presence::Unobserved))
        )
    }

    fn outages(&self, timeline: &[Interval]) -> Markup {
        let is_outage = |interval: &&Interval| interval.presence != Some(Presence::Online);
        let outages: Vec<&Interval> = timeline.iter().rev().filter(is_outage).collect();
        let pages = outages.len().div_ceil(ROWS).max(1);
        let page = self.asked.page.clamp(1, pages);
        let shown = outages.iter().skip((page - 1) * ROWS).take(ROWS);
        html! {
            section aria-labelledby="outages" {
                h2 #outages { "Outages, theirs and ours" }
                div #outage-list {
                    @if outages.is_empty() {
                        p.empty { "None in this window." }
                    } @else {
                        table.cards role="table" aria-labelledby="outages" {
                            thead role="rowgroup" {
                                tr role="row" {
                                    @for words in ["From", "Until", "For", "Whose", "What"] { th scope="col" role="columnheader" { (words) } }
                                }
                            }
                            tbody role="rowgroup" { @for interval in shown { (self.outage(interval)) } }
                        }
                        nav.pager aria-label="Parts of the list of outages" {
                            p { (text::counted(outages.len() as u64, "stretch", "stretches")) ", the newest first" }
                            @if pages > 1 {
                                ul {
                                    @if page > 1 { li { a rel="prev" href=(self.href(self.asked.window, page - 1)) { "Newer" } } }
                                    @if page < pages { li { a rel="next" href=(self.href(self.asked.window, page + 1)) { "Older" } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn outage(&self, interval: &Interval) -> Markup {
        let (whose, what) = svg::whose(interval.presence, interval.cause);
        let lasts = interval.to >= self.now;
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (text::time(interval.from)) }
                td role="cell" data-label="Until" { @if lasts { "now" } @else { (text::time(interval.to)) } }
                td.number role="cell" data-label="For" { (text::duration(interval.length_ns())) }
                td role="cell" data-label="Whose" { span.whose.(if whose == "theirs" { "theirs" } else { "ours" }) { (whose) } }
                td role="cell" data-label="What" { (what) }
            }
        }
    }

    fn channels(&self) -> Markup {
        let channels = &self.report.channels;
        html! {
            section aria-labelledby="channels" {
                h2 #channels { "Channels" }
                div #channel-list {
                    @if channels.is_empty() {
                        p.empty { "No channel is open with it." }
                    } @else {
                        table.cards role="table" aria-labelledby="channels" {
                            thead role="rowgroup" {
                                tr role="row" {
                                    @for words in ["Channel", "Opened", "Availability", "Uptime", "Observed", "Usable", "Usable for"] {
                                        th scope="col" role="columnheader" { (words) }
                                    }
                                }
                            }
                            tbody role="rowgroup" { @for channel in channels { (channel_row(channel)) } }
                        }
                    }
                }
            }
        }
    }
}

fn channel_row(channel: &fitness_core::ChannelReport) -> Markup {
    let usable = match channel.usable {
        Presence::Online => "yes",
        Presence::Offline => "no",
        Presence::Unobserved => "not told",
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                span.id title=(channel.channel_id) { (text::short(&channel.channel_id)) }
                @if let Some(funding) = channel.funding { " " span.id.funding title=(funding) { (text::short(&funding)) } }
            }
            td role="cell" data-label="Opened" { (text::time(channel.opened_at)) }
            td.number role="cell" data-label="Availability" { (text::share(channel.uptime_ns, channel.observed_ns)) }
            td.number role="cell" data-label="Uptime" { (text::duration(channel.uptime_ns)) }
            td.number role="cell" data-label="Observed" { (text::duration(channel.observed_ns)) }
            td role="cell" data-label="Usable" { (usable) }
            td.number role="cell" data-label="Usable for" { (text::share(channel.usable_ns, channel.usable_observed_ns)) }
        }
    }
}
