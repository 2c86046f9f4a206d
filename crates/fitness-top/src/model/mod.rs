//! The state of the view. Only messages change it; it performs no I/O and reads no clock.

mod column;
mod commands;
mod list;
mod page;
mod strip;

use fitness_core::{NodeId, StandardWindow, Timestamp};

pub(crate) use self::column::Column;
pub(crate) use self::list::List;
pub(crate) use self::page::{Page, PageData};
pub(crate) use self::strip::{HOUR_NS, Mark, Strip, timeline_marks};
use crate::api::{Health, MonitoringGap, Peer};
use crate::keys::Mode;
use crate::layout::Layout;

/// An input of the model.
#[derive(Debug)]
pub(crate) enum Message {
    Key(crossterm::event::KeyEvent),
    /// The terminal was resized to this number of columns and rows.
    Resized(u16, u16),
    /// Time passed.
    Tick(Timestamp),
    Update(FeedUpdate),
}

/// Data from the feed.
#[derive(Debug)]
pub(crate) enum FeedUpdate {
    /// All peers, and the status of the service.
    Snapshot {
        at: Timestamp,
        peers: Vec<Peer>,
        service: Box<ServiceStatus>,
    },
    /// One peer, or `None` if it is no longer tracked.
    Peer {
        at: Timestamp,
        node_id: NodeId,
        peer: Option<Box<Peer>>,
    },
    Strip {
        node_id: NodeId,
        strip: Strip,
    },
    /// The data of a page, or the error message of the service.
    Page {
        node_id: NodeId,
        result: Result<Box<PageData>, String>,
    },
    /// The feed is connected and sends changes.
    Connected {
        at: Timestamp,
    },
    /// The feed is disconnected.
    Disconnected {
        /// How long no data had been received before the feed noticed.
        idle_ns: u64,
        reason: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct ServiceStatus {
    pub(crate) health: Health,
    /// The monitoring gaps within the longest strip.
    pub(crate) gaps: Vec<MonitoringGap>,
}

/// Whether the feed is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FeedState {
    Connected,
    Disconnected { since: Timestamp, reason: String },
}

/// A view on top of the list or page.
#[derive(Debug)]
pub(crate) enum Overlay {
    Help {
        scroll: usize,
    },
    /// The menu of sort columns, with the index of the highlighted column.
    Menu {
        cursor: usize,
    },
    Prompt(Prompt),
}

/// A text prompt for a filter or a search.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) is_filter: bool,
    pub(crate) text: String,
    /// The filter to restore if the prompt is cancelled.
    previous_filter: String,
    /// The cursor position to restore if the search is cancelled.
    start: usize,
    /// Whether no peer matches the text.
    pub(crate) has_no_match: bool,
}

/// The data that the feed has to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DataNeeds {
    pub(crate) strips: Vec<NodeId>,
    pub(crate) strip_hours: u16,
    pub(crate) page: Option<(NodeId, StandardWindow)>,
    /// The number of times that the user requested a refresh.
    pub(crate) refresh_count: u32,
}

/// What to do after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Nothing,
    Draw,
    /// Draw every cell again.
    Redraw,
    Quit,
}

#[derive(Debug)]
pub(crate) struct Model {
    /// The address or path of the source.
    pub(crate) location: String,
    /// Whether the source is stored history, whose time does not advance.
    pub(crate) is_archive: bool,
    pub(crate) feed: FeedState,
    /// The current time. The data can be older.
    pub(crate) clock: Timestamp,
    pub(crate) service: Option<ServiceStatus>,
    pub(crate) list: List,
    pub(crate) page: Option<Page>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) size: (u16, u16),
    /// The text of the last search.
    last_search: String,
    refresh_count: u32,
    has_data: bool,
}

impl Model {
    pub(crate) fn new(location: String, size: (u16, u16)) -> Self {
        Self {
            location,
            is_archive: false,
            feed: FeedState::Connected,
            clock: Timestamp::EPOCH,
            service: None,
            list: List::default(),
            page: None,
            overlay: None,
            size,
            last_search: String::new(),
            refresh_count: 0,
            has_data: false,
        }
    }

    /// Returns the time to which the shown data applies. It does not advance while the feed is disconnected.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.feed {
            FeedState::Connected => self.clock,
            FeedState::Disconnected { since, .. } => *since,
        }
    }

    /// Whether a snapshot was received.
    pub(crate) const fn has_data(&self) -> bool {
        self.has_data
    }

    pub(crate) fn gaps(&self) -> &[MonitoringGap] {
        self.service.as_ref().map_or(&[], |service| &service.gaps)
    }

    pub(crate) fn mode(&self) -> Mode {
        match (&self.overlay, &self.page) {
            (Some(Overlay::Help { .. }), _) => Mode::Help,
            (Some(Overlay::Menu { .. }), _) => Mode::Menu,
            (Some(Overlay::Prompt(_)), _) => Mode::Prompt,
            (None, Some(_)) => Mode::Page,
            (None, None) => Mode::List,
        }
    }

    /// Returns the data that is needed for what is visible.
    pub(crate) fn data_needs(&self) -> DataNeeds {
        let layout = Layout::new(self);
        let page = self.page.as_ref();
        let strips = match page {
            None if layout.strip_hours > 0 => {
                self.list.visible(layout.rows()).map(|(peer, _)| peer.node_id).collect()
            }
            _ => Vec::new(),
        };
        let page = page.map(|page| (page.node_id, page.window));
        DataNeeds { strips, strip_hours: layout.strip_hours, page, refresh_count: self.refresh_count }
    }

    pub(crate) fn update(&mut self, message: Message) -> Action {
        let action = match message {
            Message::Key(key) => match crate::keys::command(self.mode(), key) {
                Some(command) => self.execute(command),
                None => Action::Nothing,
            },
            Message::Resized(columns, rows) => {
                self.size = (columns, rows);
                Action::Draw
            }
            Message::Tick(now) => {
                // The time of stored history does not advance.
                if self.is_archive && self.feed == FeedState::Connected {
                    return Action::Nothing;
                }
                self.clock = self.clock.max(now);
                if self.feed == FeedState::Connected {
                    self.list.arrange(now);
                }
                Action::Draw
            }
            Message::Update(update) => {
                self.apply(update);
                Action::Draw
            }
        };
        self.clamp_scroll();
        action
    }

    /// Limits all scroll positions to the current content and terminal size.
    fn clamp_scroll(&mut self) {
        self.list.scroll_to_cursor(Layout::new(self).rows());
        let max_scroll = self.max_scroll();
        match (&mut self.overlay, &mut self.page) {
            (Some(Overlay::Help { scroll }), _) => *scroll = (*scroll).min(max_scroll),
            (_, Some(page)) => page.scroll = page.scroll.min(max_scroll),
            _ => {}
        }
    }

    /// Returns the number of visible lines of the help or a page, without the key bar.
    fn visible_lines(&self) -> usize {
        usize::from(self.size.1.saturating_sub(1)).max(1)
    }

    /// Returns the largest scroll position of the help or a page.
    fn max_scroll(&self) -> usize {
        let lines = match (&self.overlay, &self.page) {
            (Some(Overlay::Help { .. }), _) => crate::draw::help_line_count(),
            (_, Some(_)) => crate::draw::page_line_count(self),
            _ => 0,
        };
        lines.saturating_sub(self.visible_lines())
    }

    fn apply(&mut self, update: FeedUpdate) {
        match update {
            FeedUpdate::Snapshot { at, peers, service } => {
                self.has_data = true;
                self.clock = at;
                self.is_archive = service.health.archived;
                self.service = Some(*service);
                self.list.replace_all(peers, self.now());
            }
            FeedUpdate::Peer { at, node_id, peer } => {
                self.clock = at;
                match peer {
                    Some(peer) => self.list.insert(*peer, self.now()),
                    None => self.list.remove(&node_id, self.now()),
                }
            }
            FeedUpdate::Strip { node_id, strip } => self.list.set_strip(node_id, strip),
            FeedUpdate::Page { node_id, result } => {
                if let Some(page) = self.page.as_mut().filter(|page| page.node_id == node_id) {
                    match result {
                        Ok(data) => (page.data, page.error) = (Some(*data), None),
                        Err(error) => page.error = Some(error),
                    }
                }
            }
            FeedUpdate::Connected { at } => {
                self.feed = FeedState::Connected;
                self.clock = at;
            }
            FeedUpdate::Disconnected { idle_ns, reason } => {
                if let FeedState::Disconnected { reason: last_reason, .. } = &mut self.feed {
                    *last_reason = reason;
                } else {
                    let since = self.clock.before_nanos(idle_ns);
                    self.feed = FeedState::Disconnected { since, reason };
                }
            }
        }
    }
}
