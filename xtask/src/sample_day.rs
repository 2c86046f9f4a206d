//! A sample day of a peer: its true presence, what the model reports, and what lnd's log would.

use fitness_core::{
    ChannelId, ChannelOpened, Event, FlapCount, GapCause, HashSeed, NodeId, PeerRecord, Presence, Timestamp,
    Tracker, TrackerConfig, UnsavedChanges,
};

/// A value that holds from one second of the day to another.
#[derive(Clone, Debug)]
pub(crate) struct Interval<T> {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) value: T,
}

/// A presence; `None` where it changed so often that the log has totals only.
pub(crate) type Known = Option<Presence>;

/// The figures at the end of the day. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) lifetime: u64,
    pub(crate) observed: u64,
    pub(crate) uptime: u64,
    pub(crate) flaps: u32,
}

pub(crate) struct Day {
    pub(crate) truth: Vec<Interval<Known>>,
    pub(crate) gaps: Vec<Interval<GapCause>>,
    pub(crate) ours: Vec<Interval<Known>>,
    pub(crate) lnd: Vec<Interval<Known>>,
    pub(crate) true_figures: Figures,
    pub(crate) monitored_figures: Figures,
    pub(crate) our_figures: Figures,
    pub(crate) lnd_figures: Figures,
}

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const END: u64 = 24 * HOUR;
const MIDNIGHT: Timestamp = Timestamp::from_secs(1_767_225_600);
const SECOND_NS: u64 = 1_000_000_000;

const PEER: NodeId = NodeId([2; 33]);
const CHANNEL: ChannelId = ChannelId([1; 32]);
/// Two more peers. With fewer than three, an outage of our own network is never assumed.
const OTHERS: [NodeId; 2] = [NodeId([3; 33]), NodeId([4; 33])];

const OUTAGE: (u64, u64) = (4 * HOUR, 5 * HOUR + HOUR / 2);
const NO_NETWORK: (u64, u64) = (8 * HOUR, 10 * HOUR);
const ASLEEP: (u64, u64) = (12 * HOUR, 15 * HOUR);
const RESTART: (u64, u64) = (17 * HOUR, 17 * HOUR + HOUR / 4);
/// The peer disconnects every four seconds, for three seconds each time.
const FLAPPING: (u64, u64) = (20 * HOUR, 21 * HOUR);

/// The changes of the peer's true presence: the second of the day, and whether it is online from then on.
fn true_changes() -> Vec<(u64, bool)> {
    let mut changes = vec![(OUTAGE.0, false), (OUTAGE.1, true)];
    let flaps = (FLAPPING.0..FLAPPING.1).step_by(4).flat_map(|second| [(second, false), (second + 3, true)]);
    changes.extend(flaps);
    changes
}

fn at(second: u64) -> Timestamp {
    MIDNIGHT.after_secs(second)
}

fn apply(tracker: &mut Tracker, second: u64, online: bool, all_peers: bool) {
    let others = OTHERS.iter().filter(|_| all_peers).copied();
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

pub(crate) fn simulate() -> Day {
    let (ours, our_figures) = tracked();
    let (lnd, lnd_figures) = lnd_logged();
    let mut truth = Vec::new();
    let (mut since, mut online) = (0, true);
    for (second, now_online) in true_changes().into_iter().chain([(END, false)]) {
        truth.push(Interval { from: since, to: second, value: Some(Presence::from(online)) });
        (since, online) = (second, now_online);
    }
    let all_day = [Interval { from: 0, to: END, value: () }];
    let monitored: Vec<Interval<()>> = ours
        .iter()
        .filter(|interval| interval.value != Some(Presence::Unobserved))
        .map(|interval| Interval { from: interval.from, to: interval.to, value: () })
        .collect();
    let gap = |(from, to), value| Interval { from, to, value };
    Day {
        gaps: vec![
            gap(NO_NETWORK, GapCause::NetworkDown),
            gap(ASLEEP, GapCause::Suspended),
            gap(RESTART, GapCause::NotRunning),
        ],
        ours,
        lnd,
        true_figures: true_figures(&truth, &all_day),
        monitored_figures: true_figures(&truth, &monitored),
        our_figures,
        lnd_figures,
        truth,
    }
}

/// Returns the true figures within these intervals of the day.
fn true_figures(truth: &[Interval<Known>], within: &[Interval<()>]) -> Figures {
    let inside = |one: &Interval<Known>| -> u64 {
        within.iter().map(|other| one.to.min(other.to).saturating_sub(one.from.max(other.from))).sum()
    };
    let mut flaps = FlapCount::default();
    let is_inside = |second: u64| within.iter().any(|other| other.from <= second && second < other.to);
    for (second, _) in true_changes().into_iter().filter(|change| is_inside(change.0)) {
        flaps.record_flap(at(second).as_nanos());
    }
    Figures {
        lifetime: END * SECOND_NS,
        observed: truth.iter().map(inside).sum::<u64>() * SECOND_NS,
        uptime: truth
            .iter()
            .filter(|interval| interval.value == Some(Presence::Online))
            .map(inside)
            .sum::<u64>()
            * SECOND_NS,
        flaps: flaps.count(),
    }
}

/// Returns what the model knows.
fn tracked() -> (Vec<Interval<Known>>, Figures) {
    let mut changes_known: Vec<(u64, Known)> = Vec::new();
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    open_all(&mut tracker, 0);
    true_changes_within(0, NO_NETWORK.0)
        .for_each(|(second, online)| apply(&mut tracker, second, online, false));
    apply(&mut tracker, NO_NETWORK.0, false, true);
    apply(&mut tracker, NO_NETWORK.1, true, true);
    tracker.apply(at(ASLEEP.1), &Event::Unobserved { since: at(ASLEEP.0) });
    // The connections are found to be dead, and the peers are dialled again.
    apply(&mut tracker, ASLEEP.1 + 5, false, true);
    apply(&mut tracker, ASLEEP.1 + 10, true, true);

    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(100, &mut changes) {}
    let mut segments = changes.segments.clone();
    let observer = tracker.observer_record(at(RESTART.0));
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    tracker.resume_observer(&observer, &changes.gaps);
    changes.peers.iter().for_each(|record| tracker.resume_peer(record));
    apply(&mut tracker, RESTART.1, true, true);
    true_changes_within(RESTART.1, END)
        .for_each(|(second, online)| apply(&mut tracker, second, online, false));

    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(100, &mut changes) {}
    segments.extend(changes.segments);
    if let Some(history) = tracker.history(at(END), &PEER, &segments) {
        for interval in history.timeline(MIDNIGHT, at(END)) {
            let second = interval.from.nanos_since(MIDNIGHT) / SECOND_NS;
            changes_known.push((second, interval.presence));
        }
    }
    (intervals(&changes_known), figures(&tracker))
}

/// Returns what lnd's log shows. lnd keeps the flap count across a restart, and nothing else.
fn lnd_logged() -> (Vec<Interval<Known>>, Figures) {
    let mut before = Tracker::new(TrackerConfig::lnd_0_19(), HashSeed([0; 16]));
    open_all(&mut before, 0);
    apply(&mut before, 0, true, true);
    true_changes_within(0, NO_NETWORK.0)
        .for_each(|(second, online)| apply(&mut before, second, online, false));
    apply(&mut before, NO_NETWORK.0, false, true);
    apply(&mut before, NO_NETWORK.1, true, true);
    apply(&mut before, ASLEEP.1 + 5, false, true);
    apply(&mut before, ASLEEP.1 + 10, true, true);
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
    apply(&mut after, RESTART.1, true, true);
    open_all(&mut after, RESTART.1);
    true_changes_within(RESTART.1, END).for_each(|(second, online)| apply(&mut after, second, online, false));

    let mut known = logged(&before, 0);
    known.push((RESTART.0, Some(Presence::Unobserved)));
    known.extend(logged(&after, RESTART.1));
    let mut figures = figures(&after);
    figures.uptime = after.lnd_uptime_ns(at(END), &CHANNEL).unwrap_or(0);
    figures.observed = figures.lifetime;
    (intervals(&known), figures)
}

/// Returns the entries of lnd's event log, from a second of the day on.
fn logged(tracker: &Tracker, from: u64) -> Vec<(u64, Known)> {
    let Some(log) = tracker.event_log(&PEER) else { return Vec::new() };
    log.entries()
        .map(|entry| {
            let second = Timestamp::from_nanos(entry.at_ns()).nanos_since(MIDNIGHT) / SECOND_NS;
            (second.max(from), Some(entry.presence()))
        })
        .collect()
}

fn intervals(changes: &[(u64, Known)]) -> Vec<Interval<Known>> {
    let ends = changes.iter().skip(1).map(|change| change.0).chain([END]);
    changes.iter().zip(ends).map(|(&(from, value), to)| Interval { from, to, value }).collect()
}

fn figures(tracker: &Tracker) -> Figures {
    let mut figures = Figures { lifetime: 0, observed: 0, uptime: 0, flaps: 0 };
    if let Some(channel) = tracker.channel(at(END), &CHANNEL) {
        (figures.lifetime, figures.observed, figures.uptime) =
            (channel.lifetime_ns, channel.observed_ns, channel.uptime_ns);
    }
    figures.flaps = tracker.flap_count(&PEER).map_or(0, |flaps| flaps.0);
    figures
}
