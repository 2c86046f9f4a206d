//! Parses the output of `lncli listpeers` and `lncli listchannels`.
//!
//! lncli prints 64-bit integers as strings and other integers as numbers; both are accepted everywhere. Fields
//! that are not needed are ignored, because lnd's output changes with every release.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use fitness_core::{ChannelId, NodeId, OutPoint, ParseIdError, Timestamp};
use serde_json::{Map, Value};

use super::error::{EntryError, LndError};
use crate::error::CliError;
use crate::output::format;
use crate::time::rfc3339;

const LIST_PEERS: &str = "lncli listpeers";
const LIST_CHANNELS: &str = "lncli listchannels";
const SECOND_NS: u64 = 1_000_000_000;

/// The peers and channels that lnd listed.
#[derive(Debug)]
pub(super) struct LncliLists {
    /// When lncli was run.
    pub(super) at: Timestamp,
    /// The peers that were connected at that time.
    pub(super) peers: BTreeMap<NodeId, Flaps>,
    /// The channels that were open at that time.
    pub(super) channels: BTreeMap<OutPoint, LndChannel>,
}

/// lnd's flap statistics of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaps {
    /// The flap count, decayed as of the last flap.
    pub(super) count: u32,
    /// How long ago the last flap was; `None` if there was none.
    pub(super) last_ago_ns: Option<u64>,
}

impl Flaps {
    /// Returns whether there is nothing to import.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// lnd's statistics of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LndChannel {
    pub(super) node_id: NodeId,
    pub(super) channel_id: ChannelId,
    pub(super) lifetime_ns: u64,
    /// The uptime as lnd reported it. It may exceed the lifetime.
    pub(super) uptime_ns: u64,
}

impl LncliLists {
    /// Creates empty lists as of `at`.
    pub(super) const fn new(at: Timestamp) -> Self {
        Self { at, peers: BTreeMap::new(), channels: BTreeMap::new() }
    }

    /// Adds the lists in a file, or in standard input for `-`: one or more JSON documents from lncli.
    ///
    /// # Errors
    ///
    /// [`CliError::ReadFile`] if the file cannot be read, [`LndError`] if its content is invalid.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), CliError> {
        if path.as_os_str() == "-" {
            return self.read_from(io::stdin().lock(), "standard input");
        }
        let file = path.display().to_string();
        match File::open(path) {
            Ok(input) => self.read_from(input, &file),
            Err(source) => Err(CliError::ReadFile { file, source }),
        }
    }

    fn read_from(&mut self, input: impl Read, file: &str) -> Result<(), CliError> {
        let documents = serde_json::Deserializer::from_reader(BufReader::new(input)).into_iter::<Value>();
        let mut is_empty = true;
        for document in documents {
            let file = file.to_owned();
            match document {
                Ok(document) => self.add(&document, &file)?,
                Err(error) if error.is_io() => return Err(CliError::ReadFile { file, source: error.into() }),
                Err(source) => return Err(LndError::NotJson { file, source }.into()),
            }
            is_empty = false;
        }
        if is_empty { Err(LndError::Empty { file: file.to_owned() }.into()) } else { Ok(()) }
    }

    fn add(&mut self, document: &Value, file: &str) -> Result<(), LndError> {
        let list = |name| document.get(name).and_then(Value::as_array);
        let (peers, channels) = (list("peers"), list("channels"));
        if peers.is_none() && channels.is_none() {
            return Err(LndError::Kind { file: file.to_owned(), found: describe(document) });
        }
        for (index, entry) in peers.into_iter().flatten().enumerate() {
            self.add_peer(entry)
                .map_err(|source| invalid_entry(file, "peers", index, entry.get("pub_key"), source))?;
        }
        for (index, entry) in channels.into_iter().flatten().enumerate() {
            self.add_channel(entry).map_err(|source| {
                invalid_entry(file, "channels", index, entry.get("channel_point"), source)
            })?;
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
                return Err(EntryError::FlapAfterImport { flap, at: rfc3339(self.at) });
            }
        };
        let flaps = Flaps { count: u32::try_from(count).unwrap_or(u32::MAX), last_ago_ns };
        insert_unique(&mut self.peers, node_id, flaps)
    }

    fn add_channel(&mut self, entry: &Value) -> Result<(), EntryError> {
        let entry = Entry::new(entry, LIST_CHANNELS)?;
        let node_id = entry.id("remote_pubkey")?;
        let funding: OutPoint = entry.id("channel_point")?;
        let max = u64::MAX / SECOND_NS;
        let lifetime = entry.number("lifetime", "seconds", max)?;
        let uptime = entry.number("uptime", "seconds", max)?;
        let lifetime_ns = lifetime * SECOND_NS;
        if lifetime_ns > self.at.as_nanos() {
            return Err(EntryError::LifetimeTooLong { secs: lifetime, at: rfc3339(self.at) });
        }
        let channel_id = channel_id(&funding)?;
        let channel = LndChannel { node_id, channel_id, lifetime_ns, uptime_ns: uptime * SECOND_NS };
        insert_unique(&mut self.channels, funding, channel)
    }
}

/// Returns the channel id as BOLT 2 defines it: the funding txid, with its last two bytes XORed with the output
/// index.
fn channel_id(funding: &OutPoint) -> Result<ChannelId, EntryError> {
    let output = u16::try_from(funding.vout).map_err(|_| EntryError::OutputIndex { vout: funding.vout })?;
    let mut id = funding.txid;
    for (byte, output_byte) in id.iter_mut().rev().zip(output.to_le_bytes()) {
        *byte ^= output_byte;
    }
    Ok(ChannelId(id))
}

/// Inserts an entry. The same entry may be inserted again with an equal value.
fn insert_unique<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), EntryError> {
    let is_same = map.get(&key).is_none_or(|existing| *existing == value);
    map.insert(key, value);
    if is_same { Ok(()) } else { Err(EntryError::Duplicate) }
}

/// An entry of a list.
struct Entry<'a> {
    fields: &'a Map<String, Value>,
    command: &'static str,
}

impl<'a> Entry<'a> {
    fn new(entry: &'a Value, command: &'static str) -> Result<Self, EntryError> {
        let fields = entry.as_object().ok_or(EntryError::NotAnObject { command })?;
        Ok(Self { fields, command })
    }

    fn field(&self, field: &'static str) -> Result<&'a Value, EntryError> {
        self.fields.get(field).ok_or(EntryError::MissingField { field, command: self.command })
    }

    fn id<T: std::str::FromStr<Err = ParseIdError>>(&self, field: &'static str) -> Result<T, EntryError> {
        let value = self.field(field)?;
        let text = value.as_str().ok_or_else(|| invalid_value(field, value, "a string".to_owned()))?;
        text.parse().map_err(|source| EntryError::InvalidId { field, source })
    }

    /// Returns an integer from 0 to `max`, given as a number or as a string of digits.
    fn number(&self, field: &'static str, unit: &str, max: u64) -> Result<u64, EntryError> {
        let value = self.field(field)?;
        let number = match value {
            Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            value => value.as_u64(),
        };
        let expected = || format!("a whole number of {unit} from 0 to {max}");
        number.filter(|&number| number <= max).ok_or_else(|| invalid_value(field, value, expected()))
    }
}

fn invalid_value(field: &'static str, value: &Value, expected: String) -> EntryError {
    EntryError::InvalidValue { field, found: excerpt(value), expected }
}

/// Returns a value as JSON, shortened if it is long.
fn excerpt(value: &Value) -> String {
    const MAX_CHARS: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn invalid_entry(file: &str, list: &str, index: usize, id: Option<&Value>, source: EntryError) -> LndError {
    let id = id.and_then(Value::as_str).map(|id| format!(" ({})", format::short(id, 12, "…")));
    let entry = format!("{list}[{index}]{}", id.unwrap_or_default());
    LndError::Entry { file: file.to_owned(), entry, source }
}

/// Describes a document that has no lists.
fn describe(document: &Value) -> String {
    const MAX_FIELDS: usize = 4;
    match document {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            // Sorted, so that the message does not depend on the order that serde_json keeps.
            let mut names: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
            names.sort();
            names.truncate(MAX_FIELDS);
            format!("{}{}", names.join(", "), if fields.len() > MAX_FIELDS { ", …" } else { "" })
        }
        other => excerpt(other),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::ln::types::ChannelId as LdkChannelId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn channel_ids_equal_those_of_ldk(txid: [u8; 32], output: u16) {
            let id = channel_id(&OutPoint { txid, vout: output.into() });
            prop_assert_eq!(id.map(|id| id.0), Ok(LdkChannelId::v1_from_funding_txid(&txid, output).0));
        }

        #[test]
        fn random_bytes_are_rejected(bytes: Vec<u8>) {
            prop_assert!(LncliLists::new(Timestamp::MAX).read_from(&bytes[..], "bytes").is_err());
        }

        #[test]
        fn integers_are_accepted_as_numbers_and_strings(number in prop_oneof![any::<u64>(), 0..100_u64], max: u64) {
            let read = |value: Value| {
                let fields = Map::from_iter([("lifetime".to_owned(), value)]);
                Entry { fields: &fields, command: LIST_CHANNELS }.number("lifetime", "seconds", max).ok()
            };
            let expected = (number <= max).then_some(number);
            prop_assert_eq!(read(number.into()), expected);
            prop_assert_eq!(read(number.to_string().into()), expected);
            for invalid in [format!("+{number}"), format!("-{number}"), format!("{number}.0"), format!("1{number}00000000000000000000")] {
                prop_assert_eq!(read(invalid.into()), None);
            }
        }
    }

    #[test]
    fn output_index_above_16_bits_is_rejected() {
        let funding = OutPoint { txid: [7; 32], vout: 65_536 };
        assert_eq!(channel_id(&funding), Err(EntryError::OutputIndex { vout: 65_536 }));
    }
}
