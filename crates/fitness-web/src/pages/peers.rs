//! The list of all peers.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_core::{OutageStats, PeerReport, Presence, StandardWindow, Timestamp};
use maud::{Markup, html};

use super::filter::{Filter, PresenceOption, ROWS, Sort};
use super::layout::{NavItem, Page, error_page};
use super::{HOME, parse_query, svg, text};
use crate::listing::{ListedPeer, Order, PresenceCounts, page as page_of, select};
use crate::root::Root;
use crate::state::State;
use crate::summary::{Mark, Summary};
use crate::summary_cache::{LoadedSummaries, SummaryCache};

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let filter: Filter = match parse_query(&uri) {
        Ok(filter) => filter,
        Err(message) => return error_page(&root, StatusCode::BAD_REQUEST, &message),
    };
    let (now, peers) = (state.now(), state.handle.peers());
    let counts = PresenceCounts::of(&peers);
    let by_alias = filter.sort == Sort::Alias;
    let mut listed = select(&state, peers, filter.presence.filter(), &filter.q, by_alias);
    if filter.sort.needs_summaries() && listed.len() > SummaryCache::capacity() {
        let message = format!(
            "Cannot sort {} peers by statistics of a window (the limit is {}). Narrow the search.",
            text::count(listed.len()),
            text::count(SummaryCache::capacity())
        );
        return error_page(&root, StatusCode::BAD_REQUEST, &message);
    }
    let mut summaries = LoadedSummaries::default();
    if filter.sort.needs_summaries() {
        let reports = listed.iter().map(|peer| &peer.report);
        summaries = state.summaries.load(reports, filter.window(), now).await;
    }
    listed.sort_by(|left, right| filter.sort.compare(filter.order, &summaries, left, right));
    let total = listed.len();
    let pages = total.div_ceil(ROWS).max(1);
    let filter = filter.with_page(filter.page.clamp(1, pages));
    let mut listed = page_of(listed, (filter.page - 1) * ROWS, ROWS);
    if !filter.sort.needs_summaries() {
        let reports = listed.iter().map(|peer| &peer.report);
        summaries = state.summaries.load(reports, filter.window(), now).await;
    }
    for peer in &mut listed {
        peer.alias = peer.alias.take().or_else(|| state.alias(&peer.report.node_id));
    }

    let columns = Columns::new(filter.window());
    let view = View {
        root: &root,
        filter: &filter,
        columns: &columns,
        now,
        counts,
        total,
        pages,
        summaries: &summaries,
    };
    let layout = Page {
        root: &root,
        title: "Peers",
        nav_item: NavItem::Peers,
        changes_query: String::new(),
        is_incomplete: summaries.pending > 0,
    };
    layout.render(&state, now, &view.content(&listed)).into_response()
}

/// Labels of the columns that depend on the window.
struct Columns {
    availability: String,
    strip: String,
    disconnects: String,
}

impl Columns {
    fn new(window: StandardWindow) -> Self {
        Self {
            availability: format!("Availability ({window})"),
            strip: match window {
                StandardWindow::Lifetime => "Lifetime".to_owned(),
                _ => format!("Last {window}"),
            },
            disconnects: format!("Disconnects ({window})"),
        }
    }
}

struct View<'a> {
    root: &'a Root,
    filter: &'a Filter,
    columns: &'a Columns,
    now: Timestamp,
    counts: PresenceCounts,
    total: usize,
    pages: usize,
    summaries: &'a LoadedSummaries,
}

impl View<'_> {
    fn content(&self, listed: &[ListedPeer]) -> Markup {
        html! {
            h1 { "Peers" }
            (self.presence_filter())
            (self.form())
            (self.progress())
            @if !listed.is_empty() { (svg::presence_legend()) }
            @if listed.is_empty() { (self.empty()) } @else { (self.table(listed)) }
            (self.pager())
        }
    }

    fn presence_filter(&self) -> Markup {
        let PresenceCounts { online, offline, unobserved } = self.counts;
        let options = [
            (PresenceOption::All, self.counts.total(), "All"),
            (PresenceOption::Online, online, "Online"),
            (PresenceOption::Offline, offline, "Offline"),
            (PresenceOption::Unobserved, unobserved, "Unobserved"),
        ];
        html! {
            nav.presence-filter #presence-filter aria-label="Filter by presence" {
                ul {
                    @for (option, count, label) in options {
                        li {
                            a class=(option.name()) href=(self.link(&self.filter.with_presence(option)))
                                aria-current=[(option == self.filter.presence).then_some("true")] {
                                span.number { (text::count(count)) } " " (label)
                            }
                        }
                    }
                }
            }
        }
    }

    fn link(&self, filter: &Filter) -> String {
        self.root.link(&format!("{HOME}{}", filter.query_string()))
    }

    fn form(&self) -> Markup {
        let Filter { q, presence, sort, order, .. } = self.filter;
        html! {
            form.filter #filter method="get" action=(self.root.link(HOME)) role="search" {
                p {
                    label for="q" { "Search" }
                    input #q name="q" type="search" value=(q)
                        placeholder="alias, node id, channel id or outpoint"
                        autocomplete="off" spellcheck="false";
                }
                p {
                    label for="window" { "Window" }
                    select #window name="window" {
                        @for window in StandardWindow::ALL {
                            option value=(window.name()) selected[self.filter.window() == window] { (window) }
                        }
                    }
                }
                p {
                    label for="sort" { "Sort by" }
                    select #sort name="sort" {
                        @for (key, name, label) in Sort::ALL {
                            option value=(name) selected[key == *sort] { (label) }
                        }
                    }
                }
                p {
                    label for="order" { "Order" }
                    select #order name="order" {
                        option value="asc" selected[*order == Order::Asc] { "Ascending" }
                        option value="desc" selected[*order == Order::Desc] { "Descending" }
                    }
                }
                @if *presence != PresenceOption::All {
                    input name="presence" type="hidden" value=(presence.name());
                }
                p { button type="submit" { "Apply" } }
            }
        }
    }

    fn progress(&self) -> Markup {
        html! {
            div #progress role="status" {
                @if let Some(failure) = &self.summaries.failure {
                    p.notice.error {
                        strong { "Some histories could not be read." }
                        " Error: " span.error-message { (failure) }
                    }
                } @else if self.summaries.pending > 0 {
                    p.notice {
                        "Loading the history of "
                        (text::pluralize(self.summaries.pending as u64, "peer", "peers"))
                        ". Reload this page in a moment."
                    }
                }
            }
        }
    }

    fn empty(&self) -> Markup {
        let all = self.counts.total();
        html! {
            p.empty #peers {
                @if all == 0 {
                    "No tracked peers yet. A peer is tracked once it has a channel or is watched."
                } @else {
                    "No matching peers. " a href=(self.root.link(HOME)) { "Show all " (text::count(all)) }
                }
            }
        }
    }

    fn table(&self, listed: &[ListedPeer]) -> Markup {
        let columns = self.columns;
        html! {
            table.cards #peers role="table" {
                caption.visually-hidden { (text::pluralize(self.total as u64, "peer", "peers")) }
                thead role="rowgroup" {
                    tr role="row" {
                        (self.sortable_header(Sort::Alias, "Peer"))
                        (self.sortable_header(Sort::Presence, "Presence"))
                        (self.sortable_header(Sort::Availability, &columns.availability))
                        th.wide scope="col" role="columnheader" { (columns.strip) }
                        (self.sortable_header(Sort::Disconnects, &columns.disconnects))
                        (self.sortable_header(Sort::Flaps, "Flaps (decaying)"))
                        (self.sortable_header(Sort::Channels, "Channels"))
                    }
                }
                tbody role="rowgroup" { @for peer in listed { (self.row(peer)) } }
            }
        }
    }

    fn sortable_header(&self, sort: Sort, label: &str) -> Markup {
        let is_sorted = self.filter.sort == sort;
        let (aria_sort, arrow) = match self.filter.order {
            _ if !is_sorted => (None, ""),
            Order::Asc => (Some("ascending"), " ▲"),
            Order::Desc => (Some("descending"), " ▼"),
        };
        html! {
            th scope="col" role="columnheader" aria-sort=[aria_sort] {
                a href=(self.link(&self.filter.sorted_by(sort))) {
                    (label) span aria-hidden="true" { (arrow) }
                }
            }
        }
    }

    fn row(&self, peer: &ListedPeer) -> Markup {
        let report = &peer.report;
        let columns = self.columns;
        let summary = self.summaries.get(&report.node_id);
        html! {
            tr role="row" id={ "peer-" (report.node_id) } {
                th scope="row" role="rowheader" {
                    a href={ (self.root.link("peers/")) (report.node_id) } {
                        (text::alias_or_id(peer.alias.as_deref(), &report.node_id))
                    }
                    @if peer.alias.is_some() { " " span.id { (text::short_id(&report.node_id)) } }
                }
                td role="cell" data-label="Presence" { (presence(report, self.now)) }
                td.number role="cell" data-label=(columns.availability) {
                    @match summary {
                        Some(summary) => (availability(summary)),
                        None => span.pending { "loading" },
                    }
                }
                td.wide role="cell" data-label=(columns.strip) {
                    @if let Some(summary) = summary {
                        (svg::strip(summary.strip.marks(), &strip_description(summary)))
                    }
                }
                td.number role="cell" data-label=(columns.disconnects) {
                    @match summary {
                        Some(summary) => (disconnects(&summary.stats.outages)),
                        None => span.pending { "loading" },
                    }
                }
                td.number role="cell" data-label="Flaps (decaying)" { (text::count(report.flap_count as usize)) }
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
        let link = |page: usize| self.link(&self.filter.with_page(page));
        html! {
            nav.pager #pager aria-label="Pages of peers" {
                @if self.total > 0 {
                    p { (text::count(first)) " to " (text::count(last)) " of " (text::count(self.total)) }
                }
                @if self.pages > 1 {
                    ul {
                        @if page > 2 { li { a href=(link(1)) { "First" } } }
                        @if page > 1 { li { a rel="prev" href=(link(page - 1)) { "Previous" } } }
                        @if page < self.pages { li { a rel="next" href=(link(page + 1)) { "Next" } } }
                        @if page + 1 < self.pages { li { a href=(link(self.pages)) { "Last" } } }
                    }
                }
            }
        }
    }
}

/// The presence of a peer and how long it has lasted. Color is never the only distinction.
pub(super) fn presence(report: &PeerReport, now: Timestamp) -> Markup {
    let (class, icon, label) = match report.presence {
        Presence::Online => ("online", "●", "Online"),
        Presence::Offline => ("offline", "○", "Offline"),
        Presence::Unobserved => ("unobserved", "◌", "Unobserved"),
    };
    html! {
        span.badge.(class) { span aria-hidden="true" { (icon) } " " (label) }
        " " span.duration { "for " (text::duration_since(now, report.presence_since)) }
    }
}

fn availability(summary: &Summary) -> String {
    let window = &summary.stats.window;
    let availability = text::percent(window.uptime_ns, window.observed_ns);
    if window.is_exact() { availability } else { format!("≈ {availability}") }
}

fn disconnects(outages: &OutageStats) -> Markup {
    html! {
        @if !outages.complete { "≥ " }
        (text::group_digits(outages.disconnects))
        @if outages.longest_outage_ns > 0 {
            " " small { "longest outage " (text::duration(outages.longest_outage_ns)) }
        }
    }
}

/// Describes a strip for screen readers.
fn strip_description(summary: &Summary) -> String {
    let marks = summary.strip.marks();
    let count = |matches: fn(&Mark) -> bool| marks.iter().filter(|mark| matches(mark)).count();
    let counts = [
        (count(|mark| *mark == Mark::Online), "online"),
        (count(|mark| matches!(mark, Mark::PartlyOnline(_))), "partly online"),
        (count(|mark| *mark == Mark::Offline), "offline"),
        (count(|mark| *mark == Mark::Unobserved), "unobserved"),
        (count(|mark| *mark == Mark::Untracked), "not tracked yet"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, label)| format!("{count} {label}")).collect();
    format!("{} equal parts: {}", marks.len(), counts.join(", "))
}
