//! What is known and what is seen: changed by messages alone. It draws nothing, asks nobody and reads no clock.

mod column;
mod list;
mod page;
mod strip;

use fitness_core::{NodeId, Span, Timestamp};

pub(crate) use self::column::Column;
pub(crate) use self::list::List;
pub(crate) use self::page::{Page, Told};
pub(crate) use self::strip::{HOUR_NS, Hours, Mark, marks_of};
use crate::api::{Health, OwnGap, Peer};
use crate::keys::{Command, Mode};
use crate::layout::Layout;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Message {
    Key(crossterm::event::KeyEvent),
    /// The terminal has another size: columns and rows.
    Resized(u16, u16),
    /// Time goes on.
    Tick(Timestamp),
    Told(News),
}

/// What the source has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// All there is, and who observes.
    All {
        at: Timestamp,
        peers: Vec<Peer>,
        service: Box<Service>,
    },
    /// One peer; none where it is not known any more.
    Peer {
        at: Timestamp,
        node_id: NodeId,
        peer: Option<Box<Peer>>,
    },
    Hours {
        node_id: NodeId,
        hours: Hours,
    },
    Page {
        node_id: NodeId,
        told: Result<Box<Told>, String>,
    },
    /// From here on it is told what happens.
    Live {
        at: Timestamp,
    },
    /// Nothing was told since.
    Lost {
        silent_ns: u64,
        why: String,
    },
}

/// Who observes, and how that goes.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) health: Health,
    /// Those that strips may show.
    pub(crate) gaps: Vec<OwnGap>,
}

/// Whether it is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Live,
    /// Not since then.
    Lost {
        since: Timestamp,
        why: String,
    },
}

/// What lies over the screen.
#[derive(Debug)]
pub(crate) enum Over {
    Help {
        scrolled: usize,
    },
    /// The place of the column.
    Menu {
        cursor: usize,
    },
    Prompt(Prompt),
}

/// A line that is typed.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) is_filter: bool,
    pub(crate) text: String,
    /// What to go back to.
    before: String,
    begun_at: usize,
    /// Whether nobody matches.
    pub(crate) in_vain: bool,
}

/// What the source is to be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) strips: Vec<NodeId>,
    pub(crate) hours: u16,
    pub(crate) page: Option<(NodeId, Span)>,
    /// How often all was asked for anew.
    pub(crate) refreshed: u32,
}

/// What there is to do after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Then {
    Nothing,
    Draw,
    /// From scratch.
    Redraw,
    Quit,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) place: String,
    pub(crate) at_rest: bool,
    pub(crate) link: Link,
    /// The moment it is. It may be later than what is known.
    pub(crate) clock: Timestamp,
    pub(crate) service: Option<Service>,
    pub(crate) list: List,
    pub(crate) page: Option<Page>,
    pub(crate) over: Option<Over>,
    pub(crate) size: (u16, u16),
    /// What was searched for last.
    searched: String,
    refreshed: u32,
    is_begun: bool,
}

impl Model {
    pub(crate) fn new(place: String, at_rest: bool, size: (u16, u16)) -> Self {
        Self {
            place,
            at_rest,
            link: Link::Live,
            clock: Timestamp::EPOCH,
            service: None,
            list: List::default(),
            page: None,
            over: None,
            size,
            searched: String::new(),
            refreshed: 0,
            is_begun: false,
        }
    }

    /// The moment that all that is seen is true of: it stands still while nothing is heard.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.link {
            Link::Live => self.clock,
            Link::Lost { since, .. } => *since,
        }
    }

    /// Whether anything was told yet.
    pub(crate) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(crate) fn gaps(&self) -> &[OwnGap] {
        self.service.as_ref().map_or(&[], |service| &service.gaps)
    }

    pub(crate) fn mode(&self) -> Mode {
        match (&self.over, &self.page) {
            (Some(Over::Help { .. }), _) => Mode::Help,
            (Some(Over::Menu { .. }), _) => Mode::Menu,
            (Some(Over::Prompt(_)), _) => Mode::Prompt,
            (None, Some(_)) => Mode::Page,
            (None, None) => Mode::List,
        }
    }

    /// What has to be asked for what is seen.
    pub(crate) fn wants(&self) -> Wants {
        let layout = Layout::of(self);
        let page = self.page.as_ref();
        let strips = match page {
            None if layout.hours > 0 => {
                self.list.visible(layout.rows()).map(|(peer, _)| peer.node_id).collect()
            }
            _ => Vec::new(),
        };
        let page = page.map(|page| (page.node_id, page.span));
        Wants { strips, hours: layout.hours, page, refreshed: self.refreshed }
    }

    pub(crate) fn update(&mut self, message: Message) -> Then {
        let then = match message {
            Message::Key(key) => match crate::keys::command(self.mode(), key) {
                Some(command) => self.obey(command),
                None => Then::Nothing,
            },
            Message::Resized(columns, rows) => {
                self.size = (columns, rows);
                Then::Draw
            }
            Message::Tick(now) => {
                // A store at rest has no time but its last moment.
                if self.at_rest {
                    return Then::Nothing;
                }
                self.clock = self.clock.max(now);
                if self.link == Link::Live {
                    self.list.arrange(now);
                }
                Then::Draw
            }
            Message::Told(news) => {
                self.hear(news);
                Then::Draw
            }
        };
        self.list.scroll_into(Layout::of(self).rows());
        then
    }

    fn hear(&mut self, news: News) {
        match news {
            News::All { at, peers, service } => {
                self.is_begun = true;
                self.clock = at;
                self.service = Some(*service);
                self.list.set_all(peers, self.now());
            }
            News::Peer { at, node_id, peer } => {
                self.clock = at;
                match peer {
                    Some(peer) => self.list.set(*peer, self.now()),
                    None => self.list.remove(&node_id, self.now()),
                }
            }
            News::Hours { node_id, hours } => self.list.set_strip(node_id, hours),
            News::Page { node_id, told } => {
                if let Some(page) = self.page.as_mut().filter(|page| page.node_id == node_id) {
                    match told {
                        Ok(told) => (page.told, page.trouble) = (Some(*told), None),
                        Err(trouble) => page.trouble = Some(trouble),
                    }
                }
            }
            News::Live { at } => {
                self.link = Link::Live;
                self.clock = at;
            }
            News::Lost { silent_ns, why } => {
                if self.link == Link::Live {
                    let since = self.clock.before_nanos(silent_ns);
                    self.link = Link::Lost { since, why };
                } else if let Link::Lost { why: last, .. } = &mut self.link {
                    *last = why;
                }
            }
        }
    }

    fn obey(&mut self, command: Command) -> Then {
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
        let Some(Over::Help { scrolled }) = &mut self.over else { return };
        let rows = usize::from(self.size.1.saturating_sub(1)).max(1);
        let furthest = crate::draw::help_lines().saturating_sub(rows);
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
        let Some(page) = &mut self.page else { return };
        let rows = usize::from(self.size.1.saturating_sub(1)).max(1);
        match command {
            Command::Back => self.page = None,
            Command::Left => page.look(-1),
            Command::Right => page.look(1),
            Command::Enter => {}
            _ => {
                let scrolled = page.scrolled;
                let furthest = crate::draw::page_lines(self).saturating_sub(rows);
                if let (Some(page), Some(to)) = (&mut self.page, scroll(command, scrolled, rows, furthest)) {
                    page.scrolled = to;
                }
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
            Command::Type(c) if prompt.text.chars().count() < 80 => prompt.text.push(c),
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
