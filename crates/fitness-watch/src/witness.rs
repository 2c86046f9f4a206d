//! Whether our own network works: it does while a node that has proved who it is says something.
//!
//! The service finds out when nearly all connections are lost at once. It cannot find out that a dial
//! failed because we could not have reached anybody: this can. And it knows when our network is back,
//! which is when everybody is to be dialled: the service does not wait for them for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When anything was last heard of a node that is connected.
#[derive(Debug)]
pub(crate) struct Witness {
    origin: Instant,
    /// For how long what was heard proves that our network works.
    evidence_ms: u64,
    /// Milliseconds from `origin`, plus one; 0 while nothing was.
    heard: AtomicU64,
    returns: watch::Sender<()>,
}

impl Witness {
    /// What was heard is evidence for the time given.
    pub(crate) fn new(evidence: Duration) -> Self {
        Self {
            origin: Instant::now(),
            evidence_ms: millis(evidence),
            heard: AtomicU64::new(0),
            returns: watch::Sender::new(()),
        }
    }

    /// A node said something.
    pub(crate) fn hear(&self) {
        let now_ms = millis(self.origin.elapsed());
        let before = self.heard.fetch_max(now_ms.saturating_add(1), Ordering::Relaxed);
        if !self.is_evidence(before, now_ms) {
            tracing::debug!("somebody is heard of again");
            self.returns.send_replace(());
        }
    }

    /// Whether our network works.
    pub(crate) fn is_fine(&self) -> bool {
        self.is_evidence(self.heard.load(Ordering::Relaxed), millis(self.origin.elapsed()))
    }

    /// Tells when somebody is heard of for the first time, or again after nobody was for too long for us
    /// to be fine.
    pub(crate) fn returns(&self) -> watch::Receiver<()> {
        self.returns.subscribe()
    }

    fn is_evidence(&self, heard: u64, now_ms: u64) -> bool {
        heard > 0 && now_ms.saturating_sub(heard - 1) <= self.evidence_ms
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_is_evidence_for_a_while_and_news_after_that() {
        let witness = Witness::new(Duration::from_secs(5));
        let mut returns = witness.returns();
        let mut is_back = || {
            let is_back = returns.has_changed().unwrap();
            returns.mark_unchanged();
            is_back
        };
        assert!(!witness.is_fine() && !is_back(), "nothing was");
        witness.hear();
        assert!(witness.is_fine() && is_back());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(witness.is_fine());
        witness.hear();
        assert!(!is_back(), "it was never gone");
        tokio::time::advance(Duration::from_millis(5_001)).await;
        assert!(!witness.is_fine());
        witness.hear();
        assert!(witness.is_fine() && is_back());
    }
}
