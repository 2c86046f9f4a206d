//! The example trace: a simulated month of a node with 30 peers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};

use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, OpenChannel, OutPoint, Snapshot, Timestamp};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};

use crate::command::root;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// 2026-10-01T00:00:00Z.
const START: u64 = 1_790_812_800;
const END: u64 = 31 * DAY;

/// When our own node was stopped for an update, suspended, and without a network.
const UPDATE: (u64, u64) = (6 * DAY + 9 * HOUR, 6 * DAY + 9 * HOUR + 14 * MINUTE);
const ASLEEP: (u64, u64) = (12 * DAY + 2 * HOUR, 12 * DAY + 5 * HOUR + 20 * MINUTE);
const NO_NETWORK: (u64, u64) = (22 * DAY + 15 * HOUR, 22 * DAY + 15 * HOUR + 42 * MINUTE);

/// How a peer behaves.
enum Behaviour {
    /// Disconnects so often per day, for so many seconds at least and at most.
    Server { per_day: f64, shortest: u64, longest: u64 },
    /// Offline for some hours of most nights.
    Home,
    /// Online for some minutes, so often per day.
    Phone { per_day: f64 },
    /// A server whose connection fails every few minutes for some hours of each day.
    Flapping,
    /// A server that goes offline for good on this day.
    StopsOn(u64),
}

struct Profile {
    alias: &'static str,
    behaviour: Behaviour,
    channels: u8,
    /// The days on which its channels are opened and closed; 0 and 31 for the whole month.
    days: (u64, u64),
}

const fn server(alias: &'static str, per_day: f64, longest: u64, channels: u8) -> Profile {
    Profile { alias, behaviour: Behaviour::Server { per_day, shortest: 8, longest }, channels, days: (0, 31) }
}

const fn other(alias: &'static str, behaviour: Behaviour) -> Profile {
    Profile { alias, behaviour, channels: 1, days: (0, 31) }
}

fn profiles() -> Vec<Profile> {
    let mut profiles = vec![
        server("harbour", 0.05, 40, 3),
        server("lighthouse", 0.1, 90, 2),
        server("north-star", 0.1, 120, 1),
        server("old-bridge", 0.2, 240, 2),
        server("tin-drum", 0.3, 300, 1),
        server("moonraker", 0.4, 200, 1),
        server("blue-heron", 0.7, 600, 1),
        server("quarry", 1.0, 900, 2),
        server("paper-mill", 1.5, 400, 1),
        server("copperfield", 2.0, 1_200, 1),
        server("juniper", 2.5, 900, 1),
        server("saltmarsh", 4.0, 1_800, 1),
        server("windfall", 6.0, 3_600, 1),
        server("rusty-gate", 9.0, 9_000, 1),
        other("attic-node", Behaviour::Home),
        other("kitchen-pi", Behaviour::Home),
        other("shed", Behaviour::Home),
        other("loose-cable", Behaviour::Flapping),
        other("bad-router", Behaviour::Flapping),
        other("phone-amber", Behaviour::Phone { per_day: 9.0 }),
        other("phone-birch", Behaviour::Phone { per_day: 5.0 }),
        other("phone-cedar", Behaviour::Phone { per_day: 14.0 }),
        other("phone-dune", Behaviour::Phone { per_day: 2.0 }),
        other("last-light", Behaviour::StopsOn(19)),
        other("never-again", Behaviour::StopsOn(3)),
    ];
    profiles.push(Profile { days: (0, 17), ..server("parted", 1.0, 600, 1) });
    profiles.push(Profile { days: (9, 24), ..server("brief-encounter", 3.0, 1_200, 1) });
    profiles.push(Profile { days: (26, 31), ..server("newcomer", 0.5, 120, 1) });
    // Watched without a channel, as candidates for one.
    profiles.push(server("candidate-one", 0.2, 90, 0));
    profiles.push(server("candidate-two", 5.0, 4_000, 0));
    profiles
}

struct Peer {
    node_id: NodeId,
    profile: Profile,
    /// When it is online, in seconds of the month.
    up: Vec<(u64, u64)>,
}

impl Peer {
    fn is_online(&self, at: u64) -> bool {
        self.up.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn is_tracked(&self, at: u64) -> bool {
        (self.profile.days.0 * DAY..self.profile.days.1 * DAY).contains(&at)
    }

    fn channels(&self) -> impl Iterator<Item = OpenChannel> {
        let node_id = self.node_id;
        (0..self.profile.channels).map(move |index| {
            let mut id = [index; 32];
            id[..31].copy_from_slice(&node_id.0[1..32]);
            let funding = Some(OutPoint { txid: id, vout: u32::from(index) });
            OpenChannel { channel_id: ChannelId(id), node_id, funding, usable: None }
        })
    }
}

/// Simulates when a peer is online.
// Fractions of seconds are dropped.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn simulate(behaviour: &Behaviour, random: &mut fastrand::Rng) -> Vec<(u64, u64)> {
    // The time until the next event of a Poisson process with so many events per day.
    let wait = |random: &mut fastrand::Rng, per_day: f64| {
        (-random.f64().max(1e-9).ln() / per_day * DAY as f64) as u64 + 5
    };
    let (mut up, mut at) = (Vec::new(), 0);
    match *behaviour {
        Behaviour::Server { per_day, shortest, longest } => {
            while at < END {
                let lost = at + wait(random, per_day);
                up.push((at, lost));
                // Most outages are short.
                let length = random.f64().powi(3) * (longest - shortest) as f64;
                at = lost + shortest + length as u64;
            }
        }
        Behaviour::Home => {
            for day in 0..31 {
                let morning = day * DAY + 7 * HOUR + random.u64(0..HOUR);
                let night = if random.u8(0..4) > 0 {
                    day * DAY + 23 * HOUR + random.u64(0..HOUR)
                } else {
                    (day + 1) * DAY
                };
                up.push((morning, night));
            }
        }
        Behaviour::Phone { per_day } => {
            while at < END {
                let seen = at + wait(random, per_day);
                at = seen + random.u64(20..20 * MINUTE);
                up.push((seen, at));
            }
        }
        Behaviour::Flapping => {
            while at < END {
                let is_bad = at % DAY > 18 * HOUR && at % DAY < 21 * HOUR;
                let lost = at + if is_bad { random.u64(40..6 * MINUTE) } else { random.u64(HOUR..5 * HOUR) };
                up.push((at, lost));
                at = lost + random.u64(3..70);
            }
        }
        Behaviour::StopsOn(day) => up.push((0, day * DAY + 4 * HOUR)),
    }
    up
}

/// Returns the trace: what the node observed, in order of time.
fn trace(peers: &[Peer], random: &mut fastrand::Rng) -> Vec<(u64, Event)> {
    // In nanoseconds from here on, so that no two events have the same time.
    let ns =
        |secs: u64, random: &mut fastrand::Rng| (START + secs) * 1_000_000_000 + random.u64(0..900_000_000);
    let is_blind = |at: u64| [UPDATE, ASLEEP].iter().any(|(from, to)| (*from..*to).contains(&at));
    let is_cut = |at: u64| (NO_NETWORK.0..NO_NETWORK.1).contains(&at);
    let connected = |at: u64| -> Vec<NodeId> {
        peers
            .iter()
            .filter(|peer| peer.is_online(at) && peer.is_tracked(at))
            .map(|peer| peer.node_id)
            .collect()
    };
    let snapshot = |at: u64| {
        let open = peers.iter().filter(|peer| peer.is_tracked(at));
        let channels = open.flat_map(Peer::channels).collect();
        Event::Snapshot(Snapshot { channels, connected: connected(at), taken_at: None })
    };
    let mut events = Vec::new();
    let mut record = |at: u64, event, random: &mut fastrand::Rng| events.push((ns(at, random), event));
    for peer in peers {
        let node_id = peer.node_id;
        let (opened, closed) = (peer.profile.days.0 * DAY, peer.profile.days.1 * DAY);
        if peer.profile.channels == 0 {
            record(opened, Event::Watch { node_id }, random);
        }
        for OpenChannel { channel_id, funding, .. } in peer.channels() {
            let online = Some(peer.is_online(opened));
            record(
                opened,
                Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding, online }),
                random,
            );
            if closed < END {
                record(closed, Event::ChannelClosed { channel_id }, random);
            }
        }
        for &(up, down) in &peer.up {
            for (at, event) in [(up, Event::PeerOnline { node_id }), (down, Event::PeerOffline { node_id })] {
                if at > opened && at < closed.min(END) && !is_blind(at) && !is_cut(at) {
                    record(at, event, random);
                }
            }
        }
        if peer.is_tracked(NO_NETWORK.0) {
            if peer.is_online(NO_NETWORK.0) {
                record(NO_NETWORK.0, Event::PeerOffline { node_id }, random);
            }
            let reconnected = NO_NETWORK.1 + random.u64(0..50);
            if peer.is_online(reconnected) && peer.is_online(NO_NETWORK.1) {
                record(reconnected, Event::PeerOnline { node_id }, random);
            }
        }
    }
    record(UPDATE.0, Event::ObservationPaused, random);
    record(UPDATE.1, Event::ObservationResumed, random);
    record(UPDATE.1 + 20, snapshot(UPDATE.1 + 20), random);
    let since = Timestamp::from_secs(START + ASLEEP.0);
    record(ASLEEP.1, Event::Unobserved { since }, random);
    record(ASLEEP.1 + 15, snapshot(ASLEEP.1 + 15), random);
    record(END, snapshot(END - 1), random);
    events.sort_by_key(|(at, _)| *at);
    events
}

fn make() -> Result<(Vec<u8>, String), String> {
    let mut random = fastrand::Rng::with_seed(20_261_001);
    let mut peers = Vec::new();
    for profile in profiles() {
        let mut id = [0; 33];
        random.fill(&mut id);
        id[0] = 2 + (id[0] & 1);
        let up = simulate(&profile.behaviour, &mut random);
        peers.push(Peer { node_id: NodeId(id), profile, up });
    }
    let mut lines = String::new();
    let mut seen = BTreeSet::new();
    for (at_ns, event) in trace(&peers, &mut random) {
        if !seen.insert(at_ns) {
            return Err("two events have the same time".into());
        }
        let mut line = Map::new();
        line.insert("at_ns".into(), json!(at_ns));
        let event = serde_json::to_value(&event).map_err(|err| err.to_string())?;
        if let Value::Object(fields) = event {
            line.extend(fields);
        }
        let _ = writeln!(lines, "{}", Value::Object(line));
    }
    let mut aliases =
        String::from("# Aliases of the peers in month.jsonl.gz: a node id and an alias on each line.\n");
    for peer in &peers {
        let _ = writeln!(aliases, "{} {}", peer.node_id, peer.profile.alias);
    }
    let mut zip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    zip.write_all(lines.as_bytes()).map_err(|err| err.to_string())?;
    Ok((zip.finish().map_err(|err| err.to_string())?, aliases))
}

pub(crate) fn check(write: bool) -> Result<(), String> {
    let directory = root().join("examples");
    let (trace_path, aliases_path) = (directory.join("month.jsonl.gz"), directory.join("month.aliases"));
    let (trace, aliases) = make()?;
    if write {
        let describe = |err: std::io::Error| format!("{}: {err}", directory.display());
        fs::create_dir_all(&directory).map_err(describe)?;
        fs::write(&trace_path, trace).map_err(describe)?;
        return fs::write(&aliases_path, aliases).map_err(describe);
    }
    // The text is compared, since another version of the library may compress it differently.
    let unzip = |bytes: &[u8]| {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text).map(|_| text).map_err(|err| err.to_string())
    };
    let stored = fs::read(&trace_path).map_err(|err| format!("{}: {err}", trace_path.display()))?;
    let stored_aliases =
        fs::read_to_string(&aliases_path).map_err(|err| format!("{}: {err}", aliases_path.display()))?;
    if unzip(&stored)? != unzip(&trace)? || stored_aliases != aliases {
        return Err(
            "examples/month.* does not match the simulation; run `cargo xtask example-trace --write`".into(),
        );
    }
    println!("examples/month.* matches the simulation");
    Ok(())
}
