//! What is known and what is seen: changed by messages alone. It draws nothing, asks nobody and reads no clock.

mod column;
mod list;
mod obey;
mod page;
mod strip;

use fitness_core::{NodeId, StandardWindow, Timestamp};

pub(crate) use self::column::Column;
pub(crate) use self::list::List;
pub(crate) use self::page::{Page, Told};
pub(crate) use self::strip::{HOUR_NS, Hours, Mark, marks_of};
use crate::api::{Health, OwnGap, Peer};
use crate::keys::Mode;
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
    pub(crate) page: Option<(NodeId, StandardWindow)>,
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
    /// Whether it is a store that no service runs on: time stands still there.
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
    pub(crate) fn new(place: String, size: (u16, u16)) -> Self {
        Self {
            place,
            at_rest: false,
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
                if self.at_rest && self.link == Link::Live {
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
        self.stay_inside();
        then
    }

    /// Scrolls back what is scrolled too far for what there is by now, and for the size of the terminal.
    fn stay_inside(&mut self) {
        self.list.scroll_into(Layout::of(self).rows());
        let furthest = self.furthest();
        match (&mut self.over, &mut self.page) {
            (Some(Over::Help { scrolled }), _) => *scrolled = (*scrolled).min(furthest),
            (_, Some(page)) => page.scrolled = page.scrolled.min(furthest),
            _ => {}
        }
    }

    /// How many lines there are in a column that is scrolled, but for the bar of keys.
    fn lines(&self) -> usize {
        usize::from(self.size.1.saturating_sub(1)).max(1)
    }

    /// How far that column can be scrolled.
    fn furthest(&self) -> usize {
        let lines = match (&self.over, &self.page) {
            (Some(Over::Help { .. }), _) => crate::draw::help_lines(),
            (_, Some(_)) => crate::draw::page_lines(self),
            _ => 0,
        };
        lines.saturating_sub(self.lines())
    }

    fn hear(&mut self, news: News) {
        match news {
            News::All { at, peers, service } => {
                self.is_begun = true;
                self.clock = at;
                self.at_rest = service.health.archived;
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
}
