//! Who drives the tracker, as the service does: two clocks, pulses, commits, heartbeats, the upkeep of
//! a day. Quiet times are skipped, and nothing that could be told from having lived through them.

use fitness_core::{
    ChannelOpened, Event, OpenChannel, Retention, Snapshot, Timestamp, Tracker, TrackerConfig, UnsavedChanges,
};

use crate::disk::Disk;
use crate::facts::Fact;
use crate::script::{Channel, Listed, Word, channel_id, node_id, outpoint};
use crate::time::{DAY, MINUTE, SECOND};

const PULSE: u64 = 5 * SECOND;
const LATE: u64 = 2 * PULSE;
const HEARTBEAT: u64 = MINUTE;
pub(crate) const COMMIT_DELAY: u64 = SECOND;
const RETRY: std::ops::Range<u64> = SECOND..MINUTE;
const FIRST_UPKEEP: u64 = 10 * MINUTE;

/// The most that a crash may cost of the time in which we were running and could store.
pub(crate) const MOST_LOST: u64 = HEARTBEAT + COMMIT_DELAY;

pub(crate) fn at(ns: u64) -> Timestamp {
    Timestamp::from_nanos(ns)
}

pub(crate) struct Embedder {
    config: TrackerConfig,
    retention: Retention,
    pub(crate) disk: Disk,
    pub(crate) facts: Vec<Fact>,
    pub(crate) process: Option<Process>,
    /// By how much the wall clock is ahead of the truth.
    pub(crate) wall_ahead: i64,
    /// Nothing can be stored.
    pub(crate) disk_is_broken: bool,
    stored: usize,
    stored_at: u64,
    /// Time that crashes cost so far.
    pub(crate) lost: u64,
    /// Sleeps that nobody can find out about, as the wall clock had been set back by more before.
    pub(crate) unnoticed: Vec<(u64, u64)>,
}

/// A process. All its times are true ones but those of the service; after a sleep they are moved, as
/// its timers did not run.
pub(crate) struct Process {
    pub(crate) tracker: Tracker,
    wall_at_start: u64,
    started: u64,
    jumped: u64,
    /// By the clock of the service, and truly.
    well: (u64, u64),
    now: u64,
    halted: Option<u64>,
    pulse: u64,
    heartbeat: u64,
    upkeep: u64,
    commit: Option<u64>,
    retry: Option<u64>,
    retry_wait: u64,
    grace: Option<u64>,
    /// When it was last stored, or started.
    stored_at: u64,
    halted_since_stored: u64,
    failed_to_store: bool,
}

impl Process {
    /// What the clock of the service reads.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        self.wall_at_start + (now - self.started) + self.jumped
    }

    fn wake_at(&self) -> u64 {
        let stores = self.retry.or(self.commit).unwrap_or(self.heartbeat);
        let grace = self.grace.unwrap_or(u64::MAX);
        stores.min(grace).min(self.heartbeat).min(self.pulse).min(self.upkeep)
    }

    fn plan(&mut self, now: u64) {
        let clock = self.clock(now);
        let left = |deadline: Timestamp| now + deadline.as_nanos().saturating_sub(clock);
        self.commit = self.tracker.commit_deadline().map(left);
        self.grace = self.tracker.reconnect_grace_deadline().map(left);
    }

    /// While nothing is going to happen, only the last sign of life matters.
    fn skip(&mut self, until: u64) {
        let is_quiet = self.commit.is_none() && self.retry.is_none() && self.grace.is_none();
        let until = until.min(self.upkeep);
        let skip = |timer: &mut u64, period: u64| *timer += until.saturating_sub(*timer) / period * period;
        if is_quiet {
            skip(&mut self.heartbeat, HEARTBEAT);
        }
        let next = self.commit.into_iter().chain(self.retry).chain(self.grace).min();
        let until = until.min(next.unwrap_or(u64::MAX)).min(self.heartbeat);
        let pulses = until.saturating_sub(self.pulse) / PULSE;
        if pulses > 0 {
            self.pulse += pulses * PULSE;
            let last = self.pulse - PULSE;
            self.well = self.well.max((self.clock(last), last));
        }
    }
}

impl Embedder {
    pub(crate) fn new(config: TrackerConfig, retention: Retention) -> Self {
        Self {
            config: config.with_retention(retention),
            retention,
            disk: Disk::default(),
            facts: Vec::new(),
            process: None,
            wall_ahead: 0,
            disk_is_broken: false,
            stored: 0,
            stored_at: 0,
            lost: 0,
            unnoticed: Vec::new(),
        }
    }

    fn wall(&self, now: u64) -> u64 {
        now.checked_add_signed(self.wall_ahead).expect("no clock reads a time before 1970")
    }

    pub(crate) fn start(&mut self, now: u64) {
        let (mut tracker, wall) = (self.disk.load(self.config), self.wall(now));
        tracker.advance(at(wall));
        self.facts.push(Fact::Started { at: now, wall });
        let unnoticed = self.unnoticed.iter_mut().filter(|sleep| sleep.1 == u64::MAX);
        unnoticed.for_each(|sleep| sleep.1 = now + 5 * MINUTE);
        let commit = tracker.is_dirty().then_some(now + COMMIT_DELAY);
        let mut process = Process {
            tracker,
            wall_at_start: wall,
            started: now,
            jumped: 0,
            well: (wall, now),
            now,
            halted: None,
            pulse: now + PULSE,
            heartbeat: now + HEARTBEAT,
            upkeep: now + FIRST_UPKEEP,
            commit: None,
            retry: None,
            retry_wait: RETRY.start,
            grace: None,
            stored_at: now,
            halted_since_stored: 0,
            failed_to_store: false,
        };
        process.plan(now);
        process.commit = commit;
        self.process = Some(process);
    }

    /// Ends it as it is.
    pub(crate) fn crash(&mut self, now: u64) {
        let Some(process) = self.process.take() else { return };
        let ran_until = process.halted.unwrap_or(now);
        let lost = ran_until - process.stored_at - process.halted_since_stored;
        assert!(lost <= MOST_LOST || process.failed_to_store, "a crash cost {lost} ns");
        self.lost += lost;
        // What a restart makes of it nobody can find out about, either.
        self.unnoticed.iter_mut().filter(|sleep| sleep.1 > now).for_each(|sleep| sleep.1 = u64::MAX);
        self.facts.push(Fact::Ended { stored_at: self.stored_at, stored: self.stored });
    }

    /// Ends it with everything stored, if that can be.
    pub(crate) fn stop(&mut self, now: u64) {
        self.commit(now);
        self.crash(now);
    }

    /// From now on the process does not run.
    pub(crate) fn halt(&mut self, now: u64) {
        if let Some(process) = &mut self.process {
            process.halted = Some(now);
        }
    }

    /// It runs again. After a sleep its clock and its timers have stood still.
    pub(crate) fn go_on(&mut self, now: u64, slept: bool) {
        let Some(process) = &mut self.process else { return };
        let Some(halted) = process.halted.take() else { return };
        let by = now - halted;
        process.now = now;
        process.halted_since_stored += by;
        if slept {
            let timers =
                [&mut process.started, &mut process.pulse, &mut process.heartbeat, &mut process.upkeep];
            for timer in timers.into_iter().chain(&mut process.commit).chain(&mut process.retry) {
                *timer += by;
            }
            process.grace.iter_mut().for_each(|grace| *grace += by);
            self.facts.push(Fact::Slept { from: halted, to: now });
            let clock = process.clock(now);
            if self.wall(now) <= clock + LATE {
                self.unnoticed.push((halted - 2 * MINUTE, now + 5 * MINUTE));
            }
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.halted.is_none())
    }

    /// Everything that is due until then.
    pub(crate) fn run_until(&mut self, now: u64) {
        while let Some(process) = self.process.as_mut().filter(|process| process.halted.is_none()) {
            let next = process.wake_at();
            if next > now {
                process.now = now;
                return;
            }
            let next = next.max(process.now);
            process.now = next;
            self.on_time(next);
            if let Some(process) = &mut self.process {
                process.skip(now);
            }
        }
    }

    fn on_time(&mut self, now: u64) {
        let Some(process) = &mut self.process else { return };
        if now >= process.pulse {
            process.pulse = now + PULSE;
            self.pulse(now);
        }
        let Some(process) = &mut self.process else { return };
        if process.grace.is_some_and(|grace| now >= grace) {
            self.change(now, |embedder| {
                let clock = embedder.well(now);
                embedder.tracker().advance(at(clock));
            });
            self.tracker_plan(now);
        }
        let Some(process) = &mut self.process else { return };
        let beat = now >= process.heartbeat;
        if beat {
            process.heartbeat = now + HEARTBEAT;
        }
        let due = match (process.retry, process.commit) {
            (Some(retry), _) => now >= retry,
            (None, Some(commit)) => now >= commit,
            (None, None) => beat,
        };
        if due {
            self.commit(now);
        }
        if self.process.as_ref().is_some_and(|process| now >= process.upkeep) {
            self.upkeep(now);
        }
    }

    fn tracker(&mut self) -> &mut Tracker {
        &mut self.process.as_mut().expect("it runs").tracker
    }

    fn tracker_plan(&mut self, now: u64) {
        self.process.as_mut().expect("it runs").plan(now);
    }

    fn change(&mut self, now: u64, change: impl FnOnce(&mut Self)) {
        let (was_dirty, grace) = (self.tracker().is_dirty(), self.tracker().reconnect_grace_deadline());
        change(self);
        if !was_dirty && self.tracker().is_dirty() || grace != self.tracker().reconnect_grace_deadline() {
            self.tracker_plan(now);
        }
    }

    /// What the clock reads to a process that is running; if it was not, the tracker hears that first.
    fn well(&mut self, now: u64) -> u64 {
        let process = self.process.as_mut().expect("it runs");
        let (clock, well) = (process.clock(now), process.well);
        process.well = well.max((clock, now));
        if clock.saturating_sub(well.0) > LATE {
            process.tracker.apply(at(clock), &Event::Unobserved { since: at(well.0) });
            self.facts.push(Fact::Held { since: well.1, at: now });
        }
        clock
    }

    /// What the clock reads from now on, if the wall clock was ahead.
    fn follow_wall_clock(&mut self, now: u64, clock: u64) -> Option<u64> {
        let wall = self.wall(now);
        let ahead = wall.saturating_sub(clock);
        if ahead <= LATE {
            return None;
        }
        let process = self.process.as_mut().expect("it runs");
        process.jumped += ahead;
        process.tracker.apply(at(clock), &Event::ClockSet { to: at(wall) });
        process.well = (wall, now);
        self.facts.push(Fact::ClockSet { at: now, wall });
        Some(wall)
    }

    fn pulse(&mut self, now: u64) {
        self.change(now, |embedder| {
            let clock = embedder.well(now);
            let clock = embedder.follow_wall_clock(now, clock).unwrap_or(clock);
            embedder.tracker().advance(at(clock));
        });
    }

    /// What the node says, with a time stamp that is `late` old.
    pub(crate) fn tell(&mut self, now: u64, word: &Word, late: u64) {
        self.change(now, |embedder| {
            let clock = embedder.well(now);
            let jumped = match word {
                Word::Up(_) => None,
                _ => embedder.follow_wall_clock(now, clock),
            };
            let clock = jumped.unwrap_or(clock);
            if late > 0 {
                embedder.tracker().advance(at(clock));
                embedder.facts.push(Fact::Disorder);
            }
            embedder.tracker().apply(at(clock - late), &event(word, clock));
            embedder.facts.push(Fact::Told { at: now, word: word.clone() });
        });
    }

    fn commit(&mut self, now: u64) {
        let clock = self.well(now);
        let process = self.process.as_mut().expect("it runs");
        let (observer, mut changes) = (process.tracker.observer_record(at(clock)), UnsavedChanges::default());
        while process.tracker.drain_changes(3, &mut changes) {}
        if self.disk_is_broken {
            process.failed_to_store = true;
            process.tracker.requeue(&changes);
            process.retry = Some(now + process.retry_wait);
            process.retry_wait = (process.retry_wait * 2).min(RETRY.end);
        } else {
            process.tracker.mark_stored(&changes);
            self.disk.write(changes, observer);
            (self.stored, self.stored_at) = (self.facts.len(), now);
            (process.retry, process.retry_wait) = (None, RETRY.start);
            process.heartbeat = now + HEARTBEAT;
            (process.stored_at, process.halted_since_stored, process.failed_to_store) = (now, 0, false);
        }
        process.plan(now);
    }

    fn upkeep(&mut self, now: u64) {
        let retention = self.retention;
        self.change(now, |embedder| {
            let process = embedder.process.as_mut().expect("it runs");
            process.upkeep = now + DAY;
            let (clock, mut place) = (process.clock(now), Some(0));
            while let Some(from) = place {
                place = process.tracker.forget_expired(at(clock), from, 5);
            }
            let (mut logs, mut place) = (Vec::new(), Some(0));
            while let Some(from) = place {
                let (some, next) = process.tracker.stored_logs(from, 5);
                logs.extend(some);
                place = next;
            }
            for log in logs {
                let stored = embedder.disk.older_part(&log);
                if let Some(kept) = process.tracker.downsampled(at(clock), &log, &stored) {
                    embedder.disk.replace(&log, kept);
                }
                let left =
                    embedder.disk.older_part(&log).iter().map(|segment| segment.entries.len()).sum::<usize>();
                let most = retention.max_entries() + 64;
                assert!(left <= most, "{left} entries are left of a log, more than {most}");
            }
            embedder.facts.push(Fact::Upkeep { at: now });
        });
    }
}

fn event(word: &Word, clock: u64) -> Event {
    let opened = |channel: Channel| ChannelOpened {
        channel_id: channel_id(channel),
        node_id: node_id(channel.peer),
        funding: Some(outpoint(channel, 0)),
        online: Some(true),
    };
    match word {
        Word::Up(peer) => Event::PeerOnline { node_id: node_id(*peer) },
        Word::Down(peer) => Event::PeerOffline { node_id: node_id(*peer) },
        Word::Opened(channel) => Event::ChannelOpened(opened(*channel)),
        Word::Closed(channel) => Event::ChannelClosed { channel_id: channel_id(*channel) },
        Word::Spliced(channel, funding) => {
            Event::FundingChanged { channel_id: channel_id(*channel), funding: *funding }
        }
        Word::Usable(channel, usable) => {
            Event::ChannelUsable { channel_id: channel_id(*channel), usable: *usable }
        }
        Word::Watched(peer) => Event::Watch { node_id: node_id(*peer) },
        Word::Paused => Event::ObservationPaused,
        Word::Resumed => Event::ObservationResumed,
        Word::Listed(Listed { connected, channels, dated }) => {
            let open = |(channel, funding, usable): &(Channel, _, bool)| OpenChannel {
                channel_id: channel_id(*channel),
                node_id: node_id(channel.peer),
                funding: Some(*funding),
                usable: Some(*usable),
            };
            Event::Snapshot(Snapshot {
                channels: channels.iter().map(open).collect(),
                connected: connected.iter().map(|peer| node_id(*peer)).collect(),
                taken_at: dated.then_some(at(clock)),
            })
        }
    }
}
