//! Wakes and stops the polling thread, and leaves it a word.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a polling thread sleeps on. Its lock is held for a look at a few flags, never longer.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    flags: Mutex<Flags>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    held_up: bool,
    stopped: bool,
}

impl Signal {
    /// Ends the present sleep, or else the next one before it begins.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    /// LDK was held up, and is about to drop its connections. Wakes, too.
    pub(crate) fn held_up(&self) {
        let mut flags = self.lock();
        (flags.woken, flags.held_up) = (true, true);
        drop(flags);
        self.changed.notify_all();
    }

    /// Whether LDK was held up since the last call.
    pub(crate) fn take_held_up(&self) -> bool {
        std::mem::take(&mut self.lock().held_up)
    }

    /// Ends all sleep for good.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Sleeps until woken, but at least `rest` and at most `interval`; returns whether to go on.
    ///
    /// The rest is what bounds the cost when a thousand peers connect at once.
    pub(crate) fn sleep(&self, rest: Duration, interval: Duration) -> bool {
        let flags = self.wait(self.lock(), rest, |flags| !flags.stopped);
        let more = interval.saturating_sub(rest);
        let mut flags = self.wait(flags, more, |flags| !flags.stopped && !flags.woken);
        flags.woken = false;
        !flags.stopped
    }

    #[cfg(test)]
    pub(crate) fn take_woken(&self) -> bool {
        std::mem::take(&mut self.lock().woken)
    }

    fn wait<'a>(
        &self,
        flags: MutexGuard<'a, Flags>,
        at_most: Duration,
        asleep: impl Fn(&Flags) -> bool,
    ) -> MutexGuard<'a, Flags> {
        self.changed
            .wait_timeout_while(flags, at_most, |flags| asleep(flags))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const NEVER: Duration = Duration::from_secs(3600);

    #[test]
    fn a_wake_is_kept_for_the_next_sleep_and_spent_by_it() {
        let signal = Signal::default();
        signal.wake();
        signal.wake();
        assert!(signal.sleep(Duration::ZERO, NEVER));
        assert!(signal.sleep(Duration::ZERO, Duration::from_millis(1)), "ends by itself");
    }

    #[test]
    fn a_sleeper_is_woken_and_stopped_from_elsewhere() {
        let signal = Arc::new(Signal::default());
        let sleeper = Arc::clone(&signal);
        let (woke, wakes) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            while sleeper.sleep(Duration::ZERO, NEVER) {
                woke.send(()).unwrap();
            }
        });
        signal.wake();
        wakes.recv().unwrap();
        signal.stop();
        thread.join().unwrap();
    }

    #[test]
    fn stop_outranks_the_rest() {
        let signal = Signal::default();
        signal.wake();
        signal.stop();
        assert!(!signal.sleep(NEVER, NEVER));
    }
}
