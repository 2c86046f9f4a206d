//! Detects whether our own network works: it does while an authenticated node sends data.
//!
//! The service detects a network outage when nearly all connections are lost at once. It cannot detect that a
//! dial failed because no node could have been reached; this module can. It also detects when the network is
//! back. All nodes are dialled again at that moment, because the service's reconnect grace period is limited.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Records when a connected node last sent data.
#[derive(Debug)]
pub(crate) struct Connectivity {
    origin: Instant,
    /// How long received data proves that our network works.
    valid_for_ms: u64,
    /// When data was last received, in milliseconds since `origin`, plus one; 0 if there was none yet.
    last_received: AtomicU64,
    restored: watch::Sender<()>,
}

impl Connectivity {
    /// Creates a record in which received data proves for `valid_for` that our network works.
    pub(crate) fn new(valid_for: Duration) -> Self {
        Self {
            origin: Instant::now(),
            valid_for_ms: millis(valid_for),
            last_received: AtomicU64::new(0),
            restored: watch::Sender::new(()),
        }
    }

    /// Records that an authenticated node sent data.
    pub(crate) fn record_received(&self) {
        let now_ms = millis(self.origin.elapsed());
        let previous = self.last_received.fetch_max(now_ms.saturating_add(1), Ordering::Relaxed);
        if !self.is_recent(previous, now_ms) {
            tracing::debug!("network connectivity confirmed");
            self.restored.send_replace(());
        }
    }

    /// Whether our network is known to work.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.is_recent(self.last_received.load(Ordering::Relaxed), millis(self.origin.elapsed()))
    }

    /// Returns a receiver that is notified when connectivity is confirmed for the first time, and whenever it
    /// is confirmed after a time in which it was not.
    pub(crate) fn subscribe_restored(&self) -> watch::Receiver<()> {
        self.restored.subscribe()
    }

    fn is_recent(&self, last_received: u64, now_ms: u64) -> bool {
        last_received > 0 && now_ms.saturating_sub(last_received - 1) <= self.valid_for_ms
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn received_data_confirms_connectivity_until_it_expires() {
        let connectivity = Connectivity::new(Duration::from_secs(5));
        let mut restored = connectivity.subscribe_restored();
        let mut was_restored = || {
            let was_restored = restored.has_changed().unwrap();
            restored.mark_unchanged();
            was_restored
        };
        assert!(!connectivity.is_confirmed() && !was_restored());
        connectivity.record_received();
        assert!(connectivity.is_confirmed() && was_restored());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(connectivity.is_confirmed());
        connectivity.record_received();
        assert!(!was_restored(), "connectivity was never lost");
        tokio::time::advance(Duration::from_millis(5_001)).await;
        assert!(!connectivity.is_confirmed());
        connectivity.record_received();
        assert!(connectivity.is_confirmed() && was_restored());
    }
}
