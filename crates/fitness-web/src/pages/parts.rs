//! What several pages are made of.

use fitness_core::StandardWindow;
use maud::{Markup, Render, html};
use serde::{Deserialize, Serialize};

use super::filter::usual_window;
use super::text;
use crate::range::WindowName;

/// How many rows a part of a long list has, the list of peers apart.
const ROWS: usize = 50;

/// What a page with a history was asked to show.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(super) struct Look {
    #[serde(default = "usual_window")]
    window: WindowName,
    /// From 1; the newest rows are on the first.
    #[serde(default = "first")]
    page: usize,
}

const fn first() -> usize {
    1
}

impl Look {
    pub(super) fn span(self) -> StandardWindow {
        self.window.into()
    }

    /// What asks for another window, or for another part of the list.
    fn query(window: WindowName, page: usize) -> String {
        let query = serde_urlencoded::to_string(Self { window, page });
        format!("?{}", query.unwrap_or_default())
    }

    /// The windows that a history can be looked at in. `here` leads to the page itself.
    pub(super) fn choice(self, here: &str) -> Markup {
        html! {
            nav.choice aria-label="Window of the history" {
                ul {
                    @for span in StandardWindow::ALL {
                        li {
                            a href={ (here) (Self::query(span.into(), 1)) }
                                aria-current=[(span == self.span()).then_some("true")] { (span) }
                        }
                    }
                }
            }
        }
    }

    /// The part of a list, the newest first, that was asked for.
    pub(super) fn part<T>(self, oldest_first: &[T]) -> impl Iterator<Item = &T> {
        let pages = oldest_first.len().div_ceil(ROWS).max(1);
        oldest_first.iter().rev().skip((self.page.clamp(1, pages) - 1) * ROWS).take(ROWS)
    }

    /// How long the list is, and the way to its other parts.
    pub(super) fn pager(self, here: &str, rows: usize, one: &str, more: &str) -> Markup {
        let pages = rows.div_ceil(ROWS).max(1);
        let page = self.page.clamp(1, pages);
        let to = |page| format!("{here}{}", Self::query(self.window, page));
        html! {
            nav.pager aria-label={ "Parts of the list of " (more) } {
                p { (text::pluralize(rows as u64, one, more)) ", the newest first" }
                @if pages > 1 {
                    ul {
                        @if page > 1 { li { a rel="prev" href=(to(page - 1)) { "Newer" } } }
                        @if page < pages { li { a rel="next" href=(to(page + 1)) { "Older" } } }
                    }
                }
            }
        }
    }
}

/// The head of a table that turns into cards where there is no room for one.
pub(super) fn head(columns: &[&str]) -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" { @for words in columns { th scope="col" role="columnheader" { (words) } } }
        }
    }
}

/// A cell of such a table, which says itself what it is of.
pub(super) fn cell(column: &str, content: impl Render) -> Markup {
    html! { td role="cell" data-label=(column) { (content) } }
}

/// A cell with a number.
pub(super) fn number(column: &str, content: impl Render) -> Markup {
    html! { td.number role="cell" data-label=(column) { (content) } }
}

/// Something that is so.
pub(super) fn fact(name: &str, content: impl Render) -> Markup {
    html! { div { dt { (name) } dd { (content) } } }
}
