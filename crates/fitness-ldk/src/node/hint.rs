//! Wakes the poll when LDK's log speaks of a connection. A hint, never the truth.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ldk_node::logger::{LogRecord, LogWriter};

use super::signal::Signal;

/// The module of LDK that logs connects and disconnects.
const MODULE: &str = "lightning::ln::channelmanager";
/// How the two messages begin; what follows is the peer's key.
const MESSAGES: [&str; 2] = ["Generating channel_reestablish events for ", "Marking channels with "];

/// A log writer that makes a [`NodeMonitor`](super::NodeMonitor) look at once when a peer connects
/// or disconnects, instead of at the end of its interval.
///
/// ldk-node has no callback for connections, but writes every log record, unfiltered, to the writer
/// given to `Builder::set_custom_logger`. Two of LDK's debug messages come at the right moments.
/// They do nothing but wake the monitor, which then asks the node: should LDK ever word them
/// differently, peers are noticed an interval later and nothing else changes.
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

    fn wake(&self) {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(signal) = signal {
            signal.wake();
        }
    }
}

impl LogWriter for ConnectionHint {
    /// LDK calls this with its locks held: it takes two short ones of ours, and leaves the asking to
    /// the thread that it wakes.
    fn log<'a>(&self, record: LogRecord<'a>) {
        if record.module_path == MODULE && MESSAGES.iter().any(|message| begins_with(record.args, message)) {
            self.wake();
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

/// Whether a message begins with a text, without formatting more of it than that takes.
fn begins_with(message: fmt::Arguments<'_>, text: &str) -> bool {
    struct Expected<'a>(&'a [u8]);

    impl Write for Expected<'_> {
        fn write_str(&mut self, found: &str) -> fmt::Result {
            let n = found.len().min(self.0.len());
            if found.as_bytes()[..n] == self.0[..n] {
                self.0 = &self.0[n..];
                // An error ends the formatting: the rest of the message does not matter.
                if self.0.is_empty() { Err(fmt::Error) } else { Ok(()) }
            } else {
                Err(fmt::Error)
            }
        }
    }

    let mut expected = Expected(text.as_bytes());
    let _ = expected.write_fmt(message);
    expected.0.is_empty()
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

    /// Whether the monitor would look now.
    fn woken(hint: &ConnectionHint, module_path: &str, args: fmt::Arguments<'_>) -> bool {
        let signal = Arc::new(Signal::default());
        hint.attach(&signal);
        log(hint, module_path, args);
        signal.take_woken()
    }

    #[test]
    fn ldks_two_messages_wake_and_no_others() {
        let hint = ConnectionHint::new();
        let key = "02aa";
        assert!(woken(&hint, MODULE, format_args!("Generating channel_reestablish events for {key}")));
        assert!(woken(&hint, MODULE, format_args!("Marking channels with {key} disconnected and …")));
        assert!(!woken(&hint, MODULE, format_args!("Generating {key}")));
        assert!(!woken(&hint, MODULE, format_args!("Generating channel_reestablish")));
        assert!(!woken(&hint, MODULE, format_args!("")));
        let elsewhere = "lightning::ln::peer_handler";
        assert!(!woken(&hint, elsewhere, format_args!("Marking channels with {key} disconnected")));
    }

    #[test]
    fn every_record_is_passed_on() {
        let inner = Arc::new(Counting::default());
        let hint = ConnectionHint::wrapping(inner.clone());
        log(&hint, MODULE, format_args!("Marking channels with {} disconnected", "02aa"));
        log(&hint, "elsewhere", format_args!("anything"));
        assert_eq!(inner.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_monitor_that_is_gone_is_not_woken() {
        let hint = ConnectionHint::new();
        let signal = Arc::new(Signal::default());
        hint.attach(&signal);
        drop(signal);
        log(&hint, MODULE, format_args!("Marking channels with {} disconnected", "02aa"));
    }

    #[test]
    fn a_message_is_not_formatted_further_than_needed() {
        struct Fails;
        impl fmt::Display for Fails {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("formatted")
            }
        }
        assert!(begins_with(format_args!("Marking channels with {Fails}"), MESSAGES[1]));
        assert!(!begins_with(format_args!("Something else {Fails}"), MESSAGES[1]));
    }
}
