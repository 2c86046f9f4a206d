//! What to close and what to keep, and why.

use axum::extract::State as Extract;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use fitness_advice::{Advice, Recommendation, Score};
use fitness_core::StandardWindow;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::layout::{Here, Page, refusal};
use super::parts::{cell, head, number};
use super::{query, text};
use crate::advice::Advised;
use crate::root::Root;
use crate::state::{Shared, State};

/// Where it is, counted from the root.
pub(super) const PATH: &str = "advice";

/// How many peers a page has.
const ROWS: usize = 100;

/// Which part of the list was asked for.
#[derive(Deserialize, Serialize)]
struct Asked {
    /// From 1.
    #[serde(default = "first")]
    page: usize,
}

const fn first() -> usize {
    1
}

pub(super) async fn page(Extract(state): Extract<State>, root: Root, uri: Uri) -> Response {
    let Asked { page } = match query(&uri) {
        Ok(asked) => asked,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let advised = match Advised::now(&state).await {
        Ok(advised) => advised,
        Err(why) => return refusal(&root, StatusCode::BAD_REQUEST, &why),
    };
    let pages = advised.advice.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let content = html! {
        h1 { "Advice" }
        p.lead {
            "Whom to rely on, by what we saw of " (window(advised.span)) ". Nothing is ever closed from here: it is "
            "recommended. The score, from 0 to 100, is the least availability that what we saw allows for, less what "
            "disconnects and unusable channels cost. Peers that the wallet calls private or phones are judged by long "
            "absence alone."
        }
        (progress(&advised))
        @if advised.advice.is_empty() {
            p.empty #advice { "Nobody is followed yet, so there is nobody to judge." }
        } @else {
            (table(&state, &root, advised.advice.iter().skip((page - 1) * ROWS).take(ROWS)))
            (pager(&root, advised.advice.len(), page, pages))
        }
    };
    let frame = Page {
        root: &root,
        title: "Advice",
        here: Here::Advice,
        live: Some(String::new()),
        unfinished: advised.missing > 0,
    };
    frame.of(&state, advised.at, &content).into_response()
}

fn window(span: StandardWindow) -> &'static str {
    if span == StandardWindow::Lifetime { "their whole time" } else { "the last 90 days" }
}

fn progress(advised: &Advised) -> Markup {
    html! {
        div #progress role="status" {
            @if let Some(failure) = &advised.failure {
                p.notice.bad { strong { "Not everybody can be judged." } " The store says: " span.quote { (failure) } }
            } @else if advised.missing > 0 {
                p.notice {
                    (text::pluralize(advised.missing as u64, "peer is", "peers are"))
                    " not judged yet: their histories are still being read. Look again in a moment."
                }
            }
        }
    }
}

fn table<'a>(state: &Shared, root: &Root, advice: impl Iterator<Item = &'a Advice>) -> Markup {
    html! {
        table.cards #advice role="table" {
            caption.unseen { "Peers, with what is recommended, the gravest first" }
            (head(&["Peer", "Advice", "Score", "Availability", "Observed", "Why"]))
            tbody role="rowgroup" { @for advice in advice { (row(state, root, advice)) } }
        }
    }
}

fn row(state: &Shared, root: &Root, advice: &Advice) -> Markup {
    let (name, score) = (state.name(&advice.node_id), advice.score.as_ref());
    let (class, sign, words) = verdict(advice.recommendation);
    html! {
        tr role="row" id={ "a-" (advice.node_id) } {
            th scope="row" role="rowheader" {
                a href={ (root.link("peers/")) (advice.node_id) } { (text::called(name.as_deref(), &advice.node_id)) }
                @if name.is_some() { " " span.id { (text::short(&advice.node_id)) } }
            }
            (cell("Advice", html! { span.state.(class) { span aria-hidden="true" { (sign) } " " (words) } }))
            (number("Score", html! {
                @match score {
                    Some(score) => { (format!("{:.1}", score.value)) " " small { "at best " (format!("{:.1}", score.upper_bound)) } },
                    None => (text::NA),
                }
            }))
            (number("Availability", known(score, |score| text::ratio_percent(score.availability))))
            (number("Observed", known(score, |score| text::duration(score.observed_ns))))
            td.wide.why role="cell" data-label="Why" {
                @if advice.reasons.is_empty() { "nothing speaks against it" }
                @for (i, reason) in advice.reasons.iter().enumerate() { @if i > 0 { "; " } (reason) }
            }
        }
    }
}

fn known(score: Option<&Score>, of: impl Fn(&Score) -> String) -> String {
    score.map_or_else(|| text::NA.to_owned(), of)
}

/// How a verdict looks: told by the word and the sign as well as by the colour.
const fn verdict(verdict: Recommendation) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Recommendation::Close => ("offline", "✕", "Close"),
        Recommendation::Review => ("partly", "!", "Look at it"),
        Recommendation::InsufficientData => ("unobserved", "◌", "Too early to say"),
        Recommendation::Keep => ("online", "✓", "Keep"),
        _ => ("unobserved", "-", "Ignored"),
    }
}

fn pager(root: &Root, total: usize, page: usize, pages: usize) -> Markup {
    let to = |page| format!("{}?page={page}", root.link(PATH));
    html! {
        nav.pager #pager aria-label="Parts of the list" {
            p { (text::pluralize(total as u64, "peer", "peers")) ", the gravest first" }
            @if pages > 1 {
                ul {
                    @if page > 1 { li { a rel="prev" href=(to(page - 1)) { "Previous" } } }
                    @if page < pages { li { a rel="next" href=(to(page + 1)) { "Next" } } }
                }
            }
        }
    }
}
