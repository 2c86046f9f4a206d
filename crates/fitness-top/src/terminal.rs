//! The terminal: taken over, drawn on, and given back whatever happens.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use fitness_core::Timestamp;
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::api::Health;
use crate::draw::draw;
use crate::feed::Feed;
use crate::look::TerminalCapabilities;
use crate::model::{Message, Model, News, Then, Wants};
use crate::source::{Source, SourceError};

/// How often what only time changes is drawn anew.
const TICK: Duration = Duration::from_secs(1);

/// How many messages may wait, and are drawn together.
const MESSAGES: usize = 256;

/// Why there is nothing to see, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopError {
    /// Standard output is a file or a pipe.
    #[error("top draws on a terminal, and standard output is none; `report` prints what a store knows")]
    NotATerminal,
    /// The source does not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The terminal cannot be drawn on, or read.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// What asks the source came to an end before its time, which is our fault.
    #[error("nothing more can be asked: this is a fault of ldk-fitness")]
    FeedStopped,
}

/// Shows what `source` knows until somebody has seen enough.
///
/// It takes over the terminal that standard output is, and gives it back when it returns, or panics. A
/// source that answers is waited for when it does not any more; one that never did is an error.
///
/// # Errors
///
/// [`TopError`].
pub async fn run(source: Source, look: TerminalCapabilities) -> Result<(), TopError> {
    if !io::stdout().is_terminal() {
        return Err(TopError::NotATerminal);
    }
    // Who has mistyped an address should not have to find out on a screen that is empty.
    let _: Health = source.get("health").await?;
    let mut terminal = GivenBack::taken()?;
    show(&mut terminal, source, look).await
}

/// Gives the terminal back when it is dropped.
struct GivenBack(DefaultTerminal);

impl GivenBack {
    fn taken() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| {
            // Half of it may be done.
            let _ = ratatui::try_restore();
        })
    }
}

impl Drop for GivenBack {
    fn drop(&mut self) {
        // There is nobody left to tell where the terminal is gone.
        let _ = ratatui::try_restore();
    }
}

async fn show(
    GivenBack(terminal): &mut GivenBack,
    source: Source,
    look: TerminalCapabilities,
) -> Result<(), TopError> {
    let size = terminal.size()?;
    let mut model = Model::new(source.place().to_owned(), (size.width, size.height));
    let (wants, wanted) = watch::channel(Wants::default());
    let (told, mut news) = mpsc::channel(MESSAGES);
    let feed = tokio::spawn(Feed::new(source, wanted, told).run());
    let mut keys = EventStream::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut clock, mut then) = (Clock::default(), Then::Draw);
    let mut ended = pin!(ended());
    let outcome = loop {
        match then {
            Then::Quit => break Ok(()),
            // To clear it would ask the terminal where its cursor is, and wait for an answer among the keys.
            Then::Redraw => terminal.resize(terminal.size()?.into())?,
            Then::Nothing | Then::Draw => {}
        }
        if then != Then::Nothing {
            see(terminal, &mut model, look)?;
            wants.send_if_modified(|wants| {
                let next = model.wants();
                std::mem::replace(wants, next.clone()) != next
            });
        }
        let first = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => message(event),
                Some(Err(error)) => break Err(error.into()),
                // The terminal is gone.
                None => break Ok(()),
            },
            told = news.recv() => match told {
                Some(told) => Some(clock.heard(told)),
                None => break Err(TopError::FeedStopped),
            },
            _ = ticks.tick() => Some(Message::Tick(clock.now())),
            () = &mut ended => break Ok(()),
        };
        // What came together is drawn together.
        let more = std::iter::from_fn(|| Some(clock.heard(news.try_recv().ok()?)));
        let messages = first.into_iter().chain(more.take(MESSAGES));
        then = messages.map(|message| model.update(message)).max().unwrap_or(Then::Nothing);
    };
    feed.abort();
    outcome
}

fn see(terminal: &mut DefaultTerminal, model: &mut Model, look: TerminalCapabilities) -> io::Result<()> {
    // Not every terminal tells that it was resized.
    let size = terminal.size()?;
    if model.size != (size.width, size.height) {
        model.update(Message::Resized(size.width, size.height));
    }
    terminal.draw(|frame| draw(frame, model, look)).map(drop)
}

fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) => Some(Message::Key(key)),
        Event::Resize(columns, rows) => Some(Message::Resized(columns, rows)),
        _ => None,
    }
}

/// The service's clock, as it goes on between two answers.
#[derive(Default)]
struct Clock(Option<(Timestamp, Instant)>);

impl Clock {
    fn heard(&mut self, news: News) -> Message {
        if let News::All { at, .. } | News::Peer { at, .. } | News::Live { at } = &news {
            self.0 = Some((*at, Instant::now()));
        }
        Message::Told(news)
    }

    fn now(&self) -> Timestamp {
        let Some((at, read)) = self.0 else { return Timestamp::EPOCH };
        at.after_nanos(u64::try_from(read.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Ready when the system wants us to end, other than by a key.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let asked = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        if let [Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)] = asked {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
    }
    std::future::pending::<()>().await;
}
