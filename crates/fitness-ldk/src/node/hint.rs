//! Wakes the poll when LDK's log speaks of a connection, or of itself. A hint, never the truth.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ldk_node::logger::{LogRecord, LogWriter};

use super::signal::Signal;
use crate::log::{self, Sign};

/// A log writer that makes a [`NodeMonitor`](super::NodeMonitor) look at once when a peer connects
/// or disconnects, instead of at the end of its interval.
///
/// ldk-node has no callback for connections, but writes every log record, unfiltered, to the writer
/// given to `Builder::set_custom_logger`. Three of LDK's debug messages come at the right moments.
/// They do nothing but wake the monitor, which then asks the node: should LDK ever word them
/// differently, peers are noticed an interval later and nothing else changes.
///
/// A fourth, at the level of traces, says that LDK was held up for a second or more and is about to drop
/// all its connections for that. The monitor takes it that these losses are our own, however few they
/// are: see [`NodeMonitor`](super::NodeMonitor).
///
/// All records are passed on to an inner writer, where there is one. Without one they are dropped:
/// a node has only one logger.
#[derive(Default)]
pub struct ConnectionHint {
    inner: Option<Arc<dyn LogWriter>>,
    /// The monitor to wake, from when it starts until it is gone.
    signal: Mutex<Weak<Signal>>,
}

impl ConnectionHint {
    /// A hint that drops all records.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A hint that passes all records on to `inner`.
    #[must_use]
    pub fn wrapping(inner: Arc<dyn LogWriter>) -> Arc<Self> {
        Arc::new(Self { inner: Some(inner), signal: Mutex::default() })
    }

    pub(super) fn attach(&self, signal: &Arc<Signal>) {
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(signal);
    }

    fn tell(&self, sign: Sign) {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        match (signal, sign) {
            (Some(signal), Sign::Connection) => signal.wake(),
            (Some(signal), Sign::HeldUp) => signal.held_up(),
            (None, _) => {}
        }
    }
}

impl LogWriter for ConnectionHint {
    /// LDK calls this with its locks held: it takes two short ones of ours, and leaves the asking to
    /// the thread that it wakes.
    fn log<'a>(&self, record: LogRecord<'a>) {
        if let Some(sign) = log::sign(record.module_path, record.args) {
            self.tell(sign);
        }
        if let Some(inner) = &self.inner {
            inner.log(record);
        }
    }
}

impl fmt::Debug for ConnectionHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHint").field("inner", &self.inner.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldk_node::logger::LogLevel;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl LogWriter for Counting {
        fn log<'a>(&self, _: LogRecord<'a>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn log(hint: &ConnectionHint, module_path: &str, args: fmt::Arguments<'_>) {
        hint.log(LogRecord { level: LogLevel::Debug, args, module_path, line: 1 });
    }

    const MANAGER: &str = "lightning::ln::channelmanager";

    #[test]
    fn what_ldk_says_of_connections_wakes_and_what_it_says_of_itself_is_kept_as_well() {
        let (hint, signal) = (ConnectionHint::new(), Arc::<Signal>::default());
        hint.attach(&signal);
        log(&hint, MANAGER, format_args!("Generating {}", "02aa"));
        assert!(!signal.take_woken());
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
        assert!(signal.take_woken() && !signal.take_held_up());
        let held_up = "100ms sleep took more than a second, disconnecting peers.";
        log(&hint, "lightning_background_processor", format_args!("{held_up}"));
        assert!(signal.take_woken() && signal.take_held_up());
    }

    #[test]
    fn every_record_is_passed_on() {
        let inner = Arc::new(Counting::default());
        let hint = ConnectionHint::wrapping(inner.clone());
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
        log(&hint, "elsewhere", format_args!("anything"));
        assert_eq!(inner.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_monitor_that_is_gone_is_not_woken() {
        let hint = ConnectionHint::new();
        let signal = Arc::new(Signal::default());
        hint.attach(&signal);
        drop(signal);
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
    }
}
