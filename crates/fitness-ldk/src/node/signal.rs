//! Wakes and stops the polling thread, and passes a stall report to it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the polling thread sleeps on. The lock is only held to read or set a few flags.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    flags: Mutex<Flags>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stall_reported: bool,
    stopped: bool,
}

impl Signal {
    /// Ends the current sleep, or the next one if the thread is not sleeping.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    /// Reports that LDK was stalled and is about to drop its connections, and wakes the thread.
    pub(crate) fn report_stall(&self) {
        let mut flags = self.lock();
        (flags.woken, flags.stall_reported) = (true, true);
        drop(flags);
        self.changed.notify_all();
    }

    /// Returns whether LDK reported a stall since the last call.
    pub(crate) fn take_stall_report(&self) -> bool {
        std::mem::take(&mut self.lock().stall_reported)
    }

    /// Ends the current sleep and all later ones.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Sleeps until woken, but at least for `min` and at most for `max`. Returns `false` if stopped.
    ///
    /// The minimum limits the cost when many peers connect at once.
    pub(crate) fn sleep(&self, min: Duration, max: Duration) -> bool {
        let flags = self.wait(self.lock(), min, |flags| !flags.stopped);
        let remaining = max.saturating_sub(min);
        let mut flags = self.wait(flags, remaining, |flags| !flags.stopped && !flags.woken);
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
        timeout: Duration,
        keep_sleeping: impl Fn(&Flags) -> bool,
    ) -> MutexGuard<'a, Flags> {
        self.changed
            .wait_timeout_while(flags, timeout, |flags| keep_sleeping(flags))
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
    fn wake_ends_exactly_one_later_sleep() {
        let signal = Signal::default();
        signal.wake();
        signal.wake();
        assert!(signal.sleep(Duration::ZERO, NEVER));
        assert!(!signal.lock().woken);
        assert!(signal.sleep(Duration::ZERO, Duration::from_millis(1)), "ended by its timeout");
    }

    #[test]
    fn sleeping_thread_can_be_woken_and_stopped() {
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
    fn stop_ends_the_minimum_sleep() {
        let signal = Signal::default();
        signal.wake();
        signal.stop();
        assert!(!signal.sleep(NEVER, NEVER));
    }
}
