//! A history that is the same each time, asked through the real API, and drawn on a terminal in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fitness_actor::Archive;
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, OutPoint, Timestamp, Tracker, TrackerConfig,
    UnsavedChanges,
};
use fitness_store::{Batch, MemoryStore, Store as _};
use fitness_web::Web;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::draw::draw;
use crate::feed::Feed;
use crate::look::TerminalCapabilities;
use crate::model::{Message, Model, News, Wants};
use crate::source::Source;

/// After so long what is waited for will not come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const PLAIN: TerminalCapabilities = TerminalCapabilities { unicode: true, colour: false };

/// 2026-01-01T00:00:00Z.
const T0: u64 = 1_767_225_600;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_secs(T0 + 60 * minutes)
}

pub(super) fn peer(number: u32) -> NodeId {
    let mut node_id = NodeId([2; 33]);
    node_id.0[1..5].copy_from_slice(&number.to_be_bytes());
    node_id
}

/// Thirty hours of so many peers. The first is called something hostile, the second something wide; of four
/// and more the third goes off now and then, the fourth for good. For an hour we were paused.
pub(super) async fn source(peers: u32) -> (Source, Archive) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..peers {
        let mut channel_id = ChannelId([1; 32]);
        channel_id.0[..4].copy_from_slice(&number.to_be_bytes());
        let funding = Some(OutPoint { txid: [number.to_le_bytes()[0]; 32], vout: 1 });
        let opened = ChannelOpened { channel_id, node_id: peer(number), funding, online: Some(true) };
        tracker.apply(at(0), &Event::ChannelOpened(opened));
    }
    let off = |number| Event::PeerOffline { node_id: peer(number) };
    let on = |number| Event::PeerOnline { node_id: peer(number) };
    let shaky = |tracker: &mut Tracker, hours: &[u64]| {
        for hour in hours.iter().filter(|_| peers > 3) {
            tracker.apply(at(hour * 60), &off(2));
            tracker.apply(at(hour * 60 + 20), &on(2));
        }
    };
    shaky(&mut tracker, &[5, 12, 21]);
    if peers > 0 {
        tracker.apply(at(22 * 60), &Event::ObservationPaused);
        tracker.apply(at(23 * 60), &Event::ObservationResumed);
        (0..peers).for_each(|number| tracker.apply(at(23 * 60), &on(number)));
    }
    if peers > 3 {
        tracker.apply(at(26 * 60), &off(3));
    }
    shaky(&mut tracker, &[28]);
    let mut changes = UnsavedChanges::default();
    assert!(!tracker.drain_changes(usize::MAX, &mut changes));
    let observer = (peers > 0).then(|| tracker.observer_record(at(30 * 60)));
    let store = MemoryStore::new();
    let batch = Batch { changes, observer, ..Batch::default() };
    store.commit(&NodeId([3; 33]), Arc::new(batch)).await.expect("memory takes it");
    let known = Archive::open(NodeId([3; 33]), Arc::new(store)).await.expect("memory answers");
    let names: HashMap<NodeId, &str> = [
        (peer(0), "evil\u{1b}[2J\u{202e}name"),
        (peer(1), "ビットコイン研究所ビットコイン研究所"),
        (peer(2), "Shaky"),
    ]
    .into();
    let web = Web::builder(known.handle()).aliases(move |id| names.get(id).map(ToString::to_string));
    (Source::archive(web.build().router(), "fitness.redb"), known)
}

/// What somebody sees: a model with its source, and its screen.
pub(super) struct Seat {
    pub(super) model: Model,
    wants: watch::Sender<Wants>,
    news: mpsc::Receiver<News>,
    _known: Archive,
}

impl Seat {
    pub(super) async fn new(peers: u32, width: u16, height: u16) -> Self {
        let (source, known) = source(peers).await;
        let model = Model::new(source.place().to_owned(), (width, height));
        let (wants, wanted) = watch::channel(Wants::default());
        let (told, news) = mpsc::channel(64);
        tokio::spawn(Feed::new(source, wanted, told).run());
        let mut seat = Self { model, wants, news, _known: known };
        seat.settle().await;
        seat
    }

    /// Waits until all that is seen has been told.
    pub(super) async fn settle(&mut self) {
        let told = timeout(PATIENCE, async {
            while !self.is_settled() {
                self.wants.send_replace(self.model.wants());
                let news = self.news.recv().await.expect("the feed goes on");
                self.model.update(Message::Told(news));
            }
        });
        assert!(told.await.is_ok(), "it never settles");
    }

    fn is_settled(&self) -> bool {
        let wants = self.model.wants();
        let has_page = self.model.page.as_ref().is_none_or(|page| {
            page.trouble.is_some() || page.told.as_ref().is_some_and(|told| told.span == page.span)
        });
        let has_strip = |node_id: &NodeId| self.model.list.strips.contains_key(node_id);
        self.model.is_begun() && has_page && wants.strips.iter().all(has_strip)
    }

    pub(super) async fn press(&mut self, codes: impl IntoIterator<Item = KeyCode>) {
        for code in codes {
            self.model.update(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        self.settle().await;
    }

    pub(super) async fn resize(&mut self, width: u16, height: u16) {
        self.model.update(Message::Resized(width, height));
        self.settle().await;
    }

    /// The screen as text, without blanks at the ends of lines.
    pub(super) fn screen(&self, look: TerminalCapabilities) -> String {
        text(&drawn(&self.model, look))
    }
}

/// What a terminal of the model's size shows.
pub(super) fn drawn(model: &Model, look: TerminalCapabilities) -> Buffer {
    let (width, height) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| draw(frame, model, look)).expect("memory");
    terminal.backend().buffer().clone()
}

pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let (mut line, mut covered) = (String::new(), 0);
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = crate::text::width(symbol).saturating_sub(1);
            line += symbol;
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
