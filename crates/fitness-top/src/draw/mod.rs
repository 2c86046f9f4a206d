//! What is seen, made from what is known. It changes nothing.

mod bar;
mod header;
mod help;
mod list;
mod page;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(crate) use self::header::alarm;
use crate::layout::Layout;
use crate::look::TerminalCapabilities;
use crate::model::{Mark, Model, Over};
use crate::text;

/// Draws all there is to see.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, look: TerminalCapabilities) {
    let area = frame.area();
    let mut screen = Screen { buffer: frame.buffer_mut(), area, look };
    let cursor = match (&model.over, &model.page) {
        (Some(Over::Help { scrolled }), _) => {
            help::draw(&mut screen, *scrolled);
            None
        }
        (over, Some(_)) if !matches!(over, Some(Over::Menu { .. } | Over::Prompt(_))) => {
            page::draw(&mut screen, model);
            None
        }
        _ => {
            let layout = Layout::of(model);
            header::draw(&mut screen, model, &layout);
            list::draw(&mut screen, model, &layout);
            let cursor = bar::draw(&mut screen, model, &layout);
            if let Some(Over::Menu { cursor }) = &model.over {
                list::menu(&mut screen, model, *cursor);
            }
            cursor
        }
    };
    if let Some((x, y)) = cursor {
        frame.set_cursor_position((x, y));
    }
}

/// How many lines the help has.
pub(crate) fn help_lines() -> usize {
    help::lines(TerminalCapabilities { unicode: true, colour: false }).len()
}

/// How many lines the page of a peer has.
pub(crate) fn page_lines(model: &Model) -> usize {
    page::lines(model)
}

/// What is drawn on. Whatever lies beyond its edges is cut.
struct Screen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    look: TerminalCapabilities,
}

impl Screen<'_> {
    /// A text in at most `width` columns. Returns how many it took.
    fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let width = width.min(self.area.width.saturating_sub(x));
        if y >= self.area.height || width == 0 {
            return 0;
        }
        let shown = text::cut(text, width.into(), self.look.gap());
        let (end, _) = self.buffer.set_stringn(x, y, shown, width.into(), style);
        end - x
    }

    /// The same, at the right end of its columns.
    fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let taken = u16::try_from(text::width(text)).unwrap_or(u16::MAX).min(width);
        self.put(x + width - taken, y, taken, text, style);
    }

    /// Marks from `x` on.
    fn put_marks(&mut self, x: u16, y: u16, marks: &[Mark]) {
        for (x, mark) in (x..self.area.width).zip(marks) {
            self.put(x, y, 1, self.look.mark(*mark), self.look.mark_style(*mark));
        }
    }

    /// Gives a whole row a style, over what it has.
    fn paint(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            self.buffer.set_style(Rect { y, height: 1, ..self.area }, style);
        }
    }

    /// Texts one after the other, each only if it fits. Returns where the last one ends.
    fn put_all(&mut self, mut x: u16, y: u16, texts: &[(&str, Style)]) -> u16 {
        for (text, style) in texts {
            x += self.put(x, y, u16::MAX, text, *style);
        }
        x
    }
}
