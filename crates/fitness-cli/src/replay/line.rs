//! Parses a line of a trace: a time and the serialised form of an [`Event`].
//!
//! The format is serde's. It is parsed by hand because serde ignores unknown fields and its errors name neither
//! the invalid field nor the expected ones.

use fitness_core::{ChannelOpened, Event, OpenChannel, Snapshot, Timestamp};

use super::object::Object;

const EVENTS: &str = "peer_online, peer_offline, channel_opened, channel_closed, funding_changed, \
                      channel_usable, watch, unwatch, snapshot, observation_paused, observation_resumed, \
                      unobserved, clock_set";

/// The reason why a line is not a valid event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LineError {
    /// The line is too long.
    #[error("line too long: expected at most {max} bytes")]
    TooLong {
        /// The maximum length in bytes.
        max: u64,
    },
    /// The line is not UTF-8.
    #[error("expected UTF-8 text or gzip data, found byte 0x{byte:02x} at column {column}")]
    NotText {
        /// The position of the first invalid byte, from 1.
        column: usize,
        /// The byte.
        byte: u8,
    },
    /// The line is not a JSON object.
    #[error("expected a JSON object: {problem} at column {column}")]
    NotJson {
        /// The position of the problem, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A field is missing.
    #[error("missing field `{field}`{}", FoundFields(found))]
    Missing {
        /// The field.
        field: String,
        /// The fields that were found and not read yet.
        found: Vec<String>,
    },
    /// A field is unknown.
    #[error("unknown field `{field}`: expected only {}", Names(expected))]
    Unknown {
        /// The field.
        field: String,
        /// The allowed fields.
        expected: Vec<&'static str>,
    },
    /// A field has an invalid value.
    #[error("field `{field}`: {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with the value.
        problem: String,
    },
}

impl LineError {
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        // serde_json reports the position within this one line. Its line number would be misleading.
        let position = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string();
        let problem = problem.strip_suffix(&position).unwrap_or(&problem).to_owned();
        Self::NotJson { column: error.column(), problem }
    }
}

struct Names<'a, T>(&'a [T]);

impl<T: std::fmt::Display> std::fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct FoundFields<'a>(&'a [String]);

impl std::fmt::Display for FoundFields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; found {}", Names(self.0)) }
    }
}

/// Parses one line.
///
/// # Errors
///
/// [`LineError`] if the line is not a JSON object with exactly the fields of its event.
pub(super) fn parse(text: &str) -> Result<(Timestamp, Event), LineError> {
    let mut object = Object::parse(text)?;
    let at = timestamp(&mut object, "at_ns")?;
    let event = event(&mut object)?;
    object.finish()?;
    Ok((at, event))
}

fn timestamp(object: &mut Object, name: &'static str) -> Result<Timestamp, LineError> {
    let value = object.value(name)?;
    value.as_u64().map(Timestamp::from_nanos).ok_or_else(|| {
        let problem = format!(
            "expected nanoseconds since 1970 as an integer from 0 to {}, found {}",
            u64::MAX,
            excerpt(&value.to_string())
        );
        object.invalid(name, problem)
    })
}

fn event(object: &mut Object) -> Result<Event, LineError> {
    let name: String = object.required("event")?;
    Ok(match name.as_str() {
        "peer_online" => Event::PeerOnline { node_id: object.required("node_id")? },
        "peer_offline" => Event::PeerOffline { node_id: object.required("node_id")? },
        "channel_opened" => Event::ChannelOpened(ChannelOpened {
            channel_id: object.required("channel_id")?,
            node_id: object.required("node_id")?,
            funding: object.optional("funding")?,
            online: object.optional("online")?,
        }),
        "channel_closed" => Event::ChannelClosed { channel_id: object.required("channel_id")? },
        "funding_changed" => Event::FundingChanged {
            channel_id: object.required("channel_id")?,
            funding: object.required("funding")?,
        },
        "channel_usable" => Event::ChannelUsable {
            channel_id: object.required("channel_id")?,
            usable: object.required("usable")?,
        },
        "watch" => Event::Watch { node_id: object.required("node_id")? },
        "unwatch" => Event::Unwatch { node_id: object.required("node_id")? },
        "snapshot" => Event::Snapshot(Snapshot {
            channels: object.objects("channels", open_channel)?,
            connected: object.required("connected")?,
            taken_at: object.optional("taken_at_ns")?,
        }),
        "observation_paused" => Event::ObservationPaused,
        "observation_resumed" => Event::ObservationResumed,
        "unobserved" => Event::Unobserved { since: timestamp(object, "since_ns")? },
        "clock_set" => Event::ClockSet { to: timestamp(object, "to_ns")? },
        other => {
            return Err(
                object.invalid("event", format!("expected one of {EVENTS}; found `{}`", excerpt(other)))
            );
        }
    })
}

fn open_channel(mut object: Object) -> Result<OpenChannel, LineError> {
    let channel = OpenChannel {
        channel_id: object.required("channel_id")?,
        node_id: object.required("node_id")?,
        funding: object.optional("funding")?,
        usable: object.optional("usable")?,
    };
    object.finish()?;
    Ok(channel)
}

/// Shortens input text for use in a message.
fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
