//! Whether our own network works: it does while a node that has proved who it is says something.
//!
//! The service finds out when nearly all connections are lost at once. It cannot find out that a dial
//! failed because we could not have reached anybody: this can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When anything was last heard of a node that is connected.
#[derive(Debug)]
pub(crate) struct Witness {
    origin: Instant,
    /// Milliseconds from `origin`, plus one; 0 while nothing was.
    heard: AtomicU64,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), heard: AtomicU64::new(0) }
    }

    /// A node said something.
    pub(crate) fn hear(&self) {
        self.heard.fetch_max(self.now_ms() + 1, Ordering::Relaxed);
    }

    /// Whether one did within the last `time`.
    pub(crate) fn heard_within(&self, time: Duration) -> bool {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self.heard.load(Ordering::Relaxed) {
            0 => false,
            heard => self.now_ms().saturating_sub(heard - 1) <= time_ms,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_is_evidence_for_a_while() {
        let witness = Witness::new();
        assert!(!witness.heard_within(Duration::MAX), "nothing was");
        witness.hear();
        assert!(witness.heard_within(Duration::ZERO));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(witness.heard_within(Duration::from_secs(5)));
        assert!(!witness.heard_within(Duration::from_millis(4_999)));
    }
}
