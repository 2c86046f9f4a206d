//! What lncli prints of peers and channels.
//!
//! lncli prints 64-bit integers as strings and others as numbers; both are read everywhere. What is
//! not needed is passed over: what lnd prints changes with every release.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use fitness_core::{ChannelId, NodeId, OutPoint, ParseIdError, Timestamp};
use serde_json::{Map, Value};

use super::error::{EntryError, LndError};
use crate::error::CliError;
use crate::moment::rfc3339;
use crate::output::humanise;

const LIST_PEERS: &str = "lncli listpeers";
const LIST_CHANNELS: &str = "lncli listchannels";
const SECOND_NS: u64 = 1_000_000_000;

/// What lnd told.
#[derive(Debug)]
pub(super) struct Lists {
    /// When.
    pub(super) at: Timestamp,
    /// Those that were connected then.
    pub(super) peers: BTreeMap<NodeId, Flaps>,
    /// Those that were open.
    pub(super) channels: BTreeMap<OutPoint, LndChannel>,
}

/// What lnd counts of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaps {
    /// Cooled down as of the last one.
    pub(super) count: u32,
    /// How long ago that was; `None` where there was none.
    pub(super) last_ago_ns: Option<u64>,
}

impl Flaps {
    /// Whether there is nothing to take over.
    pub(super) fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What lnd tells of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LndChannel {
    pub(super) node_id: NodeId,
    pub(super) channel_id: ChannelId,
    pub(super) lifetime_ns: u64,
    /// As it was told: it may be more than the lifetime.
    pub(super) uptime_ns: u64,
}

impl Lists {
    /// Lists of that moment, empty yet.
    pub(super) const fn at(at: Timestamp) -> Self {
        Self { at, peers: BTreeMap::new(), channels: BTreeMap::new() }
    }

    /// Adds what is in a file, or in standard input for `-`: one or more of lncli's answers.
    ///
    /// # Errors
    ///
    /// [`CliError::Open`] for a file that cannot be read, or [`LndError`].
    pub(super) fn read(&mut self, path: &Path) -> Result<(), CliError> {
        if path.as_os_str() == "-" {
            return self.read_from(io::stdin().lock(), "standard input");
        }
        let file = path.display().to_string();
        match File::open(path) {
            Ok(input) => self.read_from(input, &file),
            Err(source) => Err(CliError::Open { file, source }),
        }
    }

    fn read_from(&mut self, input: impl Read, file: &str) -> Result<(), CliError> {
        let answers = serde_json::Deserializer::from_reader(BufReader::new(input)).into_iter::<Value>();
        let mut is_empty = true;
        for answer in answers {
            let file = file.to_owned();
            match answer {
                Ok(answer) => self.add(&answer, &file)?,
                Err(error) if error.is_io() => return Err(CliError::Open { file, source: error.into() }),
                Err(source) => return Err(LndError::NotJson { file, source }.into()),
            }
            is_empty = false;
        }
        if is_empty { Err(LndError::Empty { file: file.to_owned() }.into()) } else { Ok(()) }
    }

    fn add(&mut self, answer: &Value, file: &str) -> Result<(), LndError> {
        let list = |name| answer.get(name).and_then(Value::as_array);
        let (peers, channels) = (list("peers"), list("channels"));
        if peers.is_none() && channels.is_none() {
            return Err(LndError::Kind { file: file.to_owned(), found: kind_of(answer) });
        }
        for (place, entry) in peers.into_iter().flatten().enumerate() {
            self.add_peer(entry)
                .map_err(|source| in_file(file, "peers", place, entry.get("pub_key"), source))?;
        }
        for (place, entry) in channels.into_iter().flatten().enumerate() {
            self.add_channel(entry)
                .map_err(|source| in_file(file, "channels", place, entry.get("channel_point"), source))?;
        }
        Ok(())
    }

    fn add_peer(&mut self, entry: &Value) -> Result<(), EntryError> {
        let entry = Entry::new(entry, LIST_PEERS)?;
        let node_id = entry.id("pub_key")?;
        let count = entry.number("flap_count", "flaps", u32::MAX.into())?;
        let last_ns = entry.number("last_flap_ns", "nanoseconds", u64::MAX)?;
        let last_ago_ns = match self.at.as_nanos().checked_sub(last_ns) {
            _ if last_ns == 0 => None,
            Some(ago_ns) => Some(ago_ns),
            None => {
                let flap = rfc3339(Timestamp::from_nanos(last_ns));
                return Err(EntryError::Later { flap, at: rfc3339(self.at) });
            }
        };
        let flaps = Flaps { count: u32::try_from(count).unwrap_or(u32::MAX), last_ago_ns };
        once(&mut self.peers, node_id, flaps)
    }

    fn add_channel(&mut self, entry: &Value) -> Result<(), EntryError> {
        let entry = Entry::new(entry, LIST_CHANNELS)?;
        let node_id = entry.id("remote_pubkey")?;
        let funding: OutPoint = entry.id("channel_point")?;
        let most = u64::MAX / SECOND_NS;
        let lifetime = entry.number("lifetime", "seconds", most)?;
        let uptime = entry.number("uptime", "seconds", most)?;
        let lifetime_ns = lifetime * SECOND_NS;
        if lifetime_ns > self.at.as_nanos() {
            return Err(EntryError::TooLong { secs: lifetime, at: rfc3339(self.at) });
        }
        let channel_id = channel_id(&funding)?;
        let channel = LndChannel { node_id, channel_id, lifetime_ns, uptime_ns: uptime * SECOND_NS };
        once(&mut self.channels, funding, channel)
    }
}

/// The id that BOLT 2 gives a channel: its funding transaction's, with the output in its last two bytes.
fn channel_id(funding: &OutPoint) -> Result<ChannelId, EntryError> {
    let output = u16::try_from(funding.vout).map_err(|_| EntryError::Output { vout: funding.vout })?;
    let mut id = funding.txid;
    for (byte, of_output) in id.iter_mut().rev().zip(output.to_le_bytes()) {
        *byte ^= of_output;
    }
    Ok(ChannelId(id))
}

fn once<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), EntryError> {
    let is_same = map.get(&key).is_none_or(|before| *before == value);
    map.insert(key, value);
    if is_same { Ok(()) } else { Err(EntryError::Again) }
}

/// An entry of a list, whose fields are asked for.
struct Entry<'a> {
    fields: &'a Map<String, Value>,
    command: &'static str,
}

impl<'a> Entry<'a> {
    fn new(entry: &'a Value, command: &'static str) -> Result<Self, EntryError> {
        let fields = entry.as_object().ok_or(EntryError::NoObject { command })?;
        Ok(Self { fields, command })
    }

    fn field(&self, field: &'static str) -> Result<&'a Value, EntryError> {
        self.fields.get(field).ok_or(EntryError::Missing { field, command: self.command })
    }

    fn id<T: std::str::FromStr<Err = ParseIdError>>(&self, field: &'static str) -> Result<T, EntryError> {
        let value = self.field(field)?;
        let text = value.as_str().ok_or_else(|| wrong(field, value, "a string".to_owned()))?;
        text.parse().map_err(|source| EntryError::Id { field, source })
    }

    /// A number of `what`, up to `most`: an integer, or a string of its digits.
    fn number(&self, field: &'static str, what: &str, most: u64) -> Result<u64, EntryError> {
        let value = self.field(field)?;
        let number = match value {
            Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            value => value.as_u64(),
        };
        let expected = || format!("a whole number of {what} from 0 to {most}");
        number.filter(|&number| number <= most).ok_or_else(|| wrong(field, value, expected()))
    }
}

fn wrong(field: &'static str, value: &Value, expected: String) -> EntryError {
    EntryError::Wrong { field, found: start_of(value), expected }
}

/// How a value begins, which may go on for long.
fn start_of(value: &Value) -> String {
    const LONGEST: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn in_file(file: &str, list: &str, place: usize, name: Option<&Value>, source: EntryError) -> LndError {
    let name = name.and_then(Value::as_str).map(|name| format!(" ({})", humanise::short(name, 12, "…")));
    let entry = format!("{list}[{place}]{}", name.unwrap_or_default());
    LndError::Entry { file: file.to_owned(), entry, source }
}

/// What an answer has instead of lists.
fn kind_of(answer: &Value) -> String {
    const FEW: usize = 4;
    match answer {
        Value::Object(fields) if fields.is_empty() => "it is an empty object".to_owned(),
        Value::Object(fields) => {
            // In an order of its own, whatever the parser keeps.
            let mut names: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
            names.sort();
            names.truncate(FEW);
            format!("it has {}{}", names.join(", "), if fields.len() > FEW { ", …" } else { "" })
        }
        other => format!("it is {}", start_of(other)),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::ln::types::ChannelId as LdkChannelId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn channels_have_the_ids_that_ldk_gives_them(txid: [u8; 32], output: u16) {
            let id = channel_id(&OutPoint { txid, vout: output.into() });
            prop_assert_eq!(id.map(|id| id.0), Ok(LdkChannelId::v1_from_funding_txid(&txid, output).0));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            prop_assert!(Lists::at(Timestamp::MAX).read_from(&bytes[..], "bytes").is_err());
        }

        #[test]
        fn integers_are_read_as_lncli_prints_any_of_them(number in prop_oneof![any::<u64>(), 0..100_u64], most: u64) {
            let read = |value: Value| {
                let fields = Map::from_iter([("lifetime".to_owned(), value)]);
                Entry { fields: &fields, command: LIST_CHANNELS }.number("lifetime", "seconds", most).ok()
            };
            let expected = (number <= most).then_some(number);
            prop_assert_eq!(read(number.into()), expected);
            prop_assert_eq!(read(number.to_string().into()), expected);
            for wrong in [format!("+{number}"), format!("-{number}"), format!("{number}.0"), format!("1{number}00000000000000000000")] {
                prop_assert_eq!(read(wrong.into()), None);
            }
        }
    }

    #[test]
    fn an_output_beyond_what_an_id_can_tell_is_none() {
        let funding = OutPoint { txid: [7; 32], vout: 65_536 };
        assert_eq!(channel_id(&funding), Err(EntryError::Output { vout: 65_536 }));
    }
}
