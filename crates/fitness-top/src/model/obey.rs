//! What somebody wants, done.

use super::{Column, Model, Over, Page, Prompt, Then};
use crate::keys::{Command, Mode};
use crate::layout::Layout;

/// The longest that can be typed.
const LONGEST: usize = 80;

impl Model {
    pub(super) fn obey(&mut self, command: Command) -> Then {
        match command {
            Command::Quit => return Then::Quit,
            Command::Redraw => return Then::Redraw,
            Command::Refresh => self.refreshed = self.refreshed.wrapping_add(1),
            Command::Help => self.over = Some(Over::Help { scrolled: 0 }),
            _ => match self.mode() {
                Mode::Help => self.obey_in_help(command),
                Mode::Menu => self.obey_in_menu(command),
                Mode::Prompt => self.obey_in_prompt(command),
                Mode::Page => self.obey_in_page(command),
                Mode::List => self.obey_in_list(command),
            },
        }
        Then::Draw
    }

    fn obey_in_help(&mut self, command: Command) {
        let (rows, furthest) = (self.lines(), self.furthest());
        let Some(Over::Help { scrolled }) = &mut self.over else { return };
        match scroll(command, *scrolled, rows, furthest) {
            Some(to) => *scrolled = to,
            None => self.over = None,
        }
    }

    fn obey_in_menu(&mut self, command: Command) {
        let now = self.now();
        let Some(Over::Menu { cursor }) = &mut self.over else { return };
        let last = Column::ALL.len() - 1;
        match command {
            Command::Enter => {
                let column = Column::ALL.get(*cursor).copied();
                self.over = None;
                self.list.sort_by(column.unwrap_or(self.list.sort), now);
            }
            Command::Invert => self.list.invert(now),
            Command::Back => self.over = None,
            _ => *cursor = scroll(command, *cursor, last, last).unwrap_or(*cursor),
        }
    }

    fn obey_in_page(&mut self, command: Command) {
        let (rows, furthest) = (self.lines(), self.furthest());
        let Some(page) = &mut self.page else { return };
        match command {
            Command::Back => self.page = None,
            Command::Left => page.look(-1),
            Command::Right => page.look(1),
            Command::Enter => {}
            _ => {
                page.scrolled = scroll(command, page.scrolled, rows, furthest).unwrap_or(page.scrolled);
            }
        }
    }

    fn obey_in_list(&mut self, command: Command) {
        let now = self.now();
        let rows = isize::try_from(Layout::of(self).rows().max(1)).unwrap_or(isize::MAX);
        match command {
            Command::Up => self.list.go(-1),
            Command::Down => self.list.go(1),
            Command::PageUp => self.list.go(-rows),
            Command::PageDown => self.list.go(rows),
            Command::Home => self.list.go_home(),
            Command::End => self.list.go_to(usize::MAX),
            Command::Enter => self.page = self.list.chosen().map(|peer| Page::new(peer.node_id)),
            Command::Search => self.prompt(false),
            Command::Filter => self.prompt(true),
            Command::Next => self.search_on(true),
            Command::Previous => self.search_on(false),
            Command::Menu => {
                let cursor = Column::ALL.iter().position(|column| *column == self.list.sort);
                self.over = Some(Over::Menu { cursor: cursor.unwrap_or_default() });
            }
            Command::SortLeft => self.list.sort_by(self.list.sort.step(-1), now),
            Command::SortRight => self.list.sort_by(self.list.sort.step(1), now),
            Command::Invert => self.list.invert(now),
            // What was filtered is there again.
            Command::Back => self.list.set_filter("", now),
            _ => {}
        }
    }

    fn prompt(&mut self, is_filter: bool) {
        let before = if is_filter { self.list.filter().to_owned() } else { String::new() };
        let (text, begun_at) = (before.clone(), self.list.cursor());
        self.over = Some(Over::Prompt(Prompt { is_filter, text, before, begun_at, in_vain: false }));
    }

    fn search_on(&mut self, forwards: bool) {
        let from = self.list.cursor() + usize::from(forwards);
        let searched = std::mem::take(&mut self.searched);
        // One to the left of where we are is as good as all the way around.
        self.list.find(
            &searched,
            if forwards { from } else { from + self.list.len().saturating_sub(1) },
            forwards,
        );
        self.searched = searched;
    }

    fn obey_in_prompt(&mut self, command: Command) {
        let now = self.now();
        let Some(Over::Prompt(prompt)) = &mut self.over else { return };
        match command {
            Command::Type(c) if prompt.text.chars().count() < LONGEST => prompt.text.push(c),
            Command::Erase => drop(prompt.text.pop()),
            Command::EraseAll => prompt.text.clear(),
            Command::EraseWord => {
                let kept = prompt.text.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
                prompt.text.truncate(kept);
            }
            Command::Next if !prompt.is_filter => {
                let text = prompt.text.clone();
                self.list.find(&text, self.list.cursor() + 1, true);
                return;
            }
            Command::Enter => {
                if !prompt.is_filter {
                    self.searched = std::mem::take(&mut prompt.text);
                }
                self.over = None;
                return;
            }
            Command::Back => {
                if prompt.is_filter {
                    let before = std::mem::take(&mut prompt.before);
                    self.list.set_filter(&before, now);
                } else {
                    self.list.go_to(prompt.begun_at);
                }
                self.over = None;
                return;
            }
            Command::Up | Command::Down | Command::PageUp | Command::PageDown => {
                self.obey_in_list(command);
                return;
            }
            _ => return,
        }
        if prompt.is_filter {
            self.list.set_filter(&prompt.text, now);
            prompt.in_vain = self.list.len() == 0;
        } else {
            let found = self.list.find(&prompt.text, prompt.begun_at, true);
            prompt.in_vain = !found && !prompt.text.trim().is_empty();
        }
    }
}

/// Where scrolling leads, or nothing where the command is not about that.
fn scroll(command: Command, from: usize, rows: usize, furthest: usize) -> Option<usize> {
    let to = match command {
        Command::Up => from.saturating_sub(1),
        Command::Down => from.saturating_add(1),
        Command::PageUp => from.saturating_sub(rows),
        Command::PageDown => from.saturating_add(rows),
        Command::Home => 0,
        Command::End => furthest,
        _ => return None,
    };
    Some(to.min(furthest))
}
