//! Wakes the polling thread when LDK logs a connection change or a stall.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ldk_node::logger::{LogRecord, LogWriter};

use super::signal::Signal;
use crate::ldk_log::{self, LogSignal};

/// A log writer that makes a [`NodeMonitor`](super::NodeMonitor) poll the node as soon as a peer
/// connects or disconnects, instead of at the end of its interval.
///
/// ldk-node has no callback for connections, but passes every log record, unfiltered, to the writer
/// given to `Builder::set_custom_logger`. LDK logs three debug messages at the right moments. They only
/// wake the monitor, which then polls the node: if a later LDK version words them differently, changes
/// are noticed one interval later, and nothing else changes.
///
/// A fourth message, at trace level, reports that LDK was stalled for a second or more and is about to
/// drop all its connections. The monitor attributes these disconnects to us, however few they are: see
/// [`NodeMonitor`](super::NodeMonitor).
///
/// The hint forwards every record to an inner writer if it has one. Otherwise it drops the records,
/// because a node has only one logger.
#[derive(Default)]
pub struct ConnectionHint {
    inner: Option<Arc<dyn LogWriter>>,
    /// Wakes the monitor that was started with this hint, as long as that monitor exists.
    signal: Mutex<Weak<Signal>>,
}

impl ConnectionHint {
    /// Creates a hint that drops all records.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Creates a hint that forwards all records to `inner`.
    #[must_use]
    pub fn wrapping(inner: Arc<dyn LogWriter>) -> Arc<Self> {
        Arc::new(Self { inner: Some(inner), signal: Mutex::default() })
    }

    pub(super) fn attach(&self, signal: &Arc<Signal>) {
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(signal);
    }

    fn notify(&self, log_signal: LogSignal) {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        match (signal, log_signal) {
            (Some(signal), LogSignal::ConnectionChanged) => signal.wake(),
            (Some(signal), LogSignal::Stalled) => signal.report_stall(),
            (None, _) => {}
        }
    }
}

impl LogWriter for ConnectionHint {
    /// LDK calls this with its locks held. It takes two locks briefly and leaves the polling to the
    /// monitor's thread.
    fn log<'a>(&self, record: LogRecord<'a>) {
        if let Some(log_signal) = ldk_log::recognize(record.module_path, record.args) {
            self.notify(log_signal);
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
    struct CountingWriter(AtomicUsize);

    impl LogWriter for CountingWriter {
        fn log<'a>(&self, _: LogRecord<'a>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn log(hint: &ConnectionHint, module_path: &str, args: fmt::Arguments<'_>) {
        hint.log(LogRecord { level: LogLevel::Debug, args, module_path, line: 1 });
    }

    const MANAGER: &str = "lightning::ln::channelmanager";

    #[test]
    fn connection_changes_wake_and_stalls_are_reported() {
        let (hint, signal) = (ConnectionHint::new(), Arc::<Signal>::default());
        hint.attach(&signal);
        log(&hint, MANAGER, format_args!("Generating {}", "02aa"));
        assert!(!signal.take_woken());
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
        assert!(signal.take_woken() && !signal.take_stall_report());
        let stalled = "100ms sleep took more than a second, disconnecting peers.";
        log(&hint, "lightning_background_processor", format_args!("{stalled}"));
        assert!(signal.take_woken() && signal.take_stall_report());
    }

    #[test]
    fn every_record_is_forwarded() {
        let inner = Arc::new(CountingWriter::default());
        let hint = ConnectionHint::wrapping(inner.clone());
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
        log(&hint, "elsewhere", format_args!("anything"));
        assert_eq!(inner.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn dropped_monitor_is_not_woken() {
        let hint = ConnectionHint::new();
        let signal = Arc::new(Signal::default());
        hint.attach(&signal);
        drop(signal);
        log(&hint, MANAGER, format_args!("Marking channels with {} disconnected", "02aa"));
    }
}
