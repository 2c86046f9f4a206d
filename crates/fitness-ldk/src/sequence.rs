//! Prevents a snapshot from undoing a channel event that was recorded while the snapshot was taken.
//!
//! A channel that closes after it was listed and before the list is recorded would otherwise be
//! opened again. For peers, `Snapshot::taken_at` has the same purpose; it cannot protect channels
//! that are already closed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts the recorded channel events, and records a snapshot only if no event was recorded since the
/// snapshot was begun.
///
/// The lock is held while `Handle::record` runs and never while LDK is called, so it cannot take part
/// in a deadlock.
#[derive(Debug, Default)]
pub(crate) struct EventSequence(Mutex<u64>);

impl EventSequence {
    /// Returns the number of events recorded so far. Read it before taking a snapshot.
    pub(crate) fn number(&self) -> u64 {
        *self.lock()
    }

    /// Records an event.
    pub(crate) fn record_event(&self, record: impl FnOnce()) {
        let mut number = self.lock();
        record();
        *number += 1;
    }

    /// Records a snapshot if the sequence number is still `number`; returns whether it was recorded.
    pub(crate) fn record_snapshot(&self, number: u64, record: impl FnOnce()) -> bool {
        let current = self.lock();
        if *current != number {
            return false;
        }
        record();
        true
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A panic elsewhere cannot leave a counter in an invalid state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_begun_before_an_event_is_not_recorded() {
        let sequence = EventSequence::default();
        let before = sequence.number();
        assert!(sequence.record_snapshot(before, || ()));
        sequence.record_event(|| ());
        assert!(!sequence.record_snapshot(before, || panic!("recorded a stale snapshot")));
        assert!(sequence.record_snapshot(sequence.number(), || ()));
    }
}
