//! Which peer comes first.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum};
use fitness_core::{ChannelReport, NodeId, Presence, WindowStats};

use super::document::{ChannelEntry, PeerEntry, Section};

/// What peers are sorted by, and which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    key: Key,
    descends: bool,
}

/// What peers can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    /// Worst first
    Availability,
    /// By node id
    Peer,
    /// By name, where peers have names
    Name,
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
    /// Most first
    Disconnects,
    /// Most first, within the window
    Losses,
    /// Shortest first, within the window
    Between,
    /// Longest first, within the window
    Return,
    /// Longest first, within the window
    Worst,
    /// Longest first, within the window
    Longest,
    /// Offline, inactive, unobserved, closed, online
    State,
    /// Latest first
    Since,
    /// Longest first, with --preset
    LndUptime,
    /// Longest first, in the demo
    TrueUptime,
    /// Furthest first, in the demo
    OffBy,
}

/// A value to sort by. Those of one key are of one kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(u64),
    Id(NodeId),
    Name(String),
}

impl Default for Sort {
    fn default() -> Self {
        Key::Availability.naturally()
    }
}

impl Sort {
    /// Sorts the peers of a section: by the one of its rows that comes first, those of which nothing is
    /// known last, and those that are equal by node id. Channels stay with their peer, oldest first.
    pub(crate) fn apply(self, section: &mut Section) {
        let peers = std::mem::take(&mut section.peers);
        let mut keyed: Vec<_> = peers.into_iter().map(|peer| (self.value(section, &peer), peer)).collect();
        keyed.sort_by(|(a, one), (b, other)| {
            let by_value = match (a, b) {
                (Some(a), Some(b)) if self.descends => b.cmp(a),
                (Some(a), Some(b)) => a.cmp(b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            let by_id = one.report.node_id.cmp(&other.report.node_id);
            by_value.then(if self.key == Key::Peer { Ordering::Equal } else { by_id })
        });
        section.peers = keyed.into_iter().map(|(_, peer)| peer).collect();
    }

    /// Whether it is by what only a window has.
    pub(crate) fn needs_window(self) -> bool {
        matches!(self.key, Key::Losses | Key::Between | Key::Return | Key::Worst | Key::Longest)
    }

    fn value(self, section: &Section, peer: &PeerEntry) -> Option<Value> {
        let report = &peer.report;
        let number = match self.key {
            Key::Peer => return Some(Value::Id(report.node_id)),
            Key::Name => return peer.label.clone().map(Value::Name),
            Key::Flaps => Some(report.flap_count.into()),
            Key::Disconnects => Some(report.disconnects.into()),
            Key::LastFlap => report.last_flap.map(|at| at.as_nanos()),
            Key::Since => Some(report.presence_since.as_nanos()),
            _ if peer.channels.is_empty() => self.key.of_peer(section, peer),
            _ => {
                let values = peer.channels.iter().filter_map(|channel| self.key.of_channel(peer, channel));
                if self.descends { values.max() } else { values.min() }
            }
        };
        number.map(Value::Number)
    }
}

impl Key {
    /// From the end that asks for attention.
    const fn naturally(self) -> Sort {
        let ascends =
            matches!(self, Self::Availability | Self::Peer | Self::Name | Self::Between | Self::State);
        Sort { key: self, descends: !ascends }
    }

    /// What the row of a peer without channels has.
    fn of_peer(self, section: &Section, peer: &PeerEntry) -> Option<u64> {
        let (report, window) = (&peer.report, peer.window.as_ref());
        match self {
            Self::Availability => bits(window.map_or(report.availability, |stats| stats.window.availability)),
            Self::Lifetime => Some(section.lifetime_ns(peer)),
            Self::Observed => Some(window.map_or(report.observed_ns, |stats| stats.window.observed_ns)),
            Self::Uptime => Some(window.map_or(report.uptime_ns, |stats| stats.window.uptime_ns)),
            Self::State => Some(state(peer, None)),
            _ => self.of_window(window),
        }
    }

    /// What the row of a channel has.
    fn of_channel(self, peer: &PeerEntry, channel: &ChannelEntry) -> Option<u64> {
        let (report, window) = (&channel.report, channel.window.as_ref());
        match self {
            Self::Availability => bits(window.map_or(report.availability, |stats| stats.window.availability)),
            Self::Lifetime => Some(report.lifetime_ns),
            Self::Observed => Some(window.map_or(report.observed_ns, |stats| stats.window.observed_ns)),
            Self::Uptime => Some(window.map_or(report.uptime_ns, |stats| stats.window.uptime_ns)),
            Self::Usable => (report.usable_observed_ns > 0).then_some(report.usable_ns),
            Self::State => Some(state(peer, Some(channel))),
            Self::LndUptime => channel.lnd_uptime_ns,
            Self::TrueUptime => channel.true_uptime_ns,
            Self::OffBy => Some(off_by(report, channel.true_uptime_ns?)),
            _ => self.of_window(window),
        }
    }

    fn of_window(self, window: Option<&WindowStats>) -> Option<u64> {
        let outages = window.filter(|stats| stats.window.observed_ns > 0)?.outages;
        match self {
            Self::Losses => Some(outages.disconnects),
            Self::Between => outages.mean_time_between_disconnects_ns,
            Self::Return => outages.median_recovery_ns,
            Self::Worst => outages.longest_recovery_ns,
            Self::Longest => Some(outages.longest_outage_ns),
            _ => None,
        }
    }
}

/// Ratios that are not negative are in the order of their bits.
fn bits(ratio: Option<f64>) -> Option<u64> {
    ratio.map(f64::to_bits)
}

const fn off_by(report: &ChannelReport, true_uptime_ns: u64) -> u64 {
    report.uptime_ns.abs_diff(true_uptime_ns)
}

fn state(peer: &PeerEntry, channel: Option<&ChannelEntry>) -> u64 {
    match peer.report.presence {
        _ if peer.report.untracked_at.is_some() => 3,
        Presence::Offline => 0,
        Presence::Online if channel.is_some_and(|channel| channel.is_inactive(&peer.report)) => 1,
        Presence::Unobserved => 2,
        Presence::Online => 4,
    }
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, end) = match text.split_once(':') {
            Some((name, end)) => (name, Some(end)),
            None => (text, None),
        };
        let key = Key::value_variants()
            .iter()
            .find(|key| key.to_possible_value().is_some_and(|value| value.get_name() == name));
        let key = key.ok_or_else(|| format!("expected one of {}", names().join(", ")))?;
        let sort = key.naturally();
        match end {
            None => Ok(sort),
            Some("asc") => Ok(Self { descends: false, ..sort }),
            Some("desc") => Ok(Self { descends: true, ..sort }),
            Some(_) => Err(format!("expected `{name}`, `{name}:asc` or `{name}:desc`")),
        }
    }
}

fn names() -> Vec<String> {
    let values = Key::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect()
}

/// Reads a [`Sort`], and tells shells what there is.
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
    fn either_end_may_come_first() {
        assert_eq!("availability".parse(), Ok(Sort::default()));
        assert_eq!("flaps:asc".parse(), Ok(Sort { key: Key::Flaps, descends: false }));
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
