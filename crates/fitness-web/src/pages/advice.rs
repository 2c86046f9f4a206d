//! Recommendations.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_advice::{Advice, Recommendation, Score};
use fitness_core::StandardWindow;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::components::{cell, first_page, number, table_head};
use super::layout::{NavItem, Page, error_page};
use super::{parse_query, text};
use crate::advice::Evaluation;
use crate::root::Root;
use crate::state::{Shared, State};

/// Path of the page, relative to the dashboard root.
pub(super) const PATH: &str = "advice";

/// Number of peers on one page.
const ROWS: usize = 100;

#[derive(Deserialize, Serialize)]
struct AdviceQuery {
    /// One-based page number.
    #[serde(default = "first_page")]
    page: usize,
}

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let AdviceQuery { page } = match parse_query(&uri) {
        Ok(query) => query,
        Err(message) => return error_page(&root, StatusCode::BAD_REQUEST, &message),
    };
    let evaluation = match Evaluation::compute(&state).await {
        Ok(evaluation) => evaluation,
        Err(message) => return error_page(&root, StatusCode::BAD_REQUEST, &message),
    };
    let advice = &evaluation.advice;
    let pages = advice.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let content = html! {
        h1 { "Recommendations" }
        p.lead {
            "Recommendations only: no channel is ever closed. They are based on "
            (window_description(evaluation.window)) ". The score, from 0 to 100, is the lower bound of the "
            "availability, reduced for disconnects and unusable channels. Private and mobile peers are only "
            "reported if they have been offline for a long time."
        }
        (progress(&evaluation))
        @if advice.is_empty() {
            p.empty #advice { "No tracked peers yet." }
        } @else {
            (table(&state, &root, evaluation.window, advice.iter().skip((page - 1) * ROWS).take(ROWS)))
            (pager(&root, advice.len(), page, pages))
        }
    };
    let layout = Page {
        root: &root,
        title: "Recommendations",
        nav_item: NavItem::Advice,
        changes_query: String::new(),
        is_incomplete: evaluation.pending > 0,
    };
    layout.render(&state, evaluation.at, &content).into_response()
}

fn window_description(window: StandardWindow) -> &'static str {
    if window == StandardWindow::Lifetime { "each peer's lifetime" } else { "the last 90 days" }
}

fn progress(evaluation: &Evaluation) -> Markup {
    html! {
        div #progress role="status" {
            @if let Some(failure) = &evaluation.failure {
                p.notice.error {
                    strong { "Some peers have no recommendation: their history could not be read." }
                    " Error: " span.error-message { (failure) }
                }
            } @else if evaluation.pending > 0 {
                p.notice {
                    "Loading the history of " (text::pluralize(evaluation.pending as u64, "peer", "peers"))
                    ". Reload this page in a moment."
                }
            }
        }
    }
}

fn table<'a>(
    state: &Shared,
    root: &Root,
    window: StandardWindow,
    advice: impl Iterator<Item = &'a Advice>,
) -> Markup {
    let availability = format!("Availability ({window})");
    let observed = format!("Observed ({window})");
    html! {
        table.cards #advice role="table" {
            caption.visually-hidden { "Recommendations for all peers, most urgent first" }
            (table_head(&["Peer", "Recommendation", "Score", &availability, &observed, "Reasons"]))
            tbody role="rowgroup" {
                @for advice in advice { (row(state, root, &availability, &observed, advice)) }
            }
        }
    }
}

fn row(state: &Shared, root: &Root, availability: &str, observed: &str, advice: &Advice) -> Markup {
    let (alias, score) = (state.alias(&advice.node_id), advice.score.as_ref());
    let (class, icon, label) = badge(advice.recommendation);
    html! {
        tr role="row" id={ "advice-" (advice.node_id) } {
            th scope="row" role="rowheader" {
                a href={ (root.link("peers/")) (advice.node_id) } {
                    (text::alias_or_id(alias.as_deref(), &advice.node_id))
                }
                @if alias.is_some() { " " span.id { (text::short_id(&advice.node_id)) } }
            }
            (cell("Recommendation", html! {
                span.badge.(class) { span aria-hidden="true" { (icon) } " " (label) }
            }))
            (number("Score", html! {
                @match score {
                    Some(score) => {
                        (format!("{:.1}", score.value)) " "
                        small { "up to " (format!("{:.1}", score.upper_bound)) }
                    },
                    None => (text::NA),
                }
            }))
            (number(availability, or_na(score, |score| text::ratio_percent(score.availability))))
            (number(observed, or_na(score, |score| text::duration(score.observed_ns))))
            td.wide.reasons role="cell" data-label="Reasons" {
                @if advice.reasons.is_empty() { "no issues found" }
                @for (i, reason) in advice.reasons.iter().enumerate() { @if i > 0 { "; " } (reason) }
            }
        }
    }
}

fn or_na(score: Option<&Score>, format: impl Fn(&Score) -> String) -> String {
    score.map_or_else(|| text::NA.to_owned(), format)
}

/// Returns the CSS class, icon and label of a recommendation. Color is never the only distinction.
const fn badge(recommendation: Recommendation) -> (&'static str, &'static str, &'static str) {
    match recommendation {
        Recommendation::Close => ("offline", "✕", "Close"),
        Recommendation::Review => ("partly-online", "!", "Review"),
        Recommendation::InsufficientData => ("unobserved", "◌", "Insufficient data"),
        Recommendation::Keep => ("online", "✓", "Keep"),
        _ => ("unobserved", "-", "Ignored"),
    }
}

fn pager(root: &Root, total: usize, page: usize, pages: usize) -> Markup {
    let link = |page| format!("{}?page={page}", root.link(PATH));
    html! {
        nav.pager #pager aria-label="Pages of recommendations" {
            p { (text::pluralize(total as u64, "peer", "peers")) ", most urgent first" }
            @if pages > 1 {
                ul {
                    @if page > 1 { li { a rel="prev" href=(link(page - 1)) { "Previous" } } }
                    @if page < pages { li { a rel="next" href=(link(page + 1)) { "Next" } } }
                }
            }
        }
    }
}
