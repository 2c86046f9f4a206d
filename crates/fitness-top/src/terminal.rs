//! Runs the view on the terminal, and restores the terminal afterwards.

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
use crate::capabilities::TerminalCapabilities;
use crate::draw::draw;
use crate::feed::Feed;
use crate::model::{Action, DataNeeds, FeedUpdate, Message, Model};
use crate::source::{Source, SourceError};

/// How often the screen is drawn to update durations.
const TICK: Duration = Duration::from_secs(1);

/// The capacity of the update channel. Updates that wait in it are drawn together.
const UPDATE_CAPACITY: usize = 256;

/// An error that ends the view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopError {
    /// Standard output is not a terminal.
    #[error("`top` needs a terminal on standard output; use `report` instead")]
    NotATerminal,
    /// The first request to the source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The terminal cannot be written to or read from.
    #[error("cannot use the terminal")]
    Terminal(#[from] io::Error),
    /// The task that fetches the data stopped. This is a bug.
    #[error("the task that fetches the data stopped unexpectedly; this is a bug in ldk-fitness")]
    FeedStopped,
}

/// Shows the data of `source` until the user quits or the process receives `SIGINT`, `SIGTERM` or `SIGHUP`.
///
/// Uses the terminal on standard output, and restores it when the function returns or panics. A source that
/// stops responding is contacted again until it responds. A source that never responded is an error.
///
/// # Errors
///
/// [`TopError`].
pub async fn run(source: Source, capabilities: TerminalCapabilities) -> Result<(), TopError> {
    if !io::stdout().is_terminal() {
        return Err(TopError::NotATerminal);
    }
    // Report a wrong address as an error instead of on an empty screen.
    let _: Health = source.get("health").await?;
    let mut terminal = TerminalGuard::new()?;
    show(&mut terminal, source, capabilities).await
}

/// Restores the terminal when it is dropped.
struct TerminalGuard(DefaultTerminal);

impl TerminalGuard {
    fn new() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| {
            // The terminal may be initialized in part.
            let _ = ratatui::try_restore();
        })
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // Fails if the terminal is closed, which cannot be reported.
        let _ = ratatui::try_restore();
    }
}

async fn show(
    TerminalGuard(terminal): &mut TerminalGuard,
    source: Source,
    capabilities: TerminalCapabilities,
) -> Result<(), TopError> {
    let size = terminal.size()?;
    let mut model = Model::new(source.location().to_owned(), (size.width, size.height));
    let (needs, needs_receiver) = watch::channel(DataNeeds::default());
    let (update_sender, mut updates) = mpsc::channel(UPDATE_CAPACITY);
    let feed = tokio::spawn(Feed::new(source, needs_receiver, update_sender).run());
    let mut keys = EventStream::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut clock, mut action) = (ServiceClock::default(), Action::Draw);
    let mut termination = pin!(termination_signal());
    let outcome = loop {
        match action {
            Action::Quit => break Ok(()),
            // `clear` would query the cursor position, and its reply would be mixed with the keys.
            Action::Redraw => terminal.resize(terminal.size()?.into())?,
            Action::Nothing | Action::Draw => {}
        }
        if action != Action::Nothing {
            draw_model(terminal, &mut model, capabilities)?;
            needs.send_if_modified(|needs| {
                let next = model.data_needs();
                std::mem::replace(needs, next.clone()) != next
            });
        }
        let first = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => message(event),
                Some(Err(error)) => break Err(error.into()),
                // The terminal is closed.
                None => break Ok(()),
            },
            update = updates.recv() => match update {
                Some(update) => Some(clock.synchronize(update)),
                None => break Err(TopError::FeedStopped),
            },
            _ = ticks.tick() => Some(Message::Tick(clock.now())),
            () = &mut termination => break Ok(()),
        };
        // Updates that already wait are drawn together.
        let more = std::iter::from_fn(|| Some(clock.synchronize(updates.try_recv().ok()?)));
        let messages = first.into_iter().chain(more.take(UPDATE_CAPACITY));
        action = messages.map(|message| model.update(message)).max().unwrap_or(Action::Nothing);
    };
    feed.abort();
    outcome
}

fn draw_model(
    terminal: &mut DefaultTerminal,
    model: &mut Model,
    capabilities: TerminalCapabilities,
) -> io::Result<()> {
    // Not every terminal reports that it was resized.
    let size = terminal.size()?;
    if model.size != (size.width, size.height) {
        model.update(Message::Resized(size.width, size.height));
    }
    terminal.draw(|frame| draw(frame, model, capabilities)).map(drop)
}

fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) => Some(Message::Key(key)),
        Event::Resize(columns, rows) => Some(Message::Resized(columns, rows)),
        _ => None,
    }
}

/// The service's clock, extrapolated between updates.
#[derive(Default)]
struct ServiceClock(Option<(Timestamp, Instant)>);

impl ServiceClock {
    /// Sets the clock to the time of an update.
    fn synchronize(&mut self, update: FeedUpdate) -> Message {
        if let FeedUpdate::Snapshot { at, .. } | FeedUpdate::Peer { at, .. } | FeedUpdate::Connected { at } =
            &update
        {
            self.0 = Some((*at, Instant::now()));
        }
        Message::Update(update)
    }

    fn now(&self) -> Timestamp {
        let Some((at, read_at)) = self.0 else { return Timestamp::EPOCH };
        at.after_nanos(u64::try_from(read_at.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Completes when the process receives a signal to terminate.
async fn termination_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        if let [Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)] = signals {
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
