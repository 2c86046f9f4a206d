//! Components shared by several pages.

use fitness_core::StandardWindow;
use maud::{Markup, Render, html};
use serde::{Deserialize, Serialize};

use super::filter::default_window;
use super::text;
use crate::time_range::WindowName;

/// Number of rows on one page of a list of outages or gaps.
const ROWS: usize = 50;

/// The query of a page that shows a history: a window, and a page of the list below it.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(super) struct HistoryQuery {
    #[serde(default = "default_window")]
    window: WindowName,
    /// One-based page number. The first page contains the newest rows.
    #[serde(default = "first_page")]
    page: usize,
}

pub(super) const fn first_page() -> usize {
    1
}

impl HistoryQuery {
    pub(super) fn window(self) -> StandardWindow {
        self.window.into()
    }

    /// Formats the query string for a window and a page.
    fn query_string(window: WindowName, page: usize) -> String {
        let query = serde_urlencoded::to_string(Self { window, page });
        format!("?{}", query.unwrap_or_default())
    }

    /// Links to the same page with each of the standard windows. `base` is a link to the page.
    pub(super) fn window_picker(self, base: &str) -> Markup {
        html! {
            nav.window-picker aria-label="Window" {
                ul {
                    @for window in StandardWindow::ALL {
                        li {
                            a href={ (base) (Self::query_string(window.into(), 1)) }
                                aria-current=[(window == self.window()).then_some("true")] { (window) }
                        }
                    }
                }
            }
        }
    }

    /// Returns the rows on the requested page, newest first.
    pub(super) fn rows<T>(self, oldest_first: &[T]) -> impl Iterator<Item = &T> {
        let pages = oldest_first.len().div_ceil(ROWS).max(1);
        oldest_first.iter().rev().skip((self.page.clamp(1, pages) - 1) * ROWS).take(ROWS)
    }

    /// The number of rows, and links to the adjacent pages.
    pub(super) fn pager(self, base: &str, rows: usize, singular: &str, plural: &str) -> Markup {
        let pages = rows.div_ceil(ROWS).max(1);
        let page = self.page.clamp(1, pages);
        let link = |page| format!("{base}{}", Self::query_string(self.window, page));
        html! {
            nav.pager aria-label={ "Pages of " (plural) } {
                p { (text::pluralize(rows as u64, singular, plural)) ", newest first" }
                @if pages > 1 {
                    ul {
                        @if page > 1 { li { a rel="prev" href=(link(page - 1)) { "Newer" } } }
                        @if page < pages { li { a rel="next" href=(link(page + 1)) { "Older" } } }
                    }
                }
            }
        }
    }
}

/// The header of a table. The roles are explicit because narrow screens show table rows as cards, and
/// changing `display` removes the implicit roles.
pub(super) fn table_head(columns: &[&str]) -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" { @for column in columns { th scope="col" role="columnheader" { (column) } } }
        }
    }
}

/// A table cell. `column` labels it when the row is shown as a card.
pub(super) fn cell(column: &str, content: impl Render) -> Markup {
    html! { td role="cell" data-label=(column) { (content) } }
}

/// A table cell that contains a number.
pub(super) fn number(column: &str, content: impl Render) -> Markup {
    html! { td.number role="cell" data-label=(column) { (content) } }
}

/// A label and its value, in a definition list.
pub(super) fn fact(label: &str, content: impl Render) -> Markup {
    html! { div { dt { (label) } dd { (content) } } }
}
