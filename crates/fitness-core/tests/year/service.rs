//! A simulation of the service that drives the tracker: its clocks, its commits with retries, its heartbeats,
//! its check for stalls and its daily maintenance. Timers that would change nothing are skipped.

use fitness_core::{
    ChannelOpened, Event, OpenChannel, Retention, Snapshot, Timestamp, Tracker, TrackerConfig, UnsavedChanges,
};

use crate::facts::Fact;
use crate::peers::Intervals;
use crate::script::{Channel, NodeEvent, NodeSnapshot, channel_id, node_id, outpoint};
use crate::store::Store;
use crate::time::{DAY, MINUTE, SECOND};

/// How often the service checks its clocks.
const CLOCK_CHECK_INTERVAL: u64 = 5 * SECOND;
/// A longer interval between two clock readings is a stall.
const MAX_DELAY: u64 = 2 * CLOCK_CHECK_INTERVAL;
const HEARTBEAT_INTERVAL: u64 = MINUTE;
const COMMIT_DELAY: u64 = SECOND;
const RETRY_BACKOFF: std::ops::Range<u64> = SECOND..MINUTE;
const FIRST_MAINTENANCE: u64 = 10 * MINUTE;

/// The maximum observed time that a crash may lose while commits succeed.
const MAX_CRASH_LOSS: u64 = HEARTBEAT_INTERVAL + COMMIT_DELAY;

pub(crate) fn at(ns: u64) -> Timestamp {
    Timestamp::from_nanos(ns)
}

pub(crate) struct SimulatedService {
    config: TrackerConfig,
    retention: Retention,
    pub(crate) store: Store,
    pub(crate) facts: Vec<Fact>,
    pub(crate) process: Option<Process>,
    /// By how much the wall clock is ahead of true time.
    pub(crate) wall_clock_offset: i64,
    pub(crate) store_fails: bool,
    /// The number of facts at the last commit.
    committed_facts: usize,
    last_commit_at: u64,
    /// The observed time that all crashes have lost so far.
    pub(crate) crash_loss: u64,
    /// Suspensions that the service cannot detect, because the wall clock had been set back by more than
    /// their duration.
    pub(crate) undetectable_suspensions: Intervals,
}

/// A process. All times are true time, except for those of its own clock. A suspension stops the timers, so
/// their times are moved by its duration.
pub(crate) struct Process {
    pub(crate) tracker: Tracker,
    wall_at_start: u64,
    started_at: u64,
    /// The sum of the forward steps by which the process has followed the wall clock.
    clock_steps: u64,
    /// The last reading of the process's clock, and the true time of that reading.
    last_reading: (u64, u64),
    now: u64,
    halted_at: Option<u64>,
    next_clock_check: u64,
    next_heartbeat: u64,
    next_maintenance: u64,
    commit_deadline: Option<u64>,
    retry_at: Option<u64>,
    retry_backoff: u64,
    grace_deadline: Option<u64>,
    /// The time of the last commit, or of the start.
    last_commit_at: u64,
    halted_since_commit: u64,
    last_commit_failed: bool,
}

impl Process {
    /// Returns the reading of the process's clock at a true time.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        self.wall_at_start + (now - self.started_at) + self.clock_steps
    }

    fn next_timer(&self) -> u64 {
        let commit = self.retry_at.or(self.commit_deadline).unwrap_or(self.next_heartbeat);
        let grace = self.grace_deadline.unwrap_or(u64::MAX);
        commit.min(grace).min(self.next_heartbeat).min(self.next_clock_check).min(self.next_maintenance)
    }

    /// Sets the timers to the tracker's deadlines.
    fn update_deadlines(&mut self, now: u64) {
        let clock = self.clock(now);
        let to_true_time = |deadline: Timestamp| now + deadline.as_nanos().saturating_sub(clock);
        self.commit_deadline = self.tracker.commit_deadline().map(to_true_time);
        self.grace_deadline = self.tracker.reconnect_grace_deadline().map(to_true_time);
    }

    /// Skips heartbeats and clock checks before `until` that would change nothing.
    fn skip_idle_timers(&mut self, until: u64) {
        let is_idle =
            self.commit_deadline.is_none() && self.retry_at.is_none() && self.grace_deadline.is_none();
        let until = until.min(self.next_maintenance);
        if is_idle {
            let skipped = until.saturating_sub(self.next_heartbeat) / HEARTBEAT_INTERVAL;
            self.next_heartbeat += skipped * HEARTBEAT_INTERVAL;
        }
        let deadlines = self.commit_deadline.into_iter().chain(self.retry_at).chain(self.grace_deadline);
        let until = until.min(deadlines.min().unwrap_or(u64::MAX)).min(self.next_heartbeat);
        let skipped = until.saturating_sub(self.next_clock_check) / CLOCK_CHECK_INTERVAL;
        if skipped > 0 {
            self.next_clock_check += skipped * CLOCK_CHECK_INTERVAL;
            let last = self.next_clock_check - CLOCK_CHECK_INTERVAL;
            self.last_reading = self.last_reading.max((self.clock(last), last));
        }
    }
}

impl SimulatedService {
    pub(crate) fn new(config: TrackerConfig, retention: Retention) -> Self {
        Self {
            config: config.with_retention(retention),
            retention,
            store: Store::default(),
            facts: Vec::new(),
            process: None,
            wall_clock_offset: 0,
            store_fails: false,
            committed_facts: 0,
            last_commit_at: 0,
            crash_loss: 0,
            undetectable_suspensions: Vec::new(),
        }
    }

    fn wall_clock(&self, now: u64) -> u64 {
        now.checked_add_signed(self.wall_clock_offset).expect("the wall clock reads a time after 1970")
    }

    pub(crate) fn start(&mut self, now: u64) {
        let (mut tracker, wall) = (self.store.load_tracker(self.config), self.wall_clock(now));
        tracker.advance(at(wall));
        self.facts.push(Fact::Started { at: now, wall });
        let open_ended = self.undetectable_suspensions.iter_mut().filter(|interval| interval.1 == u64::MAX);
        open_ended.for_each(|interval| interval.1 = now + 5 * MINUTE);
        let commit_deadline = tracker.is_dirty().then_some(now + COMMIT_DELAY);
        let mut process = Process {
            tracker,
            wall_at_start: wall,
            started_at: now,
            clock_steps: 0,
            last_reading: (wall, now),
            now,
            halted_at: None,
            next_clock_check: now + CLOCK_CHECK_INTERVAL,
            next_heartbeat: now + HEARTBEAT_INTERVAL,
            next_maintenance: now + FIRST_MAINTENANCE,
            commit_deadline: None,
            retry_at: None,
            retry_backoff: RETRY_BACKOFF.start,
            grace_deadline: None,
            last_commit_at: now,
            halted_since_commit: 0,
            last_commit_failed: false,
        };
        process.update_deadlines(now);
        process.commit_deadline = commit_deadline;
        self.process = Some(process);
    }

    /// Ends the process without a commit.
    pub(crate) fn crash(&mut self, now: u64) {
        let Some(process) = self.process.take() else { return };
        let ran_until = process.halted_at.unwrap_or(now);
        let loss = ran_until - process.last_commit_at - process.halted_since_commit;
        assert!(loss <= MAX_CRASH_LOSS || process.last_commit_failed, "the crash lost {loss} ns");
        self.crash_loss += loss;
        // The effects of an undetectable suspension last until after the next start.
        let ongoing = self.undetectable_suspensions.iter_mut().filter(|interval| interval.1 > now);
        ongoing.for_each(|interval| interval.1 = u64::MAX);
        self.facts
            .push(Fact::Ended { last_commit_at: self.last_commit_at, committed_facts: self.committed_facts });
    }

    /// Commits everything, unless the store fails, and ends the process.
    pub(crate) fn stop(&mut self, now: u64) {
        self.commit(now);
        self.crash(now);
    }

    /// Suspends or stalls the process.
    pub(crate) fn halt(&mut self, now: u64) {
        if let Some(process) = &mut self.process {
            process.halted_at = Some(now);
        }
    }

    /// Continues the process. If it `was_suspended`, its clock and timers have stood still.
    pub(crate) fn resume(&mut self, now: u64, was_suspended: bool) {
        let Some(process) = &mut self.process else { return };
        let Some(halted_at) = process.halted_at.take() else { return };
        let duration = now - halted_at;
        process.now = now;
        process.halted_since_commit += duration;
        if was_suspended {
            let timers = [
                &mut process.started_at,
                &mut process.next_clock_check,
                &mut process.next_heartbeat,
                &mut process.next_maintenance,
            ];
            for timer in timers.into_iter().chain(&mut process.commit_deadline).chain(&mut process.retry_at) {
                *timer += duration;
            }
            process.grace_deadline.iter_mut().for_each(|deadline| *deadline += duration);
            self.facts.push(Fact::Suspended { from: halted_at, to: now });
            let clock = process.clock(now);
            if self.wall_clock(now) <= clock + MAX_DELAY {
                self.undetectable_suspensions.push((halted_at - 2 * MINUTE, now + 5 * MINUTE));
            }
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.halted_at.is_none())
    }

    /// Runs all timers that are due until `now`.
    pub(crate) fn run_until(&mut self, now: u64) {
        while let Some(process) = self.process.as_mut().filter(|process| process.halted_at.is_none()) {
            let next = process.next_timer();
            if next > now {
                process.now = now;
                return;
            }
            let next = next.max(process.now);
            process.now = next;
            self.run_due_timers(next);
            if let Some(process) = &mut self.process {
                process.skip_idle_timers(now);
            }
        }
    }

    fn run_due_timers(&mut self, now: u64) {
        let Some(process) = &mut self.process else { return };
        if now >= process.next_clock_check {
            process.next_clock_check = now + CLOCK_CHECK_INTERVAL;
            self.check_clocks(now);
        }
        let Some(process) = &mut self.process else { return };
        if process.grace_deadline.is_some_and(|deadline| now >= deadline) {
            self.change_tracker(now, |service| {
                let clock = service.read_clock(now);
                service.tracker().advance(at(clock));
            });
            self.update_deadlines(now);
        }
        let Some(process) = &mut self.process else { return };
        let heartbeat_due = now >= process.next_heartbeat;
        if heartbeat_due {
            process.next_heartbeat = now + HEARTBEAT_INTERVAL;
        }
        let commit_due = match (process.retry_at, process.commit_deadline) {
            (Some(retry_at), _) => now >= retry_at,
            (None, Some(deadline)) => now >= deadline,
            (None, None) => heartbeat_due,
        };
        if commit_due {
            self.commit(now);
        }
        if self.process.as_ref().is_some_and(|process| now >= process.next_maintenance) {
            self.run_maintenance(now);
        }
    }

    fn tracker(&mut self) -> &mut Tracker {
        &mut self.process.as_mut().expect("the process runs").tracker
    }

    fn update_deadlines(&mut self, now: u64) {
        self.process.as_mut().expect("the process runs").update_deadlines(now);
    }

    /// Calls `change`, and updates the deadlines if it changed them.
    fn change_tracker(&mut self, now: u64, change: impl FnOnce(&mut Self)) {
        let (was_dirty, deadline) = (self.tracker().is_dirty(), self.tracker().reconnect_grace_deadline());
        change(self);
        if !was_dirty && self.tracker().is_dirty() || deadline != self.tracker().reconnect_grace_deadline() {
            self.update_deadlines(now);
        }
    }

    /// Returns the reading of the process's clock. If the last reading was long ago, the process was stalled;
    /// the tracker receives that first.
    fn read_clock(&mut self, now: u64) -> u64 {
        let process = self.process.as_mut().expect("the process runs");
        let (clock, last) = (process.clock(now), process.last_reading);
        process.last_reading = last.max((clock, now));
        if clock.saturating_sub(last.0) > MAX_DELAY {
            process.tracker.apply(at(clock), &Event::Unobserved { since: at(last.0) });
            self.facts.push(Fact::Stalled { since: last.1, at: now });
        }
        clock
    }

    /// Steps the process's clock forward to the wall clock if that is ahead, and returns the new reading.
    fn follow_wall_clock(&mut self, now: u64, clock: u64) -> Option<u64> {
        let wall = self.wall_clock(now);
        let step = wall.saturating_sub(clock);
        if step <= MAX_DELAY {
            return None;
        }
        let process = self.process.as_mut().expect("the process runs");
        process.clock_steps += step;
        process.tracker.apply(at(clock), &Event::ClockSet { to: at(wall) });
        process.last_reading = (wall, now);
        self.facts.push(Fact::ClockSet { at: now, wall });
        Some(wall)
    }

    fn check_clocks(&mut self, now: u64) {
        self.change_tracker(now, |service| {
            let clock = service.read_clock(now);
            let clock = service.follow_wall_clock(now, clock).unwrap_or(clock);
            service.tracker().advance(at(clock));
        });
    }

    /// Records an event of the node, with a timestamp that is `delay` nanoseconds old.
    pub(crate) fn record(&mut self, now: u64, event: &NodeEvent, delay: u64) {
        self.change_tracker(now, |service| {
            let clock = service.read_clock(now);
            let stepped = match event {
                NodeEvent::Connected(_) => None,
                _ => service.follow_wall_clock(now, clock),
            };
            let clock = stepped.unwrap_or(clock);
            if delay > 0 {
                service.tracker().advance(at(clock));
                service.facts.push(Fact::Reordered);
            }
            service.tracker().apply(at(clock - delay), &tracker_event(event, clock));
            service.facts.push(Fact::Reported { at: now, event: event.clone() });
        });
    }

    fn commit(&mut self, now: u64) {
        let clock = self.read_clock(now);
        let process = self.process.as_mut().expect("the process runs");
        let (observer, mut changes) = (process.tracker.observer_record(at(clock)), UnsavedChanges::default());
        while process.tracker.drain_changes(3, &mut changes) {}
        if self.store_fails {
            process.last_commit_failed = true;
            process.tracker.requeue(&changes);
            process.retry_at = Some(now + process.retry_backoff);
            process.retry_backoff = (process.retry_backoff * 2).min(RETRY_BACKOFF.end);
        } else {
            process.tracker.mark_stored(&changes);
            self.store.commit(changes, observer);
            (self.committed_facts, self.last_commit_at) = (self.facts.len(), now);
            (process.retry_at, process.retry_backoff) = (None, RETRY_BACKOFF.start);
            process.next_heartbeat = now + HEARTBEAT_INTERVAL;
            process.last_commit_at = now;
            process.halted_since_commit = 0;
            process.last_commit_failed = false;
        }
        process.update_deadlines(now);
    }

    /// Deletes expired peers and downsamples logs.
    fn run_maintenance(&mut self, now: u64) {
        let retention = self.retention;
        self.change_tracker(now, |service| {
            let process = service.process.as_mut().expect("the process runs");
            process.next_maintenance = now + DAY;
            let (clock, mut cursor) = (process.clock(now), Some(0));
            while let Some(from) = cursor {
                cursor = process.tracker.forget_expired(at(clock), from, 5);
            }
            let (mut logs, mut cursor) = (Vec::new(), Some(0));
            while let Some(from) = cursor {
                let (page, next) = process.tracker.stored_logs(from, 5);
                logs.extend(page);
                cursor = next;
            }
            for log in logs {
                let stored = service.store.final_segments(&log);
                if let Some(downsampled) = process.tracker.downsampled(at(clock), &log, &stored) {
                    service.store.replace_final_segments(&log, downsampled);
                }
                let segments = service.store.final_segments(&log);
                let entries = segments.iter().map(|segment| segment.entries.len()).sum::<usize>();
                let max_entries = retention.max_entries() + 64;
                assert!(
                    entries <= max_entries,
                    "a downsampled log has {entries} entries, max. {max_entries}"
                );
            }
            service.facts.push(Fact::MaintenanceRan { at: now });
        });
    }
}

fn tracker_event(event: &NodeEvent, clock: u64) -> Event {
    let opened = |channel: Channel| ChannelOpened {
        channel_id: channel_id(channel),
        node_id: node_id(channel.peer),
        funding: Some(outpoint(channel, 0)),
        online: Some(true),
    };
    match event {
        NodeEvent::Connected(peer) => Event::PeerOnline { node_id: node_id(*peer) },
        NodeEvent::Disconnected(peer) => Event::PeerOffline { node_id: node_id(*peer) },
        NodeEvent::ChannelOpened(channel) => Event::ChannelOpened(opened(*channel)),
        NodeEvent::ChannelClosed(channel) => Event::ChannelClosed { channel_id: channel_id(*channel) },
        NodeEvent::FundingChanged(channel, funding) => {
            Event::FundingChanged { channel_id: channel_id(*channel), funding: *funding }
        }
        NodeEvent::ChannelUsable(channel, usable) => {
            Event::ChannelUsable { channel_id: channel_id(*channel), usable: *usable }
        }
        NodeEvent::Watch(peer) => Event::Watch { node_id: node_id(*peer) },
        NodeEvent::Paused => Event::ObservationPaused,
        NodeEvent::Resumed => Event::ObservationResumed,
        NodeEvent::Snapshot(NodeSnapshot { connected, channels, has_time }) => {
            let open = |(channel, funding, usable): &(Channel, _, bool)| OpenChannel {
                channel_id: channel_id(*channel),
                node_id: node_id(channel.peer),
                funding: Some(*funding),
                usable: Some(*usable),
            };
            Event::Snapshot(Snapshot {
                channels: channels.iter().map(open).collect(),
                connected: connected.iter().map(|peer| node_id(*peer)).collect(),
                taken_at: has_time.then_some(at(clock)),
            })
        }
    }
}
