//! Whole screens as golden files, and properties of screens.
//!
//! Set `UPDATE_GOLDEN=1` to write the golden files.

use std::path::Path;

use crossterm::event::KeyCode;
use fitness_core::GapCause;
use ratatui::style::Color;

use super::support::{NO_COLOUR, TestView, drawn, peer};
use crate::capabilities::TerminalCapabilities;
use crate::layout::Layout;
use crate::model::{Column, FeedState, FeedUpdate, Message};

/// Compares a screen with `golden/{name}.txt`.
///
/// Spaces within a line are ignored, because `fitness-words` determines the width of values. `<paused>`
/// stands for its description of that gap cause.
fn assert_golden(view: &TestView, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/tests/golden/{name}.txt"));
    let screen = view.screen(NO_COLOUR);
    let paused = fitness_words::gap_cause(GapCause::Paused);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, screen.replace(paused, "<paused>")).expect("the golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file exists");
    let without_spaces = |text: &str| -> Vec<String> {
        text.trim_end().lines().map(|line| line.split_whitespace().collect()).collect()
    };
    let expected = without_spaces(&golden.replace("<paused>", paused));
    assert_eq!(without_spaces(&screen), expected, "{name}:\n{screen}");
}

#[tokio::test]
async fn list_at_80_columns() {
    let mut view = TestView::new(5, 80, 24).await;
    view.resize(80, 10).await;
    assert_golden(&view, "list_80x10");
    view.resize(80, 24).await;
    assert_golden(&view, "list_80x24");
}

#[tokio::test]
async fn list_at_40_columns() {
    let view = TestView::new(5, 40, 12).await;
    assert_golden(&view, "list_40x12");
}

#[tokio::test]
async fn page_at_100_columns() {
    let mut view = TestView::new(5, 100, 32).await;
    view.press([KeyCode::Down, KeyCode::Enter, KeyCode::Right, KeyCode::Right]).await;
    assert_golden(&view, "page_100x32");
}

#[tokio::test]
async fn help_screen() {
    let mut view = TestView::new(0, 40, 48).await;
    view.press([KeyCode::Char('h')]).await;
    assert_golden(&view, "help_40x48");
}

#[tokio::test]
async fn list_without_peers() {
    let view = TestView::new(0, 80, 6).await;
    assert_golden(&view, "empty_80x6");
}

#[tokio::test]
async fn right_aligned_columns_end_at_their_layout_position() {
    let view = TestView::new(5, 120, 24).await;
    let buffer = drawn(&view.model, NO_COLOUR);
    let layout = Layout::new(&view.model);
    for (column, x, width) in layout.columns {
        let last = x + width - 1;
        for row in 0..5 {
            let cell = buffer[(last, layout.header + 1 + row)].symbol();
            let is_left_aligned = matches!(column, Column::Presence | Column::Alias);
            assert!(is_left_aligned || cell != " ", "{column:?}, row {row}");
        }
    }
}

#[tokio::test]
async fn the_sort_arrow_is_visible_in_every_column() {
    let mut view = TestView::new(5, 160, 24).await;
    for _ in Column::ALL {
        view.press([KeyCode::Char('>')]).await;
        let layout = Layout::new(&view.model);
        let heading = view.screen(NO_COLOUR).lines().nth(layout.header.into()).map(str::to_owned);
        let heading = heading.expect("a heading");
        assert!(heading.split_whitespace().any(|word| word.ends_with('v')), "{heading}");
    }
}

#[tokio::test]
async fn filter_hides_peers_until_it_is_cleared() {
    let mut view = TestView::new(5, 40, 12).await;
    view.press("\\uns".chars().map(KeyCode::Char).chain([KeyCode::Enter])).await;
    assert_eq!(view.model.list.len(), 1);
    assert_eq!(view.model.list.selected().map(|selected| selected.node_id), Some(peer(2)));
    view.press([KeyCode::Esc]).await;
    assert_eq!(view.model.list.len(), 5);
}

#[tokio::test]
async fn ascii_terminals_receive_only_ascii() {
    let mut view = TestView::new(5, 80, 24).await;
    let ascii = TerminalCapabilities { unicode: false, colour: false };
    // Aliases keep their characters.
    let screen = view.screen(ascii);
    assert!(!screen.contains(['●', '○', '█', '▁', '…']), "{screen}");
    view.press([KeyCode::Char('h')]).await;
    assert!(view.screen(ascii).is_ascii());
}

#[tokio::test]
async fn colours_are_used_only_if_allowed() {
    let mut view = TestView::new(5, 80, 24).await;
    for keys in
        [&[][..], &[KeyCode::Enter], &[KeyCode::Char('h')], &[KeyCode::Esc, KeyCode::Esc, KeyCode::F(6)]]
    {
        view.press(keys.iter().copied()).await;
        let is_colourless = |caps| {
            let buffer = drawn(&view.model, caps);
            buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        };
        assert!(is_colourless(NO_COLOUR), "{keys:?}");
        assert!(!is_colourless(TerminalCapabilities { unicode: true, colour: true }), "{keys:?}");
    }
}

#[tokio::test]
async fn a_disconnected_feed_is_reported_and_its_data_does_not_age() {
    let mut view = TestView::new(5, 80, 24).await;
    view.model.is_archive = false;
    let before = view.model.now();
    let reason = "no response from http://x: refused".to_owned();
    view.model.update(Message::Update(FeedUpdate::Disconnected { idle_ns: 0, reason: reason.clone() }));
    view.model.update(Message::Tick(before.after_secs(3_600)));
    let disconnected = FeedState::Disconnected { since: before, reason: reason.clone() };
    assert_eq!((view.model.now(), &view.model.feed), (before, &disconnected));
    assert_eq!(view.model.list.counts().online, 4);
    let reports_reason = |view: &TestView| view.screen(NO_COLOUR).contains(&reason);
    assert!(reports_reason(&view));
    view.press([KeyCode::Enter]).await;
    assert!(reports_reason(&view), "on the page");
    let connected_at = before.after_secs(3_600);
    view.model.update(Message::Update(FeedUpdate::Connected { at: connected_at }));
    assert_eq!((view.model.now(), &view.model.feed), (connected_at, &FeedState::Connected));
    assert!(!reports_reason(&view));
}

#[tokio::test]
async fn only_visible_strips_are_fetched() {
    let mut view = TestView::new(5_000, 80, 24).await;
    assert_eq!(view.model.list.strips.len(), 19, "one strip per row");
    view.press([KeyCode::End]).await;
    assert_eq!(view.model.data_needs().strips.len(), 19);
    assert!(view.model.data_needs().strips.contains(&peer(4_999)));
}
