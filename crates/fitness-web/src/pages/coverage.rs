//! Monitoring coverage, monitoring gaps and the health of the service.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_actor::Health;
use fitness_core::{Coverage, Gap, GapTotals, Timestamp};
use maud::{Markup, html};

use super::components::{HistoryQuery, cell, fact, number, table_head};
use super::layout::{NavItem, Page, error_page};
use super::{parse_query, svg, text};
use crate::root::Root;
use crate::state::State;
use crate::summary::{Mark, strip_parts};

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let query: HistoryQuery = match parse_query(&uri) {
        Ok(query) => query,
        Err(message) => return error_page(&root, StatusCode::BAD_REQUEST, &message),
    };
    let health = state.handle.health();
    let now = health.now;
    let first_started_at = health.coverage.map_or(now, |coverage| coverage.first_started_at);
    let from = query.window().start(now).max(first_started_at);
    let gaps = match state.handle.gaps(from, now).await {
        Ok(gaps) => gaps,
        Err(err) => {
            let message = format!("Cannot read the monitoring gaps: {err}");
            return error_page(&root, StatusCode::SERVICE_UNAVAILABLE, &message);
        }
    };
    let base = root.link("coverage");
    // The strip is as wide as the page, so it has twice as many parts as in a table.
    let marks = coverage_marks(&gaps, first_started_at, from, now, 2 * strip_parts(query.window()));
    let content = html! {
        h1 { "Monitoring coverage" }
        p.lead { "Time in which peers could not be observed counts neither for nor against them." }
        @match &health.coverage {
            Some(coverage) => (totals(coverage, now)),
            None => p.empty #coverage-totals { "No data yet" },
        }
        section aria-labelledby="gaps" {
            h2 #gaps { "Monitoring gaps" }
            (query.window_picker(&base))
            (strip(&marks, from, now))
            (gap_list(query, &base, &gaps))
        }
        (service(&health))
    };
    let layout = Page {
        root: &root,
        title: "Monitoring coverage",
        nav_item: NavItem::Coverage,
        changes_query: String::new(),
        is_incomplete: false,
    };
    layout.render(&state, now, &content).into_response()
}

fn totals(coverage: &Coverage, now: Timestamp) -> Markup {
    let causes = [
        ("Process not running", coverage.not_running),
        ("System suspended or process stalled", coverage.suspended),
        ("Network down", coverage.network_down),
        ("Monitoring paused by the wallet", coverage.paused),
    ];
    let monitored = text::percent(coverage.monitored_ns, coverage.lifetime_ns);
    html! {
        div #coverage-totals {
            dl.facts {
                (fact("Monitored", html! {
                    strong { (monitored) } " of " (text::duration(coverage.lifetime_ns))
                }))
                (fact("First start", text::time(coverage.first_started_at)))
                (fact("Last start", html! { (text::duration_since(now, coverage.started_at)) " ago" }))
                (fact("Starts", text::count(coverage.starts as usize)))
            }
            table #gap-causes role="table" {
                caption { "Ended gaps by cause" }
                (table_head(&["Cause", "Gaps", "Total length", "Share of lifetime"]))
                tbody role="rowgroup" {
                    @for (label, GapTotals { count, length_ns }) in causes {
                        tr role="row" {
                            th scope="row" role="rowheader" { (label) }
                            (number("Gaps", text::count(count as usize)))
                            (number("Total length", text::duration(length_ns)))
                            (number("Share of lifetime", text::percent(length_ns, coverage.lifetime_ns)))
                        }
                    }
                }
            }
        }
    }
}

fn strip(marks: &[Mark], from: Timestamp, to: Timestamp) -> Markup {
    let monitored = marks.iter().filter(|mark| **mark == Mark::Online).count();
    let description = format!("{} equal parts, {monitored} of them monitored throughout", marks.len());
    html! {
        div #coverage-strip {
            (svg::strip(marks, &description))
            (svg::axis(from, to))
            (svg::legend(&[
                (Mark::Online, "monitored"),
                (Mark::PartlyOnline(600), "partly monitored"),
                (Mark::Unobserved, "not monitored"),
            ]))
        }
    }
}

fn gap_list(query: HistoryQuery, base: &str, gaps: &[Gap]) -> Markup {
    html! {
        div #gap-list {
            @if gaps.is_empty() {
                p.empty { "No gaps in this window" }
            } @else {
                table.cards role="table" aria-labelledby="gaps" {
                    (table_head(&["Start", "End", "Duration", "Cause"]))
                    tbody role="rowgroup" {
                        @for gap in query.rows(gaps) {
                            tr role="row" {
                                th scope="row" role="rowheader" { (text::time(gap.from)) }
                                (cell("End", html! {
                                    @if gap.ongoing { "ongoing" } @else { (text::time(gap.to)) }
                                }))
                                (number("Duration", text::duration(gap.length_ns())))
                                (cell("Cause", text::gap_cause(gap.cause)))
                            }
                        }
                    }
                }
                (query.pager(base, gaps.len(), "gap", "gaps"))
            }
        }
    }
}

/// Divides a window into parts and returns how much of each was monitored. `gaps` must be sorted and must not
/// overlap.
fn coverage_marks(
    gaps: &[Gap],
    first_started_at: Timestamp,
    from: Timestamp,
    to: Timestamp,
    parts: usize,
) -> Vec<Mark> {
    let length_ns = to.nanos_since(from);
    let start_of = |part: usize| {
        let offset_ns = u128::from(length_ns) * part as u128 / parts as u128;
        from.after_nanos(u64::try_from(offset_ns).unwrap_or(length_ns))
    };
    let mark = |part| {
        let (start, end) = (start_of(part), start_of(part + 1));
        let length_ns = end.nanos_since(start);
        let gap_lengths = gaps.iter().map(|gap| gap.to.min(end).nanos_since(gap.from.max(start)));
        let monitored_ns = length_ns.saturating_sub(gap_lengths.sum());
        match monitored_ns {
            _ if end <= first_started_at || length_ns == 0 => Mark::Untracked,
            0 => Mark::Unobserved,
            _ if monitored_ns >= length_ns => Mark::Online,
            _ => {
                let permille = u128::from(monitored_ns) * 1_000 / u128::from(length_ns);
                Mark::PartlyOnline(u16::try_from(permille).unwrap_or(999).clamp(1, 999))
            }
        }
    };
    (0..parts).map(mark).collect()
}

fn service(health: &Health) -> Markup {
    let store = &health.store;
    let (faults, wall) = (health.clock_faults, health.wall_clock);
    let commits = text::group_digits(store.commits);
    let longest_commit = text::duration(store.commit_durations.longest_ns);
    let steps_forward = text::group_digits(wall.steps_forward);
    let steps_back = text::group_digits(wall.steps_back + faults.steps_back);
    html! {
        section aria-labelledby="service" {
            h2 #service { "Service" }
            dl.facts #health {
                (fact("Status", match health.running {
                    true => "running",
                    false if health.archived => "archive (not live)",
                    false => "stopped",
                }))
                (fact("Last commit", html! {
                    @match store.last_commit {
                        Some(at) => { (text::duration_since(health.now, at)) " ago" },
                        None => "none yet",
                    }
                }))
                (fact("Commits", format!("{commits} (longest {longest_commit})")))
                (fact("Failed commits", text::group_digits(store.failures)))
                (fact("Peers with unsaved changes", text::count(health.dirty_peers)))
                (fact("Known peers", text::count(health.peers)))
                (fact("Open channels", text::count(health.channels)))
                (fact("Clock steps", format!("{steps_forward} forward, {steps_back} back")))
                @if let Some(failure) = &store.last_error {
                    (fact("Last error", html! {
                        (text::duration_since(health.now, failure.at)) " ago: "
                        span.error-message { (failure.error) }
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
    fn marks_show_the_monitored_share_of_each_part() {
        let start = Timestamp::from_secs(1_700_000_000);
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start, &Event::ObservationPaused);
        tracker.apply(start.after_secs(150), &Event::ObservationResumed);
        let end = start.after_secs(400);
        let gaps = tracker.gaps(end, &[], Timestamp::EPOCH, end);
        let marks_from = |from| coverage_marks(&gaps, start, from, end, 4);
        assert_eq!(
            marks_from(start),
            [Mark::Unobserved, Mark::PartlyOnline(500), Mark::Online, Mark::Online]
        );
        let before_start = start.before_nanos(400 * 1_000_000_000);
        assert_eq!(
            marks_from(before_start),
            [Mark::Untracked, Mark::Untracked, Mark::PartlyOnline(250), Mark::Online]
        );
    }
}
