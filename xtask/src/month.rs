//! A month of a node with 30 peers, recorded from a simulation: what `ldk-fitness replay` shows a newcomer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};

use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, OpenChannel, OutPoint, Snapshot, Timestamp};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};

use crate::run::root;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// 2026-10-01T00:00:00Z.
const START: u64 = 1_790_812_800;
const END: u64 = 31 * DAY;

/// Our own node was shut for an update, asleep, and without a network.
const UPDATE: (u64, u64) = (6 * DAY + 9 * HOUR, 6 * DAY + 9 * HOUR + 14 * MINUTE);
const ASLEEP: (u64, u64) = (12 * DAY + 2 * HOUR, 12 * DAY + 5 * HOUR + 20 * MINUTE);
const NO_NETWORK: (u64, u64) = (22 * DAY + 15 * HOUR, 22 * DAY + 15 * HOUR + 42 * MINUTE);

/// How a peer lives.
enum Life {
    /// Lost so often a day, for so many seconds at least and at most.
    Server { a_day: f64, shortest: u64, longest: u64 },
    /// Off for some hours of most nights.
    Home,
    /// Online for some minutes, so often a day.
    Phone { a_day: f64 },
    /// A server whose connection breaks every few minutes for some hours of each day.
    Flapping,
    /// A server until a day, and then no more.
    Dies(u64),
}

struct Cast {
    name: &'static str,
    life: Life,
    channels: u8,
    /// On which days its channels are opened and closed; 0 and 31 for all the time.
    days: (u64, u64),
}

const fn server(name: &'static str, a_day: f64, longest: u64, channels: u8) -> Cast {
    Cast { name, life: Life::Server { a_day, shortest: 8, longest }, channels, days: (0, 31) }
}

const fn other(name: &'static str, life: Life) -> Cast {
    Cast { name, life, channels: 1, days: (0, 31) }
}

fn cast() -> Vec<Cast> {
    let mut cast = vec![
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
        other("attic-node", Life::Home),
        other("kitchen-pi", Life::Home),
        other("shed", Life::Home),
        other("loose-cable", Life::Flapping),
        other("bad-router", Life::Flapping),
        other("phone-amber", Life::Phone { a_day: 9.0 }),
        other("phone-birch", Life::Phone { a_day: 5.0 }),
        other("phone-cedar", Life::Phone { a_day: 14.0 }),
        other("phone-dune", Life::Phone { a_day: 2.0 }),
        other("last-light", Life::Dies(19)),
        other("never-again", Life::Dies(3)),
    ];
    cast.push(Cast { days: (0, 17), ..server("parted", 1.0, 600, 1) });
    cast.push(Cast { days: (9, 24), ..server("brief-encounter", 3.0, 1_200, 1) });
    cast.push(Cast { days: (26, 31), ..server("newcomer", 0.5, 120, 1) });
    // Without a channel: watched before one is opened.
    cast.push(server("candidate-one", 0.2, 90, 0));
    cast.push(server("candidate-two", 5.0, 4_000, 0));
    cast
}

struct Peer {
    node_id: NodeId,
    cast: Cast,
    /// When it can be reached, in seconds.
    up: Vec<(u64, u64)>,
}

impl Peer {
    fn is_up(&self, at: u64) -> bool {
        self.up.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn is_followed(&self, at: u64) -> bool {
        (self.cast.days.0 * DAY..self.cast.days.1 * DAY).contains(&at)
    }

    fn channels(&self) -> impl Iterator<Item = OpenChannel> {
        let node_id = self.node_id;
        (0..self.cast.channels).map(move |index| {
            let mut id = [index; 32];
            id[..31].copy_from_slice(&node_id.0[1..32]);
            let funding = Some(OutPoint { txid: id, vout: u32::from(index) });
            OpenChannel { channel_id: ChannelId(id), node_id, funding, usable: None }
        })
    }
}

/// When it is up, as its life goes.
// Waits of seconds become whole ones.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn life(life: &Life, dice: &mut fastrand::Rng) -> Vec<(u64, u64)> {
    // The time until the next of events that come so often a day.
    let wait =
        |dice: &mut fastrand::Rng, a_day: f64| (-dice.f64().max(1e-9).ln() / a_day * DAY as f64) as u64 + 5;
    let (mut up, mut at) = (Vec::new(), 0);
    match *life {
        Life::Server { a_day, shortest, longest } => {
            while at < END {
                let lost = at + wait(dice, a_day);
                up.push((at, lost));
                // Most outages are short.
                let length = dice.f64().powi(3) * (longest - shortest) as f64;
                at = lost + shortest + length as u64;
            }
        }
        Life::Home => {
            for day in 0..31 {
                let morning = day * DAY + 7 * HOUR + dice.u64(0..HOUR);
                let night = if dice.u8(0..4) > 0 {
                    day * DAY + 23 * HOUR + dice.u64(0..HOUR)
                } else {
                    (day + 1) * DAY
                };
                up.push((morning, night));
            }
        }
        Life::Phone { a_day } => {
            while at < END {
                let seen = at + wait(dice, a_day);
                at = seen + dice.u64(20..20 * MINUTE);
                up.push((seen, at));
            }
        }
        Life::Flapping => {
            while at < END {
                let is_bad = at % DAY > 18 * HOUR && at % DAY < 21 * HOUR;
                let lost = at + if is_bad { dice.u64(40..6 * MINUTE) } else { dice.u64(HOUR..5 * HOUR) };
                up.push((at, lost));
                at = lost + dice.u64(3..70);
            }
        }
        Life::Dies(day) => up.push((0, day * DAY + 4 * HOUR)),
    }
    up
}

/// The trace: what the node saw, in order.
fn trace(peers: &[Peer], dice: &mut fastrand::Rng) -> Vec<(u64, Event)> {
    // In nanoseconds from here on: no two things happen at the same moment.
    let ns = |secs: u64, dice: &mut fastrand::Rng| (START + secs) * 1_000_000_000 + dice.u64(0..900_000_000);
    let blind = |at: u64| [UPDATE, ASLEEP].iter().any(|(from, to)| (*from..*to).contains(&at));
    let cut = |at: u64| (NO_NETWORK.0..NO_NETWORK.1).contains(&at);
    let connected = |at: u64| -> Vec<NodeId> {
        peers.iter().filter(|peer| peer.is_up(at) && peer.is_followed(at)).map(|peer| peer.node_id).collect()
    };
    let snapshot = |at: u64| {
        let open = peers.iter().filter(|peer| peer.is_followed(at));
        let channels = open.flat_map(Peer::channels).collect();
        Event::Snapshot(Snapshot { channels, connected: connected(at), taken_at: None })
    };
    let mut events = Vec::new();
    let mut tell = |at: u64, event, dice: &mut fastrand::Rng| events.push((ns(at, dice), event));
    for peer in peers {
        let node_id = peer.node_id;
        let (opened, closed) = (peer.cast.days.0 * DAY, peer.cast.days.1 * DAY);
        if peer.cast.channels == 0 {
            tell(opened, Event::Watch { node_id }, dice);
        }
        for OpenChannel { channel_id, funding, .. } in peer.channels() {
            let online = Some(peer.is_up(opened));
            tell(opened, Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding, online }), dice);
            if closed < END {
                tell(closed, Event::ChannelClosed { channel_id }, dice);
            }
        }
        for &(up, down) in &peer.up {
            for (at, event) in [(up, Event::PeerOnline { node_id }), (down, Event::PeerOffline { node_id })] {
                if at > opened && at < closed.min(END) && !blind(at) && !cut(at) {
                    tell(at, event, dice);
                }
            }
        }
        if peer.is_followed(NO_NETWORK.0) {
            if peer.is_up(NO_NETWORK.0) {
                tell(NO_NETWORK.0, Event::PeerOffline { node_id }, dice);
            }
            let back = NO_NETWORK.1 + dice.u64(0..50);
            if peer.is_up(back) && peer.is_up(NO_NETWORK.1) {
                tell(back, Event::PeerOnline { node_id }, dice);
            }
        }
    }
    tell(UPDATE.0, Event::ObservationPaused, dice);
    tell(UPDATE.1, Event::ObservationResumed, dice);
    tell(UPDATE.1 + 20, snapshot(UPDATE.1 + 20), dice);
    let since = Timestamp::from_secs(START + ASLEEP.0);
    tell(ASLEEP.1, Event::Unobserved { since }, dice);
    tell(ASLEEP.1 + 15, snapshot(ASLEEP.1 + 15), dice);
    tell(END, snapshot(END - 1), dice);
    events.sort_by_key(|(at, _)| *at);
    events
}

fn make() -> Result<(Vec<u8>, String), String> {
    let mut dice = fastrand::Rng::with_seed(20_261_001);
    let mut peers = Vec::new();
    for cast in cast() {
        let mut id = [0; 33];
        dice.fill(&mut id);
        id[0] = 2 + (id[0] & 1);
        let up = life(&cast.life, &mut dice);
        peers.push(Peer { node_id: NodeId(id), cast, up });
    }
    let mut lines = String::new();
    let mut seen = BTreeSet::new();
    for (at_ns, event) in trace(&peers, &mut dice) {
        if !seen.insert(at_ns) {
            return Err("two events at one moment".into());
        }
        let mut line = Map::new();
        line.insert("at_ns".into(), json!(at_ns));
        let event = serde_json::to_value(&event).map_err(|err| err.to_string())?;
        if let Value::Object(fields) = event {
            line.extend(fields);
        }
        let _ = writeln!(lines, "{}", Value::Object(line));
    }
    let mut names = String::from("# Names for the peers of month.jsonl.gz: a node id and a name a line.\n");
    for peer in &peers {
        let _ = writeln!(names, "{} {}", peer.node_id, peer.cast.name);
    }
    let mut zip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    zip.write_all(lines.as_bytes()).map_err(|err| err.to_string())?;
    Ok((zip.finish().map_err(|err| err.to_string())?, names))
}

pub(crate) fn check(write: bool) -> Result<(), String> {
    let directory = root().join("examples");
    let (trace_path, names_path) = (directory.join("month.jsonl.gz"), directory.join("month.names"));
    let (trace, names) = make()?;
    if write {
        let say = |err: std::io::Error| format!("{}: {err}", directory.display());
        fs::create_dir_all(&directory).map_err(say)?;
        fs::write(&trace_path, trace).map_err(say)?;
        return fs::write(&names_path, names).map_err(say);
    }
    // Of the compressed bytes the library is free to make others.
    let unzip = |bytes: &[u8]| {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text).map(|_| text).map_err(|err| err.to_string())
    };
    let stored = fs::read(&trace_path).map_err(|err| format!("{}: {err}", trace_path.display()))?;
    let stored_names =
        fs::read_to_string(&names_path).map_err(|err| format!("{}: {err}", names_path.display()))?;
    if unzip(&stored)? != unzip(&trace)? || stored_names != names {
        return Err("examples/month is not what the simulation makes; run `cargo xtask month --write`".into());
    }
    println!("examples/month is what the simulation makes");
    Ok(())
}
