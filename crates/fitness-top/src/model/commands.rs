//! Executes the user's commands on the model.

use super::{Action, Column, Model, Overlay, Page, Prompt};
use crate::keys::{Command, Mode};
use crate::layout::Layout;

/// The most characters that can be typed into a prompt.
const MAX_PROMPT_LEN: usize = 80;

impl Model {
    pub(super) fn execute(&mut self, command: Command) -> Action {
        match command {
            Command::Quit => return Action::Quit,
            Command::Redraw => return Action::Redraw,
            Command::Refresh => self.refresh_count = self.refresh_count.wrapping_add(1),
            Command::Help => self.overlay = Some(Overlay::Help { scroll: 0 }),
            _ => match self.mode() {
                Mode::Help => self.execute_in_help(command),
                Mode::Menu => self.execute_in_menu(command),
                Mode::Prompt => self.execute_in_prompt(command),
                Mode::Page => self.execute_in_page(command),
                Mode::List => self.execute_in_list(command),
            },
        }
        Action::Draw
    }

    fn execute_in_help(&mut self, command: Command) {
        let (visible_lines, max_scroll) = (self.visible_lines(), self.max_scroll());
        let Some(Overlay::Help { scroll }) = &mut self.overlay else { return };
        match scrolled(command, *scroll, visible_lines, max_scroll) {
            Some(position) => *scroll = position,
            None => self.overlay = None,
        }
    }

    fn execute_in_menu(&mut self, command: Command) {
        let now = self.now();
        let Some(Overlay::Menu { cursor }) = &mut self.overlay else { return };
        let last = Column::ALL.len() - 1;
        match command {
            Command::Enter => {
                let column = Column::ALL.get(*cursor).copied();
                self.overlay = None;
                self.list.sort_by(column.unwrap_or(self.list.sort), now);
            }
            Command::ReverseOrder => self.list.reverse_order(now),
            Command::Back => self.overlay = None,
            _ => *cursor = scrolled(command, *cursor, last, last).unwrap_or(*cursor),
        }
    }

    fn execute_in_page(&mut self, command: Command) {
        let (visible_lines, max_scroll) = (self.visible_lines(), self.max_scroll());
        let Some(page) = &mut self.page else { return };
        match command {
            Command::Back => self.page = None,
            Command::Left => page.shift_window(-1),
            Command::Right => page.shift_window(1),
            Command::Enter => {}
            _ => {
                page.scroll =
                    scrolled(command, page.scroll, visible_lines, max_scroll).unwrap_or(page.scroll);
            }
        }
    }

    fn execute_in_list(&mut self, command: Command) {
        let now = self.now();
        let rows = isize::try_from(Layout::new(self).rows().max(1)).unwrap_or(isize::MAX);
        match command {
            Command::Up => self.list.move_by(-1),
            Command::Down => self.list.move_by(1),
            Command::PageUp => self.list.move_by(-rows),
            Command::PageDown => self.list.move_by(rows),
            Command::Home => self.list.move_to_top(),
            Command::End => self.list.move_to(usize::MAX),
            Command::Enter => self.page = self.list.selected().map(|peer| Page::new(peer.node_id)),
            Command::Search => self.open_prompt(false),
            Command::Filter => self.open_prompt(true),
            Command::NextMatch => self.repeat_search(true),
            Command::PreviousMatch => self.repeat_search(false),
            Command::Menu => {
                let cursor = Column::ALL.iter().position(|column| *column == self.list.sort);
                self.overlay = Some(Overlay::Menu { cursor: cursor.unwrap_or_default() });
            }
            Command::SortByPreviousColumn => self.list.sort_by(self.list.sort.step(-1), now),
            Command::SortByNextColumn => self.list.sort_by(self.list.sort.step(1), now),
            Command::ReverseOrder => self.list.reverse_order(now),
            Command::Back => self.list.set_filter("", now),
            _ => {}
        }
    }

    fn open_prompt(&mut self, is_filter: bool) {
        let previous_filter = if is_filter { self.list.filter().to_owned() } else { String::new() };
        let (text, start) = (previous_filter.clone(), self.list.cursor());
        let prompt = Prompt { is_filter, text, previous_filter, start, has_no_match: false };
        self.overlay = Some(Overlay::Prompt(prompt));
    }

    fn repeat_search(&mut self, forwards: bool) {
        let count = self.list.len();
        // Start beside the cursor. Going forwards by `count - 1` is the same as going back by one.
        let from = self.list.cursor() + if forwards { 1 } else { count.saturating_sub(1) };
        let query = std::mem::take(&mut self.last_search);
        self.list.find(&query, from, forwards);
        self.last_search = query;
    }

    fn execute_in_prompt(&mut self, command: Command) {
        let now = self.now();
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else { return };
        match command {
            Command::Type(c) if prompt.text.chars().count() < MAX_PROMPT_LEN => prompt.text.push(c),
            Command::Erase => drop(prompt.text.pop()),
            Command::EraseAll => prompt.text.clear(),
            Command::EraseWord => {
                let kept = prompt.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                prompt.text.truncate(kept);
            }
            Command::NextMatch if !prompt.is_filter => {
                let text = prompt.text.clone();
                self.list.find(&text, self.list.cursor() + 1, true);
                return;
            }
            Command::Enter => {
                if !prompt.is_filter {
                    self.last_search = std::mem::take(&mut prompt.text);
                }
                self.overlay = None;
                return;
            }
            Command::Back => {
                if prompt.is_filter {
                    let previous_filter = std::mem::take(&mut prompt.previous_filter);
                    self.list.set_filter(&previous_filter, now);
                } else {
                    self.list.move_to(prompt.start);
                }
                self.overlay = None;
                return;
            }
            Command::Up | Command::Down | Command::PageUp | Command::PageDown => {
                self.execute_in_list(command);
                return;
            }
            _ => return,
        }
        if prompt.is_filter {
            self.list.set_filter(&prompt.text, now);
            prompt.has_no_match = self.list.len() == 0;
        } else {
            let found = self.list.find(&prompt.text, prompt.start, true);
            prompt.has_no_match = !found && !prompt.text.trim().is_empty();
        }
    }
}

/// Returns the scroll position after a command, or `None` if the command does not scroll.
fn scrolled(command: Command, from: usize, page_size: usize, max_scroll: usize) -> Option<usize> {
    let position = match command {
        Command::Up => from.saturating_sub(1),
        Command::Down => from.saturating_add(1),
        Command::PageUp => from.saturating_sub(page_size),
        Command::PageDown => from.saturating_add(page_size),
        Command::Home => 0,
        Command::End => max_scroll,
        _ => return None,
    };
    Some(position.min(max_scroll))
}
