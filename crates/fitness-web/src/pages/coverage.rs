//! When we were gone, and how we are doing: what all other numbers rest on.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_actor::Health;
use fitness_core::{Coverage, Gap, GapSums, Span, Timestamp};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::filter::usual_window;
use super::layout::{Here, Page, refusal};
use super::{query, svg, text};
use crate::range::WindowName;
use crate::root::Root;
use crate::state::State;
use crate::summary::{Mark, parts};

/// How many gaps a page lists.
const ROWS: usize = 50;

#[derive(Clone, Copy, Deserialize, Serialize)]
struct Asked {
    #[serde(default = "usual_window")]
    window: WindowName,
    /// From 1; the newest gaps are on the first.
    #[serde(default = "first")]
    page: usize,
}

const fn first() -> usize {
    1
}

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let asked: Asked = match query(&uri) {
        Ok(asked) => asked,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let health = state.handle.health();
    let now = health.now;
    let began = health.coverage.map_or(now, |coverage| coverage.first_started);
    let from = Span::from(asked.window).before(now).max(began);
    let gaps = match state.handle.gaps(from, now).await {
        Ok(gaps) => gaps,
        Err(err) => {
            let why = format!("Our gaps cannot be read: {err}");
            return refusal(&root, StatusCode::SERVICE_UNAVAILABLE, &why);
        }
    };
    let view = View { root: &root, asked, from, now };
    let content = html! {
        h1 { "Coverage" }
        p.lead {
            "What we could not see counts neither for nor against a peer. This is when that was, and why."
        }
        @match &health.coverage {
            Some(coverage) => (sums(coverage, now)),
            None => p.empty #sums { "Nothing has happened yet." },
        }
        section aria-labelledby="gaps" {
            h2 #gaps { "When we were gone" }
            (view.choice())
            (view.strip(&gaps, began))
            (view.list(&gaps))
        }
        (service(&health))
    };
    let frame = Page {
        root: &root,
        title: "Coverage",
        here: Here::Coverage,
        live: Some(String::new()),
        unfinished: false,
    };
    frame.of(&state, now, &content).into_response()
}

fn sums(coverage: &Coverage, now: Timestamp) -> Markup {
    let causes = [
        ("Our program was not running", coverage.down),
        ("We were suspended, stopped or starved", coverage.suspended),
        ("Our own network was out", coverage.network_out),
        ("The wallet paused us", coverage.paused),
    ];
    html! {
        div #sums {
            dl.facts {
                div { dt { "Watched" } dd { strong { (text::share(coverage.watched_ns, coverage.lifetime_ns)) } " of " (text::duration(coverage.lifetime_ns)) } }
                div { dt { "First started" } dd { (text::time(coverage.first_started)) } }
                div { dt { "Running for" } dd { (text::since(now, coverage.started_at)) } }
                div { dt { "Starts" } dd { (text::count(coverage.starts as usize)) } }
            }
            table.cards role="table" {
                caption { "Gaps that have ended, by cause" }
                thead role="rowgroup" {
                    tr role="row" { @for words in ["Cause", "Gaps", "Together", "Of our lifetime"] { th scope="col" role="columnheader" { (words) } } }
                }
                tbody role="rowgroup" {
                    @for (words, GapSums { count, length_ns }) in causes {
                        tr role="row" {
                            th scope="row" role="rowheader" { (words) }
                            td.number role="cell" data-label="Gaps" { (text::count(count as usize)) }
                            td.number role="cell" data-label="Together" { (text::duration(length_ns)) }
                            td.number role="cell" data-label="Of our lifetime" { (text::share(length_ns, coverage.lifetime_ns)) }
                        }
                    }
                }
            }
        }
    }
}

struct View<'a> {
    root: &'a Root,
    asked: Asked,
    from: Timestamp,
    now: Timestamp,
}

impl View<'_> {
    fn href(&self, window: WindowName, page: usize) -> String {
        let query = serde_urlencoded::to_string(Asked { window, page }).unwrap_or_default();
        self.root.link(&format!("coverage?{query}"))
    }

    fn choice(&self) -> Markup {
        let chosen = Span::from(self.asked.window);
        html! {
            nav.choice aria-label="Window" {
                ul {
                    @for span in Span::ALL {
                        li { a href=(self.href(span.into(), 1)) aria-current=[(span == chosen).then_some("true")] { (span) } }
                    }
                }
            }
        }
    }

    fn strip(&self, gaps: &[Gap], began: Timestamp) -> Markup {
        let marks = marks(gaps, began, self.from, self.now, parts(self.asked.window.into()));
        let gone = marks.iter().filter(|mark| **mark != Mark::Online).count();
        let words = format!("Of {} equal parts we watched {} throughout", marks.len(), marks.len() - gone);
        html! {
            div #watched {
                (svg::strip(&marks, &words))
                (svg::axis(self.from, self.now))
                ul.legend aria-label="What the marks mean" {
                    li { (svg::strip(&[Mark::Online; 3], "")) " we watched" }
                    li { (svg::strip(&[Mark::Partly(600); 3], "")) " in part" }
                    li { (svg::strip(&[Mark::Unobserved; 3], "")) " we were gone" }
                }
            }
        }
    }

    fn list(&self, gaps: &[Gap]) -> Markup {
        let pages = gaps.len().div_ceil(ROWS).max(1);
        let page = self.asked.page.clamp(1, pages);
        let shown = gaps.iter().rev().skip((page - 1) * ROWS).take(ROWS);
        html! {
            div #gap-list {
                @if gaps.is_empty() {
                    p.empty { "We were there all the time." }
                } @else {
                    table.cards role="table" aria-labelledby="gaps" {
                        thead role="rowgroup" {
                            tr role="row" { @for words in ["From", "Until", "For", "Why"] { th scope="col" role="columnheader" { (words) } } }
                        }
                        tbody role="rowgroup" {
                            @for gap in shown {
                                tr role="row" {
                                    th scope="row" role="rowheader" { (text::time(gap.from)) }
                                    td role="cell" data-label="Until" { @if gap.ongoing { "now" } @else { (text::time(gap.to)) } }
                                    td.number role="cell" data-label="For" { (text::duration(gap.length_ns())) }
                                    td role="cell" data-label="Why" { (text::cause(gap.cause)) }
                                }
                            }
                        }
                    }
                    nav.pager aria-label="Parts of the list of gaps" {
                        p { (text::counted(gaps.len() as u64, "gap", "gaps")) ", the newest first" }
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

/// How much of each of so many equal parts we watched. Gaps are in order and do not overlap.
fn marks(gaps: &[Gap], began: Timestamp, from: Timestamp, to: Timestamp, parts: usize) -> Vec<Mark> {
    let length_ns = to.nanos_since(from);
    let edge = |part: usize| {
        let into = u128::from(length_ns) * part as u128 / parts as u128;
        from.after_nanos(u64::try_from(into).unwrap_or(length_ns))
    };
    let mark = |part| {
        let (start, end) = (edge(part), edge(part + 1));
        let length_ns = end.nanos_since(start);
        let gone = gaps.iter().map(|gap| gap.to.min(end).nanos_since(gap.from.max(start)));
        let watched_ns = length_ns.saturating_sub(gone.sum());
        match watched_ns {
            _ if end <= began || length_ns == 0 => Mark::Nothing,
            0 => Mark::Unobserved,
            _ if watched_ns >= length_ns => Mark::Online,
            _ => {
                let permille = u128::from(watched_ns) * 1_000 / u128::from(length_ns);
                Mark::Partly(u16::try_from(permille).unwrap_or(999).clamp(1, 999))
            }
        }
    };
    (0..parts).map(mark).collect()
}

/// How the service itself is doing.
fn service(health: &Health) -> Markup {
    let store = &health.store;
    let faults = health.clock_faults;
    let wall = health.wall_clock;
    html! {
        section aria-labelledby="service" {
            h2 #service { "The service" }
            dl.facts #health {
                div { dt { "Storing changes" } dd { @if health.running { "yes" } @else { "no, it has stopped" } } }
                div { dt { "Last stored" } dd { @match store.last_commit { Some(at) => { (text::since(health.now, at)) " ago" }, None => "nothing yet" } } }
                div { dt { "Commits" } dd { (text::count(usize::try_from(store.commits).unwrap_or(usize::MAX))) ", the longest " (text::duration(store.commit_times.longest_ns)) } }
                div { dt { "Commits that failed" } dd { (text::count(usize::try_from(store.failures).unwrap_or(usize::MAX))) } }
                div { dt { "Peers yet to be stored" } dd { (text::count(health.dirty_peers)) } }
                div { dt { "Peers known" } dd { (text::count(health.peers)) } }
                div { dt { "Channels" } dd { (text::count(health.channels)) } }
                div { dt { "Clock" } dd {
                    (text::counted(wall.steps_ahead, "step ahead", "steps ahead")) ", "
                    (text::counted(wall.steps_back + faults.steps_back, "step back", "steps back"))
                } }
                @if let Some(failure) = &store.last_error {
                    div { dt { "Last failure" } dd { (text::since(health.now, failure.at)) " ago: " span.quote { (failure.error) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, Tracker, TrackerConfig};

    #[test]
    fn each_part_says_how_much_of_it_we_watched() {
        let start = Timestamp::from_secs(1_700_000_000);
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start, &Event::ObservationPaused);
        tracker.apply(start.after_secs(150), &Event::ObservationResumed);
        let end = start.after_secs(400);
        let gaps = tracker.gaps(end, &[], Timestamp::EPOCH, end);
        let of = |from| marks(&gaps, start, from, end, 4);
        assert_eq!(of(start), [Mark::Unobserved, Mark::Partly(500), Mark::Online, Mark::Online]);
        let before = start.before_nanos(400 * 1_000_000_000);
        assert_eq!(of(before), [Mark::Nothing, Mark::Nothing, Mark::Partly(250), Mark::Online]);
    }
}
