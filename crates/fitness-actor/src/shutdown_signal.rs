//! The signal that ends the service's task, with the deadline for the last changes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    /// The time from the signal to the deadline.
    timeout: Duration,
}

/// The receiver, held by the task.
#[derive(Clone)]
pub(crate) struct ShutdownSignal(watch::Receiver<Option<Deadline>>);

/// The sender, held by the service. Dropping it sends nothing: the service aborts its task when it is
/// dropped.
pub(crate) struct ShutdownSender(watch::Sender<Option<Deadline>>);

pub(crate) fn channel() -> (ShutdownSender, ShutdownSignal) {
    let (sender, receiver) = watch::channel(None);
    (ShutdownSender(sender), ShutdownSignal(receiver))
}

impl ShutdownSender {
    pub(crate) fn send(&self, timeout: Duration) {
        self.0.send_replace(Some(Deadline { at: from_now(timeout), timeout }));
    }
}

impl ShutdownSignal {
    /// Waits for the signal. Cancel-safe.
    pub(crate) async fn received(&mut self) {
        self.deadline().await;
    }

    /// Waits for the signal and then until its deadline. Returns the shutdown timeout. Cancel-safe.
    pub(crate) async fn deadline_passed(&mut self) -> Duration {
        let deadline = self.deadline().await;
        tokio::time::sleep_until(deadline.at).await;
        deadline.timeout
    }

    async fn deadline(&mut self) -> Deadline {
        loop {
            let deadline = *self.0.borrow_and_update();
            if let Some(deadline) = deadline {
                return deadline;
            }
            if self.0.changed().await.is_err() {
                // The service was dropped and is about to abort this task.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Returns the instant `duration` from now, or about 30 years from now if that is earlier.
pub(crate) fn from_now(duration: Duration) -> Instant {
    const MAX: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + duration.min(MAX)
}
