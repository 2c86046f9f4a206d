//! What LDK's log gives away that LDK tells nobody: a handful of messages, known by their beginnings.
//!
//! Should LDK word them differently they are not recognised, and everything is as it is without a log.

use std::fmt::{self, Write};

/// What a message of LDK's log is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A peer connects or disconnects, or a channel is usable again after its peer came back.
    Connection,
    /// LDK itself was held up, for a second at least, and is about to drop all its connections.
    HeldUp,
}

/// The modules of LDK, and how their messages begin. What follows is a key or a channel's id.
const SIGNS: [(&str, &str, Sign); 4] = [
    ("lightning::ln::channelmanager", "Generating channel_reestablish events for ", Sign::Connection),
    ("lightning::ln::channelmanager", "Marking channels with ", Sign::Connection),
    ("lightning::ln::channel", "Reconnected channel ", Sign::Connection),
    ("lightning_background_processor", "100ms sleep took more than a second", Sign::HeldUp),
];

/// How long LDK's background processor was held up at least when it says so, in nanoseconds.
pub(crate) const HELD_UP_NS: u64 = 1_000_000_000;

/// What a record of LDK's log is a sign of. All others cost a comparison or two.
pub(crate) fn sign(module_path: &str, message: fmt::Arguments<'_>) -> Option<Sign> {
    let is_it = |(module, beginning, _): &&(&str, &str, Sign)| {
        module_path == *module && begins_with(message, beginning)
    };
    SIGNS.iter().find(is_it).map(|(_, _, sign)| *sign)
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

    const MANAGER: &str = "lightning::ln::channelmanager";

    fn said(module_path: &str, message: &str) -> Option<Sign> {
        sign(module_path, format_args!("{message}"))
    }

    #[test]
    fn ldks_messages_are_recognised_and_no_others() {
        let goes = "Marking channels with 02aa disconnected and generating channel_updates.";
        assert_eq!(said(MANAGER, goes), Some(Sign::Connection));
        let comes = "Generating channel_reestablish events for 02aa";
        assert_eq!(said(MANAGER, comes), Some(Sign::Connection));
        let is_back = "Reconnected channel 09af with no loss";
        assert_eq!(said("lightning::ln::channel", is_back), Some(Sign::Connection));
        let held_up = "100ms sleep took more than a second, disconnecting peers.";
        assert_eq!(said("lightning_background_processor", held_up), Some(Sign::HeldUp));

        assert_eq!(said(MANAGER, "Generating 02aa"), None);
        assert_eq!(said(MANAGER, "Generating channel_reestablish"), None);
        assert_eq!(said(MANAGER, ""), None);
        assert_eq!(said("lightning::ln::peer_handler", goes), None);
        assert_eq!(said(MANAGER, held_up), None);
    }

    #[test]
    fn a_message_in_parts_is_put_together() {
        assert_eq!(sign(MANAGER, format_args!("Marking {} with {}", "channels", 7)), Some(Sign::Connection));
    }

    #[test]
    fn a_message_is_not_formatted_further_than_needed() {
        struct Fails;
        impl fmt::Display for Fails {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("formatted")
            }
        }
        let text = "Marking channels with ";
        assert!(begins_with(format_args!("Marking channels with {Fails}"), text));
        assert!(!begins_with(format_args!("Something else {Fails}"), text));
    }
}
