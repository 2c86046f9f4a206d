//! Draws the model. Drawing does not change it.

mod bar;
mod header;
mod help;
mod list;
mod page;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(crate) use self::header::alert;
use crate::capabilities::TerminalCapabilities;
use crate::layout::Layout;
use crate::model::{Mark, Model, Overlay};
use crate::text;

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, caps: TerminalCapabilities) {
    let area = frame.area();
    let mut screen = Screen { buffer: frame.buffer_mut(), area, caps };
    let cursor = match (&model.overlay, &model.page) {
        (Some(Overlay::Help { scroll }), _) => {
            help::draw(&mut screen, *scroll);
            None
        }
        (overlay, Some(_)) if !matches!(overlay, Some(Overlay::Menu { .. } | Overlay::Prompt(_))) => {
            page::draw(&mut screen, model);
            None
        }
        _ => {
            let layout = Layout::new(model);
            header::draw(&mut screen, model, &layout);
            list::draw(&mut screen, model, &layout);
            let cursor = bar::list(&mut screen, model, &layout);
            if let Some(Overlay::Menu { cursor }) = &model.overlay {
                list::draw_menu(&mut screen, model, *cursor);
            }
            cursor
        }
    };
    if let Some((x, y)) = cursor {
        frame.set_cursor_position((x, y));
    }
}

/// Returns the number of lines of the help.
pub(crate) fn help_line_count() -> usize {
    help::lines(TerminalCapabilities { unicode: true, colour: false }).len()
}

/// Returns the number of lines of the open page.
pub(crate) fn page_line_count(model: &Model) -> usize {
    page::line_count(model)
}

/// The drawing surface. Text beyond its edges is cut off.
struct Screen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    caps: TerminalCapabilities,
}

impl Screen<'_> {
    /// Draws a text in at most `width` columns. Returns the number of columns used.
    fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let width = width.min(self.area.width.saturating_sub(x));
        if y >= self.area.height || width == 0 {
            return 0;
        }
        let visible = text::truncate(text, width.into(), self.caps.ellipsis());
        let (end, _) = self.buffer.set_stringn(x, y, visible, width.into(), style);
        end - x
    }

    /// Draws a right-aligned text in at most `width` columns.
    fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let used = u16::try_from(text::width(text)).unwrap_or(u16::MAX).min(width);
        self.put(x + width - used, y, used, text, style);
    }

    /// Draws marks, starting at `x`.
    fn put_marks(&mut self, x: u16, y: u16, marks: &[Mark]) {
        for (x, mark) in (x..self.area.width).zip(marks) {
            self.put(x, y, 1, self.caps.mark(*mark), self.caps.mark_style(*mark));
        }
    }

    /// Sets the style of a whole row and keeps its text.
    fn set_row_style(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            self.buffer.set_style(Rect { y, height: 1, ..self.area }, style);
        }
    }

    /// Draws texts one after the other until the edge of the screen. Returns the column after the last one.
    fn put_all(&mut self, mut x: u16, y: u16, texts: &[(&str, Style)]) -> u16 {
        for (text, style) in texts {
            x += self.put(x, y, u16::MAX, text, *style);
        }
        x
    }
}
