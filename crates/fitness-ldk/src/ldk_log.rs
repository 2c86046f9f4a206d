//! Recognises the few messages in LDK's log that report something LDK has no event or callback for.
//!
//! Messages are recognised by their first words. If a later LDK version words them differently, they
//! are ignored, as if LDK had no log.

use std::fmt::{self, Write};

/// What a message in LDK's log reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogSignal {
    /// A peer connected or disconnected, or a channel was re-established after its peer reconnected.
    ConnectionChanged,
    /// LDK was stalled for at least a second and is about to drop all its connections.
    Stalled,
}

/// The LDK module, the first words of the message, and what it reports. The rest of the message is a
/// public key or a channel id.
const SIGNALS: [(&str, &str, LogSignal); 4] = [
    (
        "lightning::ln::channelmanager",
        "Generating channel_reestablish events for ",
        LogSignal::ConnectionChanged,
    ),
    ("lightning::ln::channelmanager", "Marking channels with ", LogSignal::ConnectionChanged),
    ("lightning::ln::channel", "Reconnected channel ", LogSignal::ConnectionChanged),
    ("lightning_background_processor", "100ms sleep took more than a second", LogSignal::Stalled),
];

/// The shortest stall that LDK's background processor reports, in nanoseconds.
pub(crate) const MIN_STALL_NS: u64 = 1_000_000_000;

/// Returns what a record of LDK's log reports, if it is one of the known messages. Any other record
/// costs a comparison or two.
pub(crate) fn recognize(module_path: &str, message: fmt::Arguments<'_>) -> Option<LogSignal> {
    let matches = |(module, beginning, _): &&(&str, &str, LogSignal)| {
        module_path == *module && starts_with(message, beginning)
    };
    SIGNALS.iter().find(matches).map(|(_, _, signal)| *signal)
}

/// Returns whether a message starts with `text`. Formats no more of the message than necessary.
fn starts_with(message: fmt::Arguments<'_>, text: &str) -> bool {
    struct Expected<'a>(&'a [u8]);

    impl Write for Expected<'_> {
        fn write_str(&mut self, found: &str) -> fmt::Result {
            let n = found.len().min(self.0.len());
            if found.as_bytes()[..n] == self.0[..n] {
                self.0 = &self.0[n..];
                // An error ends the formatting: the rest of the message is not needed.
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

    const MANAGER: &str = "lightning::ln::channelmanager";

    fn recognize_text(module_path: &str, message: &str) -> Option<LogSignal> {
        recognize(module_path, format_args!("{message}"))
    }

    #[test]
    fn only_known_messages_are_recognized() {
        let disconnected = "Marking channels with 02aa disconnected and generating channel_updates.";
        assert_eq!(recognize_text(MANAGER, disconnected), Some(LogSignal::ConnectionChanged));
        let connected = "Generating channel_reestablish events for 02aa";
        assert_eq!(recognize_text(MANAGER, connected), Some(LogSignal::ConnectionChanged));
        let reestablished = "Reconnected channel 09af with no loss";
        let channel = "lightning::ln::channel";
        assert_eq!(recognize_text(channel, reestablished), Some(LogSignal::ConnectionChanged));
        let stalled = "100ms sleep took more than a second, disconnecting peers.";
        assert_eq!(recognize_text("lightning_background_processor", stalled), Some(LogSignal::Stalled));

        assert_eq!(recognize_text(MANAGER, "Generating 02aa"), None);
        assert_eq!(recognize_text(MANAGER, "Generating channel_reestablish"), None);
        assert_eq!(recognize_text(MANAGER, ""), None);
        assert_eq!(recognize_text("lightning::ln::peer_handler", disconnected), None);
        assert_eq!(recognize_text(MANAGER, stalled), None);
    }

    #[test]
    fn message_written_in_pieces_is_recognized() {
        let message = format_args!("Marking {} with {}", "channels", 7);
        assert_eq!(recognize(MANAGER, message), Some(LogSignal::ConnectionChanged));
    }

    #[test]
    fn rest_of_message_is_not_formatted() {
        struct PanicsWhenFormatted;
        impl fmt::Display for PanicsWhenFormatted {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("formatted")
            }
        }
        let text = "Marking channels with ";
        assert!(starts_with(format_args!("Marking channels with {PanicsWhenFormatted}"), text));
        assert!(!starts_with(format_args!("Something else {PanicsWhenFormatted}"), text));
    }
}
