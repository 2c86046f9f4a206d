//! The layout of all pages.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fitness_actor::Health;
use fitness_core::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{HOME, advice, text};
use crate::assets;
use crate::root::Root;
use crate::state::Shared;

/// The navigation item that a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NavItem {
    Peers,
    Advice,
    Coverage,
    None,
}

/// A page of the dashboard.
pub(super) struct Page<'a> {
    pub(super) root: &'a Root,
    pub(super) title: &'a str,
    pub(super) nav_item: NavItem,
    /// Query of the change stream that the page listens to; empty for all changes.
    pub(super) changes_query: String,
    /// Whether parts of the page are still loading, so that the script reloads it soon.
    pub(super) is_incomplete: bool,
}

impl Page<'_> {
    pub(super) fn render(&self, state: &Shared, at: Timestamp, content: &Markup) -> Markup {
        let health = state.handle.health();
        // A stopped service and an archive send no changes.
        let changes_url =
            health.running.then(|| self.root.link(&format!("api/v1/changes{}", self.changes_query)));
        let nav_items = [
            (NavItem::Peers, HOME, "Peers"),
            (NavItem::Advice, advice::PATH, "Recommendations"),
            (NavItem::Coverage, "coverage", "Coverage"),
        ];
        let body = html! {
            header {
                p.brand { a href=(self.root.link(HOME)) { "ldk-fitness" } }
                nav aria-label="Main" {
                    ul {
                        @for (item, path, label) in nav_items {
                            li {
                                a href=(self.root.link(path))
                                    aria-current=[(item == self.nav_item).then_some("page")] { (label) }
                            }
                        }
                    }
                }
                p.live role="status" hidden { span.dot aria-hidden="true" {} span.status-text {} }
                @if state.token.is_some() {
                    form method="post" action=(self.root.link("logout")) { button type="submit" { "Log out" } }
                }
            }
            main #main tabindex="-1" data-live=[changes_url] data-incomplete=[self.is_incomplete.then_some("")] {
                (notices(&health))
                (content)
            }
            footer {
                p #as-of {
                    "As of " (text::time(at)) ". Observer: "
                    span.id { (text::short_id(&state.handle.observer())) } ". All times are in UTC."
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

/// Warnings that every page shows.
fn notices(health: &Health) -> Markup {
    let ongoing_gap = health.coverage.and_then(|coverage| coverage.ongoing_gap);
    html! {
        div #notices {
            @if health.archived {
                p.notice { strong { "Stored history as of " (text::time(health.now)) } " (not live)" }
            } @else if !health.running {
                p.notice.error {
                    strong { "Service stopped." }
                    " New changes are not stored. This page shows the last known state."
                }
            }
            @if health.store.consecutive_failures > 0 {
                p.notice.error {
                    strong { "Commits are failing." }
                    " Changes are kept in memory and retried."
                    @if let Some(failure) = &health.store.last_error {
                        " Last error: " span.error-message { (failure.error) }
                    }
                }
            }
            @if let Some(gap) = ongoing_gap {
                p.notice {
                    strong { "Peer status unknown" } " for " (text::duration_since(health.now, gap.from)) ": "
                    (text::gap_cause(gap.cause)) "."
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
                link rel="icon" type="image/svg+xml" href=(root.link(&assets::ICON_PATH));
                link rel="stylesheet" href=(root.link(&assets::STYLE_PATH));
                script src=(root.link(&assets::SCRIPT_PATH)) defer {}
            }
            body {
                a.skip href="#main" { "Skip to main content" }
                (body)
            }
        }
    }
}

/// The login page. `next` is the page to open after login.
pub(crate) fn login(root: &Root, next: &str, error: Option<&str>) -> Markup {
    let body = html! {
        header { p.brand { "ldk-fitness" } }
        main #main tabindex="-1" {
            h1 { "Log in" }
            form.login method="post" action=(root.link("login")) {
                @if let Some(error) = error { p.notice.error role="alert" { (error) } }
                label for="token" { "Token" }
                input #token name="token" type="password" autocomplete="current-password" required autofocus;
                input name="next" type="hidden" value=(next);
                button type="submit" { "Log in" }
            }
        }
    };
    document(root, "Log in", &body)
}

/// An error page.
pub(super) fn error_page(root: &Root, status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = html! {
        header {
            p.brand { a href=(root.link(HOME)) { "ldk-fitness" } }
        }
        main #main tabindex="-1" {
            h1 { (title) }
            p { (message) }
            p.back { a href=(root.link(HOME)) { "All peers" } }
        }
    };
    (status, document(root, title, &body)).into_response()
}
