//! What all pages have in common.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fitness_actor::Health;
use fitness_core::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{HOME, advice, text};
use crate::assets;
use crate::root::Root;
use crate::state::Shared;

/// Which of the pages in the menu it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    Peers,
    Advice,
    Coverage,
    Elsewhere,
}

/// A page of the dashboard.
pub(super) struct Page<'a> {
    pub(super) root: &'a Root,
    pub(super) title: &'a str,
    pub(super) here: Here,
    /// What the changes have to concern for the page to be told of them; all of them where this is empty.
    pub(super) live: Option<String>,
    /// Whether the page is going to be more complete in a moment.
    pub(super) unfinished: bool,
}

impl Page<'_> {
    pub(super) fn of(&self, state: &Shared, at: Timestamp, content: &Markup) -> Markup {
        let health = state.handle.health();
        // Where nothing runs there are no news.
        let live = self.live.as_ref().filter(|_| health.running);
        let menu = [
            (Here::Peers, HOME, "Peers"),
            (Here::Advice, advice::PATH, "Advice"),
            (Here::Coverage, "coverage", "Coverage"),
        ];
        let body = html! {
            header {
                p.brand { a href=(self.root.link(HOME)) { "ldk-fitness" } }
                nav aria-label="Pages" {
                    ul {
                        @for (page, path, words) in menu {
                            li { a href=(self.root.link(path)) aria-current=[(page == self.here).then_some("page")] { (words) } }
                        }
                    }
                }
                p.live role="status" hidden { span.dot aria-hidden="true" {} span.words {} }
                @if state.token.is_some() {
                    form method="post" action=(self.root.link("logout")) { button type="submit" { "Log out" } }
                }
            }
            main #main tabindex="-1"
                data-live=[live.map(|about| self.root.link(&format!("api/v1/changes{about}")))]
                data-unfinished=[self.unfinished.then_some("")] {
                (trouble(&health))
                (content)
            }
            footer {
                p #as-of {
                    "As of " (text::time(at)) ", for node "
                    span.id { (text::short(&state.handle.observer())) } ". All times are UTC."
                }
                p {
                    a href=(self.root.link("api/v1/openapi.json")) { "API" } " "
                    a href=(self.root.link("metrics")) { "Metrics" }
                }
            }
        };
        document(self.root, self.title, &body)
    }
}

/// What somebody should know whatever they came for.
fn trouble(health: &Health) -> Markup {
    let ongoing = health.coverage.and_then(|coverage| coverage.ongoing_gap);
    html! {
        div #trouble {
            @if health.archived {
                p.notice {
                    strong { "A store at rest, as of " (text::time(health.now)) "." }
                    " Nothing is followed here."
                }
            } @else if !health.running {
                p.notice.bad {
                    strong { "Nothing is being stored." }
                    " The service has stopped; what you see is what it last knew."
                }
            }
            @if health.store.consecutive_failures > 0 {
                p.notice.bad {
                    strong { "The store does not take changes." }
                    " They are kept, and tried again."
                    @if let Some(failure) = &health.store.last_error { " It says: " span.quote { (failure.error) } }
                }
            }
            @if let Some(gap) = ongoing {
                p.notice {
                    strong { "We cannot tell who is online:" } " " (text::gap_cause(gap.cause)) ", for "
                    (text::since(health.now, gap.from)) "."
                }
            }
        }
    }
}

fn document(root: &Root, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - ldk-fitness" }
                link rel="icon" type="image/svg+xml" href=(root.link(&assets::ICON_AT));
                link rel="stylesheet" href=(root.link(&assets::STYLE_AT));
                script src=(root.link(&assets::SCRIPT_AT)) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (body)
            }
        }
    }
}

/// The form for the token.
pub(crate) fn login(root: &Root, next: &str, said: Option<&str>) -> Markup {
    let body = html! {
        header { p.brand { "ldk-fitness" } }
        main #main tabindex="-1" {
            h1 { "Log in" }
            form.login method="post" action=(root.link("login")) {
                @if let Some(said) = said { p.notice.bad role="alert" { (said) } }
                label for="token" { "Token" }
                input #token name="token" type="password" autocomplete="current-password" required autofocus;
                input name="next" type="hidden" value=(next);
                button type="submit" { "Log in" }
            }
        }
    };
    document(root, "Log in", &body)
}

/// A page that says why there is none.
pub(super) fn refusal(root: &Root, status: StatusCode, why: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = html! {
        header {
            p.brand { a href=(root.link(HOME)) { "ldk-fitness" } }
        }
        main #main tabindex="-1" {
            h1 { (title) }
            p { (why) }
            p.up { a href=(root.link(HOME)) { "All peers" } }
        }
    };
    (status, document(root, title, &body)).into_response()
}
