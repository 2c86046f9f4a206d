//! The order of peers: `--sort`.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum};
use fitness_core::{NodeId, Presence, WindowStats};

use super::document::{ChannelEntry, PeerEntry, Section};

/// A sort key and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    key: Key,
    descending: bool,
}

/// The values that peers can be sorted by. The comments are shown in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    /// Lowest first
    Availability,
    /// By node id
    Peer,
    /// By alias
    Alias,
    /// Longest first
    Lifetime,
    /// Longest first
    Observed,
    /// Longest first
    Uptime,
    /// Longest first
    Usable,
    /// Most first
    Flaps,
    /// Latest first
    LastFlap,
    /// Most first; in the window with --window, else in total
    Disconnects,
    /// Mean time between disconnects, shortest first; needs --window
    Mtbd,
    /// Longest first; needs --window
    MedianRecovery,
    /// Longest completed outage, longest first; needs --window
    LongestRecovery,
    /// Longest outage, completed or not, longest first; needs --window
    LongestOutage,
    /// Offline, unusable, unobserved, untracked, online
    State,
    /// Latest change of state first
    LastChange,
    /// Longest first; with --preset only
    LndUptime,
}

/// A value to sort by. All values of one key are of the same variant.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(u64),
    Id(NodeId),
    Alias(String),
}

impl Default for Sort {
    fn default() -> Self {
        Key::Availability.default_sort()
    }
}

impl Sort {
    /// Sorts the peers of a section. A peer with several channels is placed by the channel that comes first.
    /// Unknown values come last, and equal ones are ordered by node id. The order of channels does not
    /// change.
    pub(crate) fn apply(self, section: &mut Section) {
        let peers = std::mem::take(&mut section.peers);
        let mut keyed: Vec<_> = peers.into_iter().map(|peer| (self.value(section, &peer), peer)).collect();
        keyed.sort_by(|(a, peer_a), (b, peer_b)| {
            let by_value = match (a, b) {
                (Some(a), Some(b)) if self.descending => b.cmp(a),
                (Some(a), Some(b)) => a.cmp(b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            let by_id = peer_a.report.node_id.cmp(&peer_b.report.node_id);
            by_value.then(if self.key == Key::Peer { Ordering::Equal } else { by_id })
        });
        section.peers = keyed.into_iter().map(|(_, peer)| peer).collect();
    }

    /// Returns whether the key exists only in a window.
    pub(crate) fn needs_window(self) -> bool {
        matches!(self.key, Key::Mtbd | Key::MedianRecovery | Key::LongestRecovery | Key::LongestOutage)
    }

    fn value(self, section: &Section, peer: &PeerEntry) -> Option<Value> {
        let report = &peer.report;
        let number = match self.key {
            Key::Peer => return Some(Value::Id(report.node_id)),
            Key::Alias => return peer.alias.clone().map(Value::Alias),
            Key::Flaps => Some(report.flap_count.into()),
            Key::Disconnects if section.window.is_none() => Some(report.disconnects.into()),
            Key::LastFlap => report.last_flap.map(|at| at.as_nanos()),
            Key::LastChange => Some(report.presence_since.as_nanos()),
            _ if peer.channels.is_empty() => self.key.peer_value(section, peer),
            _ => {
                let values = peer.channels.iter().filter_map(|channel| self.key.channel_value(peer, channel));
                if self.descending { values.max() } else { values.min() }
            }
        };
        number.map(Value::Number)
    }
}

impl Key {
    /// Returns the default direction: peers that need attention first.
    const fn default_sort(self) -> Sort {
        let ascending =
            matches!(self, Self::Availability | Self::Peer | Self::Alias | Self::Mtbd | Self::State);
        Sort { key: self, descending: !ascending }
    }

    /// Returns the value of a peer without channels.
    fn peer_value(self, section: &Section, peer: &PeerEntry) -> Option<u64> {
        let (report, window) = (&peer.report, peer.window.as_ref());
        match self {
            Self::Availability => {
                ratio_value(window.map_or(report.availability, |stats| stats.window.availability))
            }
            Self::Lifetime => Some(section.lifetime_ns(peer)),
            Self::Observed => Some(window.map_or(report.observed_ns, |stats| stats.window.observed_ns)),
            Self::Uptime => Some(window.map_or(report.uptime_ns, |stats| stats.window.uptime_ns)),
            Self::State => Some(state_value(peer, None)),
            _ => self.window_value(window),
        }
    }

    /// Returns the value of a channel.
    fn channel_value(self, peer: &PeerEntry, channel: &ChannelEntry) -> Option<u64> {
        let (report, window) = (&channel.report, channel.window.as_ref());
        match self {
            Self::Availability => {
                ratio_value(window.map_or(report.availability, |stats| stats.window.availability))
            }
            Self::Lifetime => Some(report.lifetime_ns),
            Self::Observed => Some(window.map_or(report.observed_ns, |stats| stats.window.observed_ns)),
            Self::Uptime => Some(window.map_or(report.uptime_ns, |stats| stats.window.uptime_ns)),
            Self::Usable => (report.usable_observed_ns > 0).then_some(report.usable_ns),
            Self::State => Some(state_value(peer, Some(channel))),
            Self::LndUptime => channel.lnd_uptime_ns,
            _ => self.window_value(window),
        }
    }

    fn window_value(self, window: Option<&WindowStats>) -> Option<u64> {
        let outages = window.filter(|stats| stats.window.observed_ns > 0)?.outages;
        match self {
            Self::Disconnects => Some(outages.disconnects),
            Self::Mtbd => outages.mean_time_between_disconnects_ns,
            Self::MedianRecovery => outages.median_recovery_ns,
            Self::LongestRecovery => outages.longest_recovery_ns,
            Self::LongestOutage => Some(outages.longest_outage_ns),
            _ => None,
        }
    }
}

/// Maps a ratio to an integer with the same order: non-negative floats are ordered by their bits.
fn ratio_value(ratio: Option<f64>) -> Option<u64> {
    ratio.map(f64::to_bits)
}

fn state_value(peer: &PeerEntry, channel: Option<&ChannelEntry>) -> u64 {
    match peer.report.presence {
        _ if peer.report.untracked_at.is_some() => 3,
        Presence::Offline => 0,
        Presence::Online if channel.is_some_and(|channel| channel.is_unusable(&peer.report)) => 1,
        Presence::Unobserved => 2,
        Presence::Online => 4,
    }
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, direction) = match text.split_once(':') {
            Some((name, direction)) => (name, Some(direction)),
            None => (text, None),
        };
        let key = Key::value_variants()
            .iter()
            .find(|key| key.to_possible_value().is_some_and(|value| value.get_name() == name));
        let key = key.ok_or_else(|| format!("expected one of {}", key_names().join(", ")))?;
        let sort = key.default_sort();
        match direction {
            None => Ok(sort),
            Some("asc") => Ok(Self { descending: false, ..sort }),
            Some("desc") => Ok(Self { descending: true, ..sort }),
            Some(_) => Err(format!("expected `{name}`, `{name}:asc` or `{name}:desc`")),
        }
    }
}

fn key_names() -> Vec<String> {
    let values = Key::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect()
}

/// Parses a [`Sort`]. The possible values are used for help and shell completions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SortParser;

impl TypedValueParser for SortParser {
    type Value = Sort;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Sort, clap::Error> {
        let parser = StringValueParser::new().try_map(|text| text.parse::<Sort>());
        parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Key::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_can_be_set() {
        assert_eq!("availability".parse(), Ok(Sort::default()));
        assert_eq!("flaps:asc".parse(), Ok(Sort { key: Key::Flaps, descending: false }));
        assert_eq!("last-flap:desc".parse::<Sort>(), "last-flap".parse());
        for (text, expected) in [
            ("flap", "expected one of availability, peer, "),
            ("", "expected one of "),
            ("flaps:up", "expected `flaps`, `flaps:asc` or `flaps:desc`"),
        ] {
            let error = text.parse::<Sort>().expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
