//! The word that the service is to stop, and by when.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When the last changes have to be stored, and how long that was from the shutdown on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

/// The task's end.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<Option<Deadline>>);

/// The service's end. Dropping it says nothing: the task is aborted then.
pub(crate) struct Stopper(watch::Sender<Option<Deadline>>);

pub(crate) fn channel() -> (Stopper, Stop) {
    let (stopper, stop) = watch::channel(None);
    (Stopper(stopper), Stop(stop))
}

impl Stopper {
    pub(crate) fn stop(&self, after: Duration) {
        self.0.send_replace(Some(Deadline { at: from_now(after), after }));
    }
}

impl Stop {
    /// Waits for the word. Cancel-safe.
    pub(crate) async fn asked(&mut self) -> Deadline {
        loop {
            let deadline = *self.0.borrow_and_update();
            if let Some(deadline) = deadline {
                return deadline;
            }
            if self.0.changed().await.is_err() {
                // The service was dropped, and is about to abort us.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the time for the last changes is over, and returns how long it was. Cancel-safe.
    pub(crate) async fn deadline(&mut self) -> Duration {
        let deadline = self.asked().await;
        tokio::time::sleep_until(deadline.at).await;
        deadline.after
    }
}

/// The moment so long from now; in thirty years where that cannot be named.
pub(crate) fn from_now(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + duration.min(FAR)
}
