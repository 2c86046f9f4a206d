//! When we were gone, and how we are doing: what all other numbers rest on.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_actor::Health;
use fitness_core::{Coverage, Gap, GapTotals, Timestamp};
use maud::{Markup, html};

use super::layout::{Here, Page, refusal};
use super::parts::{Look, cell, fact, head, number};
use super::{query, svg, text};
use crate::root::Root;
use crate::state::State;
use crate::summary::{Mark, parts};

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let look: Look = match query(&uri) {
        Ok(look) => look,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let health = state.handle.health();
    let now = health.now;
    let began = health.coverage.map_or(now, |coverage| coverage.first_started_at);
    let from = look.span().start(now).max(began);
    let gaps = match state.handle.gaps(from, now).await {
        Ok(gaps) => gaps,
        Err(err) => {
            let why = format!("Our gaps cannot be read: {err}");
            return refusal(&root, StatusCode::SERVICE_UNAVAILABLE, &why);
        }
    };
    let here = root.link("coverage");
    // It has the whole width of the page.
    let marks = marks(&gaps, began, from, now, 2 * parts(look.span()));
    let content = html! {
        h1 { "Coverage" }
        p.lead { "What we could not see counts neither for nor against a peer. This is when that was, and why." }
        @match &health.coverage {
            Some(coverage) => (sums(coverage, now)),
            None => p.empty #sums { "Nothing has happened yet." },
        }
        section aria-labelledby="gaps" {
            h2 #gaps { "When we were gone" }
            (look.choice(&here))
            (strip(&marks, from, now))
            (list(look, &here, &gaps))
        }
        (service(&health))
    };
    let live = Some(String::new());
    let frame = Page { root: &root, title: "Coverage", here: Here::Coverage, live, unfinished: false };
    frame.of(&state, now, &content).into_response()
}

fn sums(coverage: &Coverage, now: Timestamp) -> Markup {
    let causes = [
        ("Our program was not running", coverage.not_running),
        ("We were suspended, stopped or starved of time", coverage.suspended),
        ("Our own network was out", coverage.network_down),
        ("The wallet paused us", coverage.paused),
    ];
    let watched = text::percent(coverage.monitored_ns, coverage.lifetime_ns);
    html! {
        div #sums {
            dl.facts {
                (fact("Watched", html! { strong { (watched) } " of " (text::duration(coverage.lifetime_ns)) }))
                (fact("First started", text::time(coverage.first_started_at)))
                (fact("Running for", text::since(now, coverage.started_at)))
                (fact("Starts", text::count(coverage.starts as usize)))
            }
            table #causes role="table" {
                caption { "Gaps that have ended, by cause" }
                (head(&["Cause", "Gaps", "Together", "Of our lifetime"]))
                tbody role="rowgroup" {
                    @for (words, GapTotals { count, length_ns }) in causes {
                        tr role="row" {
                            th scope="row" role="rowheader" { (words) }
                            (number("Gaps", text::count(count as usize)))
                            (number("Together", text::duration(length_ns)))
                            (number("Of our lifetime", text::percent(length_ns, coverage.lifetime_ns)))
                        }
                    }
                }
            }
        }
    }
}

fn strip(marks: &[Mark], from: Timestamp, to: Timestamp) -> Markup {
    let watched = marks.iter().filter(|mark| **mark == Mark::Online).count();
    let words = format!("Of {} equal parts we watched {watched} throughout", marks.len());
    let entry = |mark: Mark, words: &str| html! { li { (svg::strip(&[mark; 3], "")) " " (words) } };
    html! {
        div #watched {
            (svg::strip(marks, &words))
            (svg::axis(from, to))
            ul.legend aria-label="What the marks mean" {
                (entry(Mark::Online, "we watched"))
                (entry(Mark::Partly(600), "in part"))
                (entry(Mark::Unobserved, "we were gone"))
            }
        }
    }
}

fn list(look: Look, here: &str, gaps: &[Gap]) -> Markup {
    html! {
        div #gap-list {
            @if gaps.is_empty() {
                p.empty { "We were there all the time." }
            } @else {
                table.cards role="table" aria-labelledby="gaps" {
                    (head(&["From", "Until", "For", "Why"]))
                    tbody role="rowgroup" {
                        @for gap in look.part(gaps) {
                            tr role="row" {
                                th scope="row" role="rowheader" { (text::time(gap.from)) }
                                (cell("Until", html! { @if gap.ongoing { "now" } @else { (text::time(gap.to)) } }))
                                (number("For", text::duration(gap.length_ns())))
                                (cell("Why", text::gap_cause(gap.cause)))
                            }
                        }
                    }
                }
                (look.pager(here, gaps.len(), "gap", "gaps"))
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
        let monitored_ns = length_ns.saturating_sub(gone.sum());
        match monitored_ns {
            _ if end <= began || length_ns == 0 => Mark::Nothing,
            0 => Mark::Unobserved,
            _ if monitored_ns >= length_ns => Mark::Online,
            _ => {
                let permille = u128::from(monitored_ns) * 1_000 / u128::from(length_ns);
                Mark::Partly(u16::try_from(permille).unwrap_or(999).clamp(1, 999))
            }
        }
    };
    (0..parts).map(mark).collect()
}

/// How the service itself is doing.
fn service(health: &Health) -> Markup {
    let store = &health.store;
    let (faults, wall) = (health.clock_faults, health.wall_clock);
    let longest = text::duration(store.commit_durations.longest_ns);
    let back = text::pluralize(wall.steps_back + faults.steps_back, "step back", "steps back");
    let ahead = text::pluralize(wall.steps_forward, "step ahead", "steps ahead");
    html! {
        section aria-labelledby="service" {
            h2 #service { "The service" }
            dl.facts #health {
                (fact("Storing changes", match health.running {
                    true => "yes",
                    false if health.archived => "no, this is a store at rest",
                    false => "no, it has stopped",
                }))
                (fact("Last stored", html! {
                    @match store.last_commit {
                        Some(at) => { (text::since(health.now, at)) " ago" },
                        None => "nothing yet",
                    }
                }))
                (fact("Commits", format!("{}, the longest {longest}", text::many(store.commits))))
                (fact("Commits that failed", text::many(store.failures)))
                (fact("Peers yet to be stored", text::count(health.dirty_peers)))
                (fact("Peers known", text::count(health.peers)))
                (fact("Channels", text::count(health.channels)))
                (fact("Clock", format!("{ahead}, {back}")))
                @if let Some(failure) = &store.last_error {
                    (fact("Last failure", html! {
                        (text::since(health.now, failure.at)) " ago: " span.quote { (failure.error) }
                    }))
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
