//! A fixed history, served through the real API and drawn on an in-memory terminal.

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

use crate::capabilities::TerminalCapabilities;
use crate::draw::draw;
use crate::feed::Feed;
use crate::model::{DataNeeds, FeedUpdate, Message, Model};
use crate::source::Source;

/// The timeout for something that has to happen.
pub(super) const LONG_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) const NO_COLOUR: TerminalCapabilities = TerminalCapabilities { unicode: true, colour: false };

/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_secs(START + 60 * minutes)
}

pub(super) fn peer(number: u32) -> NodeId {
    let mut node_id = NodeId([2; 33]);
    node_id.0[1..5].copy_from_slice(&number.to_be_bytes());
    node_id
}

pub(super) fn channel(number: u32) -> ChannelId {
    let mut channel_id = ChannelId([1; 32]);
    channel_id.0[..4].copy_from_slice(&number.to_be_bytes());
    channel_id
}

/// Creates an archive with thirty hours of `peers` peers. Peer 0 has an alias with control characters, peer 1
/// one with wide characters. If there are at least four, peer 2 is offline for 20 minutes several times, and
/// peer 3 goes offline after 26 hours. Monitoring is paused for one hour.
async fn source(peers: u32) -> (Source, Archive) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..peers {
        let funding = Some(OutPoint { txid: [number.to_le_bytes()[0]; 32], vout: 1 });
        let (channel_id, node_id) = (channel(number), peer(number));
        let opened = ChannelOpened { channel_id, node_id, funding, online: Some(true) };
        tracker.apply(at(0), &Event::ChannelOpened(opened));
    }
    let offline = |number| Event::PeerOffline { node_id: peer(number) };
    let online = |number| Event::PeerOnline { node_id: peer(number) };
    let short_outages = |tracker: &mut Tracker, hours: &[u64]| {
        for hour in hours.iter().filter(|_| peers > 3) {
            tracker.apply(at(hour * 60), &offline(2));
            tracker.apply(at(hour * 60 + 20), &online(2));
        }
    };
    short_outages(&mut tracker, &[5, 12, 21]);
    if peers > 0 {
        tracker.apply(at(22 * 60), &Event::ObservationPaused);
        tracker.apply(at(23 * 60), &Event::ObservationResumed);
        (0..peers).for_each(|number| tracker.apply(at(23 * 60), &online(number)));
    }
    if peers > 3 {
        tracker.apply(at(26 * 60), &offline(3));
    }
    short_outages(&mut tracker, &[28]);
    let mut changes = UnsavedChanges::default();
    assert!(!tracker.drain_changes(usize::MAX, &mut changes));
    let observer = (peers > 0).then(|| tracker.observer_record(at(30 * 60)));
    let store = MemoryStore::new();
    let batch = Batch { changes, observer, ..Batch::default() };
    store.commit(&NodeId([3; 33]), Arc::new(batch)).await.expect("the batch is committed");
    let archive = Archive::open(NodeId([3; 33]), Arc::new(store)).await.expect("the archive opens");
    let aliases: HashMap<NodeId, &str> = [
        (peer(0), "evil\u{1b}[2J\u{202e}name"),
        (peer(1), "ビットコイン研究所ビットコイン研究所"),
        (peer(2), "Unstable"),
    ]
    .into();
    let web = Web::builder(archive.handle()).aliases(move |id| aliases.get(id).map(ToString::to_string));
    (Source::archive(web.build().router(), "fitness.redb"), archive)
}

/// A model with its source.
pub(super) struct TestView {
    pub(super) model: Model,
    needs: watch::Sender<DataNeeds>,
    updates: mpsc::Receiver<FeedUpdate>,
    _archive: Archive,
}

impl TestView {
    pub(super) async fn new(peers: u32, width: u16, height: u16) -> Self {
        let (source, archive) = source(peers).await;
        let model = Model::new(source.location().to_owned(), (width, height));
        let (needs, needs_receiver) = watch::channel(DataNeeds::default());
        let (update_sender, updates) = mpsc::channel(64);
        tokio::spawn(Feed::new(source, needs_receiver, update_sender).run());
        let mut view = Self { model, needs, updates, _archive: archive };
        view.load().await;
        view
    }

    /// Waits until all visible data is loaded.
    async fn load(&mut self) {
        let loading = timeout(LONG_TIMEOUT, async {
            while !self.is_loaded() {
                self.needs.send_replace(self.model.data_needs());
                let update = self.updates.recv().await.expect("the feed runs");
                self.model.update(Message::Update(update));
            }
        });
        assert!(loading.await.is_ok(), "timed out waiting for the data");
    }

    fn is_loaded(&self) -> bool {
        let needs = self.model.data_needs();
        let has_page = self.model.page.as_ref().is_none_or(|page| {
            page.error.is_some() || page.data.as_ref().is_some_and(|data| data.window == page.window)
        });
        let has_strip = |node_id: &NodeId| self.model.list.strips.contains_key(node_id);
        self.model.has_data() && has_page && needs.strips.iter().all(has_strip)
    }

    pub(super) async fn press(&mut self, codes: impl IntoIterator<Item = KeyCode>) {
        for code in codes {
            self.model.update(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        self.load().await;
    }

    pub(super) async fn resize(&mut self, width: u16, height: u16) {
        self.model.update(Message::Resized(width, height));
        self.load().await;
    }

    /// Returns the screen as text, without trailing spaces.
    pub(super) fn screen(&self, caps: TerminalCapabilities) -> String {
        text(&drawn(&self.model, caps))
    }
}

/// Draws the model on a terminal of its size.
pub(super) fn drawn(model: &Model, caps: TerminalCapabilities) -> Buffer {
    let (width, height) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal.draw(|frame| draw(frame, model, caps)).expect("drawing succeeds");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
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
