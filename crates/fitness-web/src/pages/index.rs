//! All peers at a glance.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_core::{OutageStats, PeerReport, Presence, StandardWindow, Timestamp};
use maud::{Markup, html};

use super::filter::{Filter, ROWS, Sort, Wanted};
use super::layout::{Here, Page, refusal};
use super::{HOME, query, svg, text};
use crate::listing::{Counts, Listed, Order, page as page_of, select};
use crate::root::Root;
use crate::state::State;
use crate::summaries::{Gathered, Summaries};
use crate::summary::{Mark, Summary};

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let filter: Filter = match query(&uri) {
        Ok(filter) => filter,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let (now, peers) = (state.now(), state.handle.peers());
    let counts = Counts::of(&peers);
    let mut listed = select(&state, peers, filter.state.state(), &filter.q, filter.sort == Sort::Name);
    if filter.sort.needs_summaries() && listed.len() > Summaries::capacity() {
        let why = format!(
            "Sorting by what happened in a window is for up to {} peers, and these are {}. Search for fewer.",
            text::count(Summaries::capacity()),
            text::count(listed.len())
        );
        return refusal(&root, StatusCode::BAD_REQUEST, &why);
    }
    let mut gathered = Gathered::default();
    if filter.sort.needs_summaries() {
        gathered = state.summaries.gather(listed.iter().map(|peer| &peer.report), filter.span(), now).await;
    }
    listed.sort_by(|one, other| filter.sort.compare(filter.order, &gathered, one, other));
    let total = listed.len();
    let pages = total.div_ceil(ROWS).max(1);
    let filter = filter.on_page(filter.page.clamp(1, pages));
    let mut listed = page_of(listed, (filter.page - 1) * ROWS, ROWS);
    if !filter.sort.needs_summaries() {
        gathered = state.summaries.gather(listed.iter().map(|peer| &peer.report), filter.span(), now).await;
    }
    for peer in &mut listed {
        peer.name = peer.name.take().or_else(|| state.name(&peer.report.node_id));
    }

    let view = View { root: &root, filter: &filter, now, counts, total, pages, gathered: &gathered };
    let frame = Page {
        root: &root,
        title: "Peers",
        here: Here::Peers,
        live: Some(String::new()),
        unfinished: gathered.missing > 0,
    };
    frame.of(&state, now, &view.content(&listed)).into_response()
}

struct View<'a> {
    root: &'a Root,
    filter: &'a Filter,
    now: Timestamp,
    counts: Counts,
    total: usize,
    pages: usize,
    gathered: &'a Gathered,
}

impl View<'_> {
    fn content(&self, listed: &[Listed]) -> Markup {
        html! {
            h1 { "Peers" }
            (self.states())
            (self.form())
            (self.progress())
            @if !listed.is_empty() { (svg::legend()) }
            @if listed.is_empty() { (self.nobody()) } @else { (self.table(listed)) }
            (self.pager())
        }
    }

    fn states(&self) -> Markup {
        let Counts { online, offline, unobserved } = self.counts;
        let states = [
            (Wanted::All, self.counts.all(), "All"),
            (Wanted::Online, online, "Online"),
            (Wanted::Offline, offline, "Offline"),
            (Wanted::Unobserved, unobserved, "Unobserved"),
        ];
        html! {
            nav.states #states aria-label="By state" {
                ul {
                    @for (wanted, count, words) in states {
                        li {
                            a class=(wanted.name()) href=(self.href(&self.filter.with_state(wanted)))
                                aria-current=[(wanted == self.filter.state).then_some("true")] {
                                span.number { (text::count(count)) } " " (words)
                            }
                        }
                    }
                }
            }
        }
    }

    fn href(&self, filter: &Filter) -> String {
        self.root.link(&format!("{HOME}{}", filter.link()))
    }

    fn form(&self) -> Markup {
        let Filter { q, state, sort, order, window, .. } = self.filter;
        let spans = StandardWindow::ALL
            .map(|span| (span, if span == StandardWindow::Lifetime { "lifetime" } else { span.name() }));
        html! {
            form.filter #filter method="get" action=(self.root.link(HOME)) role="search" {
                p {
                    label for="q" { "Find" }
                    input #q name="q" type="search" value=(q) placeholder="name, node, channel or outpoint"
                        autocomplete="off" spellcheck="false";
                }
                p {
                    label for="window" { "Window" }
                    select #window name="window" {
                        @for (span, words) in spans {
                            option value=(span.name()) selected[StandardWindow::from(*window) == span] { (words) }
                        }
                    }
                }
                p {
                    label for="sort" { "Sort by" }
                    select #sort name="sort" {
                        @for (by, words) in Sort::ALL { option value=(words) selected[by == *sort] { (words) } }
                    }
                }
                p {
                    label for="order" { "Order" }
                    select #order name="order" {
                        option value="asc" selected[*order == Order::Asc] { "ascending" }
                        option value="desc" selected[*order == Order::Desc] { "descending" }
                    }
                }
                @if *state != Wanted::All { input name="state" type="hidden" value=(state.name()); }
                p { button type="submit" { "Show" } }
            }
        }
    }

    fn progress(&self) -> Markup {
        html! {
            div #progress role="status" {
                @if let Some(failure) = &self.gathered.failure {
                    p.notice.bad { strong { "Not every history can be read." } " The store says: " span.quote { (failure) } }
                } @else if self.gathered.missing > 0 {
                    p.notice {
                        "The history of " (text::pluralize(self.gathered.missing as u64, "peer", "peers"))
                        " is still being read. Look again in a moment."
                    }
                }
            }
        }
    }

    fn nobody(&self) -> Markup {
        html! {
            p.empty #peers {
                @if self.counts.all() == 0 {
                    "No peer is followed yet. Peers are followed from the first channel on, or once they are watched."
                } @else {
                    "No peer matches. " a href=(self.root.link(HOME)) { "Show all " (text::count(self.counts.all())) }
                }
            }
        }
    }

    fn table(&self, listed: &[Listed]) -> Markup {
        let window = self.filter.span();
        html! {
            table.cards #peers role="table" {
                caption.unseen {
                    "Peers, " (text::count(self.total)) " in all, with their availability in the window " (window)
                }
                thead role="rowgroup" {
                    tr role="row" {
                        (self.head(Sort::Name, "Peer"))
                        (self.head(Sort::State, "State"))
                        (self.head(Sort::Availability, "Availability"))
                        th.wide scope="col" role="columnheader" { (strip_title(window)) }
                        (self.head(Sort::Outages, "Outages"))
                        (self.head(Sort::Flaps, "Flaps"))
                        (self.head(Sort::Channels, "Channels"))
                    }
                }
                tbody role="rowgroup" { @for peer in listed { (self.row(peer)) } }
            }
        }
    }

    fn head(&self, sort: Sort, words: &str) -> Markup {
        let is_by_this = self.filter.sort == sort;
        let (sorted, arrow) = match self.filter.order {
            _ if !is_by_this => (None, ""),
            Order::Asc => (Some("ascending"), " ▲"),
            Order::Desc => (Some("descending"), " ▼"),
        };
        html! {
            th scope="col" role="columnheader" aria-sort=[sorted] {
                a href=(self.href(&self.filter.sorted_by(sort))) { (words) span aria-hidden="true" { (arrow) } }
            }
        }
    }

    fn row(&self, peer: &Listed) -> Markup {
        let report = &peer.report;
        let summary = self.gathered.get(&report.node_id);
        html! {
            tr role="row" id={ "p-" (report.node_id) } {
                th scope="row" role="rowheader" {
                    a href={ (self.root.link("peers/")) (report.node_id) } {
                        (text::called(peer.name.as_deref(), &report.node_id))
                    }
                    @if peer.name.is_some() { " " span.id { (text::short(&report.node_id)) } }
                }
                td role="cell" data-label="State" { (state(report, self.now)) }
                td.number role="cell" data-label="Availability" {
                    @match summary {
                        Some(summary) => (share(summary)),
                        None => span.pending { "reading" },
                    }
                }
                td.wide role="cell" data-label=(strip_title(self.filter.span())) {
                    @if let Some(summary) = summary { (svg::strip(summary.strip.marks(), &in_words(summary))) }
                }
                td.number role="cell" data-label="Outages" {
                    @match summary { Some(summary) => (outages(&summary.stats.outages)), None => span.pending { "reading" } }
                }
                td.number role="cell" data-label="Flaps" { (text::count(report.flap_count as usize)) }
                td.number role="cell" data-label="Channels" {
                    (text::count(report.channels.len()))
                    @if report.watched { " " span.tag { "watched" } }
                }
            }
        }
    }

    fn pager(&self) -> Markup {
        let Filter { page, .. } = *self.filter;
        let (first, last) = ((page - 1) * ROWS + 1, self.total.min(page * ROWS));
        let to = |page: usize| self.href(&self.filter.on_page(page));
        html! {
            nav.pager #pager aria-label="Parts of the list" {
                @if self.total > 0 {
                    p { (text::count(first)) " to " (text::count(last)) " of " (text::count(self.total)) }
                }
                @if self.pages > 1 {
                    ul {
                        @if page > 2 { li { a href=(to(1)) { "First" } } }
                        @if page > 1 { li { a rel="prev" href=(to(page - 1)) { "Previous" } } }
                        @if page < self.pages { li { a rel="next" href=(to(page + 1)) { "Next" } } }
                        @if page + 1 < self.pages { li { a href=(to(self.pages)) { "Last" } } }
                    }
                }
            }
        }
    }
}

fn strip_title(span: StandardWindow) -> String {
    match span {
        StandardWindow::Lifetime => "Lifetime".to_owned(),
        _ => format!("Last {span}"),
    }
}

/// What a peer is, and for how long: told by the word and the sign as well as by the colour.
pub(super) fn state(report: &PeerReport, now: Timestamp) -> Markup {
    let (class, sign, word) = match report.presence {
        Presence::Online => ("online", "●", "Online"),
        Presence::Offline => ("offline", "○", "Offline"),
        Presence::Unobserved => ("unobserved", "◌", "Unobserved"),
    };
    html! {
        span.state.(class) { span aria-hidden="true" { (sign) } " " (word) }
        " " span.for { "for " (text::since(now, report.presence_since)) }
    }
}

fn share(summary: &Summary) -> String {
    let window = &summary.stats.window;
    let share = text::percent(window.uptime_ns, window.observed_ns);
    if window.is_exact() { share } else { format!("≈ {share}") }
}

fn outages(outages: &OutageStats) -> Markup {
    html! {
        @if !outages.complete { "≥ " }
        (outages.disconnects)
        @if outages.longest_outage_ns > 0 { " " small { "longest " (text::duration(outages.longest_outage_ns)) } }
    }
}

/// What a strip shows, for whoever does not see it.
fn in_words(summary: &Summary) -> String {
    let marks = summary.strip.marks();
    let count = |is: fn(&Mark) -> bool| marks.iter().filter(|mark| is(mark)).count();
    let parts = [
        (count(|mark| *mark == Mark::Online), "online"),
        (count(|mark| matches!(mark, Mark::Partly(_))), "online in part"),
        (count(|mark| *mark == Mark::Offline), "offline"),
        (count(|mark| *mark == Mark::Unobserved), "unobserved"),
        (count(|mark| *mark == Mark::Nothing), "before it was followed"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|part| part.0 > 0).map(|(count, words)| format!("{count} {words}")).collect();
    format!("Of {} equal parts: {}", marks.len(), told.join(", "))
}
