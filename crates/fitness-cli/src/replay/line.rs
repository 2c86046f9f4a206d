//! What a line of a trace may say: a moment, and the serialised form of an [`Event`].
//!
//! The form is serde's. It is read by hand because serde passes over unknown fields, and names
//! neither the field that is wrong nor the fields that there are.

use fitness_core::{ChannelOpened, Event, OpenChannel, Snapshot, Timestamp};

use super::object::Object;

const EVENTS: &str = "peer_online, peer_offline, channel_opened, channel_closed, funding_changed, \
                      channel_usable, watch, unwatch, snapshot, observation_paused, observation_resumed, \
                      unobserved, clock_set";

/// Why a line is no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LineError {
    /// It does not end.
    #[error("expected a line of at most {most} bytes")]
    TooLong {
        /// The longest line that is read.
        most: u64,
    },
    /// It is no text.
    #[error("expected UTF-8 text (or gzip), found byte 0x{byte:02x} at column {column}")]
    NotText {
        /// Where, in bytes from 1.
        column: usize,
        /// What stands there.
        byte: u8,
    },
    /// It is no JSON object.
    #[error("expected a JSON object: {problem} at column {column}")]
    NotJson {
        /// Where, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A field is missing.
    #[error("expected field `{field}`, which is missing{}", Found(found))]
    Missing {
        /// The field.
        field: String,
        /// The fields that are there and were not asked for yet.
        found: Vec<String>,
    },
    /// There is a field that does not belong there.
    #[error("unknown field `{field}`, expected only {}", Names(known))]
    Unknown {
        /// The field.
        field: String,
        /// The fields that belong there.
        known: Vec<&'static str>,
    },
    /// A field is of the wrong kind.
    #[error("field `{field}`: {problem}")]
    Field {
        /// The field.
        field: String,
        /// What was expected, and what was found.
        problem: String,
    },
}

impl LineError {
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        // serde_json counts lines within its text; ours is one line of a longer one.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string();
        let problem = problem.strip_suffix(&place).unwrap_or(&problem).to_owned();
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

struct Found<'a>(&'a [String]);

impl std::fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; found {}", Names(self.0)) }
    }
}

/// Reads one line.
///
/// # Errors
///
/// What was expected in place of what stands there.
pub(super) fn parse(text: &str) -> Result<(Timestamp, Event), LineError> {
    let mut object = Object::parse(text)?;
    let at = moment(&mut object, "at_ns")?;
    let event = event(&mut object)?;
    object.finish()?;
    Ok((at, event))
}

fn moment(object: &mut Object, name: &'static str) -> Result<Timestamp, LineError> {
    let value = object.value(name)?;
    value.as_u64().map(Timestamp::from_nanos).ok_or_else(|| {
        let problem = format!(
            "expected nanoseconds since 1970 as an integer from 0 to {}, found {}",
            u64::MAX,
            excerpt(&value.to_string())
        );
        object.wrong(name, problem)
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
        "unobserved" => Event::Unobserved { since: moment(object, "since_ns")? },
        "clock_set" => Event::ClockSet { to: moment(object, "to_ns")? },
        other => {
            return Err(
                object.wrong("event", format!("expected one of {EVENTS}; found `{}`", excerpt(other)))
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

/// As much of a foreign text as a message should hold.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
