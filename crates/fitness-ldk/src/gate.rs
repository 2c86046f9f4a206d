//! Keeps a list of channels from undoing what an event said while the list was being made.
//!
//! A channel that closes between the listing and its recording would otherwise be opened anew. For
//! peers a snapshot's `taken_at` does the same; it cannot do it for channels that are gone.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts the channel events that were recorded, and lets a listing through only if there were none
/// since it began.
///
/// Its lock is held while a handle's `record` runs and never while LDK is called, so that no order
/// of locks can go wrong.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<u64>);

impl Gate {
    /// How many events have passed: to be read before a listing begins.
    pub(crate) fn passed(&self) -> u64 {
        *self.lock()
    }

    /// Records an event.
    pub(crate) fn event(&self, record: impl FnOnce()) {
        let mut passed = self.lock();
        record();
        *passed += 1;
    }

    /// Records a listing unless an event overtook it, and says whether it did record.
    pub(crate) fn listing(&self, passed: u64, record: impl FnOnce()) -> bool {
        let now = self.lock();
        if *now != passed {
            return false;
        }
        record();
        true
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A counter is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_bars_the_listings_that_began_before_it() {
        let gate = Gate::default();
        let before = gate.passed();
        assert!(gate.listing(before, || ()));
        gate.event(|| ());
        assert!(!gate.listing(before, || panic!("overtaken")));
        assert!(gate.listing(gate.passed(), || ()));
    }
}
