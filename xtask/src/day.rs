//! A day in the life of a peer, as it was, as the model tells it, and as lnd's log would.

use fitness_core::{
    ChannelId, ChannelOpened, Event, FlapCount, GapCause, HashSeed, NodeId, PeerRecord, Presence, Timestamp,
    Tracker, TrackerConfig, UnsavedChanges,
};

/// Something for so many seconds of the day.
#[derive(Clone, Debug)]
pub(crate) struct Stretch<T> {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) what: T,
}

/// What it was; `None` where it changed so often that the log knows sums alone.
pub(crate) type Seen = Option<Presence>;

/// What a history comes to at the end of the day, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    pub(crate) lifetime: u64,
    pub(crate) observed: u64,
    pub(crate) uptime: u64,
    pub(crate) flaps: u32,
}

pub(crate) struct Day {
    pub(crate) truth: Vec<Stretch<Seen>>,
    pub(crate) node: Vec<Stretch<GapCause>>,
    pub(crate) ours: Vec<Stretch<Seen>>,
    pub(crate) lnds: Vec<Stretch<Seen>>,
    pub(crate) true_sums: Sums,
    pub(crate) watched_sums: Sums,
    pub(crate) our_sums: Sums,
    pub(crate) lnd_sums: Sums,
}

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const END: u64 = 24 * HOUR;
const MIDNIGHT: Timestamp = Timestamp::from_secs(1_767_225_600);
const SECOND_NS: u64 = 1_000_000_000;

const PEER: NodeId = NodeId([2; 33]);
const CHANNEL: ChannelId = ChannelId([1; 32]);
/// Two more peers, without which no outage of ours could be told from this one's.
const OTHERS: [NodeId; 2] = [NodeId([3; 33]), NodeId([4; 33])];

const OUTAGE: (u64, u64) = (4 * HOUR, 5 * HOUR + HOUR / 2);
const NO_NETWORK: (u64, u64) = (8 * HOUR, 10 * HOUR);
const ASLEEP: (u64, u64) = (12 * HOUR, 15 * HOUR);
const RESTART: (u64, u64) = (17 * HOUR, 17 * HOUR + HOUR / 4);
/// Down for three seconds, up for one.
const STORM: (u64, u64) = (20 * HOUR, 21 * HOUR);

/// When the peer's connection changes in truth, and to what.
fn true_changes() -> Vec<(u64, bool)> {
    let mut changes = vec![(OUTAGE.0, false), (OUTAGE.1, true)];
    let storm = (STORM.0..STORM.1).step_by(4).flat_map(|second| [(second, false), (second + 3, true)]);
    changes.extend(storm);
    changes
}

fn at(second: u64) -> Timestamp {
    MIDNIGHT.after_secs(second)
}

fn tell(tracker: &mut Tracker, second: u64, online: bool, everybody: bool) {
    let others = OTHERS.iter().filter(|_| everybody).copied();
    for node_id in [PEER].into_iter().chain(others) {
        let event = if online { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } };
        tracker.apply(at(second), &event);
    }
}

fn opened(node_id: NodeId, channel_id: ChannelId) -> Event {
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online: Some(true) })
}

fn open_all(tracker: &mut Tracker, second: u64) {
    tracker.apply(at(second), &opened(PEER, CHANNEL));
    for (number, node_id) in (8..).zip(OTHERS) {
        tracker.apply(at(second), &opened(node_id, ChannelId([number; 32])));
    }
}

fn true_changes_within(from: u64, to: u64) -> impl Iterator<Item = (u64, bool)> {
    true_changes().into_iter().filter(move |change| from <= change.0 && change.0 < to)
}

pub(crate) fn live() -> Day {
    let (ours, our_sums) = ours();
    let (lnds, lnd_sums) = lnds();
    let mut truth = Vec::new();
    let (mut since, mut online) = (0, true);
    for (second, now_online) in true_changes().into_iter().chain([(END, false)]) {
        truth.push(Stretch { from: since, to: second, what: Some(Presence::from(online)) });
        (since, online) = (second, now_online);
    }
    let all_day = [Stretch { from: 0, to: END, what: () }];
    let watched: Vec<Stretch<()>> = ours
        .iter()
        .filter(|stretch| stretch.what != Some(Presence::Unobserved))
        .map(|stretch| Stretch { from: stretch.from, to: stretch.to, what: () })
        .collect();
    let gap = |(from, to), what| Stretch { from, to, what };
    Day {
        node: vec![
            gap(NO_NETWORK, GapCause::NetworkDown),
            gap(ASLEEP, GapCause::Suspended),
            gap(RESTART, GapCause::NotRunning),
        ],
        ours,
        lnds,
        true_sums: true_sums(&truth, &all_day),
        watched_sums: true_sums(&truth, &watched),
        our_sums,
        lnd_sums,
        truth,
    }
}

/// What it was in truth, within these stretches of the day.
fn true_sums(truth: &[Stretch<Seen>], within: &[Stretch<()>]) -> Sums {
    let inside = |one: &Stretch<Seen>| -> u64 {
        within.iter().map(|other| one.to.min(other.to).saturating_sub(one.from.max(other.from))).sum()
    };
    let mut flaps = FlapCount::default();
    let is_inside = |second: u64| within.iter().any(|other| other.from <= second && second < other.to);
    for (second, _) in true_changes().into_iter().filter(|change| is_inside(change.0)) {
        flaps.record_flap(at(second).as_nanos());
    }
    Sums {
        lifetime: END * SECOND_NS,
        observed: truth.iter().map(inside).sum::<u64>() * SECOND_NS,
        uptime: truth.iter().filter(|s| s.what == Some(Presence::Online)).map(inside).sum::<u64>()
            * SECOND_NS,
        flaps: flaps.count(),
    }
}

fn ours() -> (Vec<Stretch<Seen>>, Sums) {
    let mut seen: Vec<(u64, Seen)> = Vec::new();
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    open_all(&mut tracker, 0);
    true_changes_within(0, NO_NETWORK.0)
        .for_each(|(second, online)| tell(&mut tracker, second, online, false));
    tell(&mut tracker, NO_NETWORK.0, false, true);
    tell(&mut tracker, NO_NETWORK.1, true, true);
    tracker.apply(at(ASLEEP.1), &Event::Unobserved { since: at(ASLEEP.0) });
    // Found dead, and dialled again.
    tell(&mut tracker, ASLEEP.1 + 5, false, true);
    tell(&mut tracker, ASLEEP.1 + 10, true, true);

    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(100, &mut changes) {}
    let mut segments = changes.segments.clone();
    let observer = tracker.observer_record(at(RESTART.0));
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    tracker.resume_observer(&observer, &changes.gaps);
    changes.peers.iter().for_each(|record| tracker.resume_peer(record));
    tell(&mut tracker, RESTART.1, true, true);
    true_changes_within(RESTART.1, END)
        .for_each(|(second, online)| tell(&mut tracker, second, online, false));

    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(100, &mut changes) {}
    segments.extend(changes.segments);
    if let Some(history) = tracker.history(at(END), &PEER, &segments) {
        for interval in history.timeline(MIDNIGHT, at(END)) {
            let second = interval.from.nanos_since(MIDNIGHT) / SECOND_NS;
            seen.push((second, interval.presence));
        }
    }
    (stretches(&seen), sums(&tracker))
}

/// lnd keeps the flap count across a restart, and nothing else.
fn lnds() -> (Vec<Stretch<Seen>>, Sums) {
    let mut before = Tracker::new(TrackerConfig::lnd_0_19(), HashSeed([0; 16]));
    open_all(&mut before, 0);
    tell(&mut before, 0, true, true);
    true_changes_within(0, NO_NETWORK.0)
        .for_each(|(second, online)| tell(&mut before, second, online, false));
    tell(&mut before, NO_NETWORK.0, false, true);
    tell(&mut before, NO_NETWORK.1, true, true);
    tell(&mut before, ASLEEP.1 + 5, false, true);
    tell(&mut before, ASLEEP.1 + 10, true, true);
    let (flap_count, last) = before.flap_count(&PEER).unwrap_or_default();
    let record = PeerRecord {
        node_id: PEER,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 0,
        presence: Presence::Unobserved,
        presence_since_ns: 0,
        totals: fitness_core::Totals::default(),
        flap_count,
        last_flap_ns: last.map(Timestamp::as_nanos),
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    };
    let mut after = Tracker::new(TrackerConfig::lnd_0_19(), HashSeed([0; 16]));
    after.resume_peer(&record);
    tell(&mut after, RESTART.1, true, true);
    open_all(&mut after, RESTART.1);
    true_changes_within(RESTART.1, END).for_each(|(second, online)| tell(&mut after, second, online, false));

    let mut seen = logged(&before, 0);
    seen.push((RESTART.0, Some(Presence::Unobserved)));
    seen.extend(logged(&after, RESTART.1));
    let mut sums = sums(&after);
    sums.uptime = after.lnd_uptime_ns(at(END), &CHANNEL).unwrap_or(0);
    sums.observed = sums.lifetime;
    (stretches(&seen), sums)
}

/// What lnd's event log shows, from a second of the day on.
fn logged(tracker: &Tracker, from: u64) -> Vec<(u64, Seen)> {
    let Some(log) = tracker.event_log(&PEER) else { return Vec::new() };
    log.entries()
        .map(|entry| {
            let second = Timestamp::from_nanos(entry.at_ns()).nanos_since(MIDNIGHT) / SECOND_NS;
            (second.max(from), Some(entry.presence()))
        })
        .collect()
}

fn stretches(changes: &[(u64, Seen)]) -> Vec<Stretch<Seen>> {
    let ends = changes.iter().skip(1).map(|change| change.0).chain([END]);
    changes.iter().zip(ends).map(|(&(from, what), to)| Stretch { from, to, what }).collect()
}

fn sums(tracker: &Tracker) -> Sums {
    let mut sums = Sums { lifetime: 0, observed: 0, uptime: 0, flaps: 0 };
    if let Some(channel) = tracker.channel(at(END), &CHANNEL) {
        (sums.lifetime, sums.observed, sums.uptime) =
            (channel.lifetime_ns, channel.observed_ns, channel.uptime_ns);
    }
    sums.flaps = tracker.flap_count(&PEER).map_or(0, |flaps| flaps.0);
    sums
}
