//! Records when the observer was monitoring, and when and why monitoring was interrupted.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Tracker;
use crate::report::availability;
use crate::{Change, Coverage, Gap, GapCause, GapRecord, GapTotals, ObserverRecord, Timestamp};

/// The maximum number of gaps in memory: a phone that sleeps every 15 minutes produces them in six weeks.
const MAX_RECENT_GAPS: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Monitoring {
    /// The start of this process; before its first event, the start of the previous process.
    started_at_ns: Option<u64>,
    has_started: bool,
    first_started_at_ns: Option<u64>,
    starts: u32,
    /// The last time at which the previous process is known to have been monitoring.
    previous_heartbeat_ns: Option<u64>,
    totals: [GapTotals; 4],
    ongoing_gap: Option<(GapCause, u64)>,
    /// The latest gaps that have ended, oldest first.
    recent_gaps: VecDeque<GapRecord>,
    /// The number of gaps that have ended.
    gap_count: u32,
    unsaved_gaps: Vec<GapRecord>,
}

impl Monitoring {
    pub(super) fn resume(&mut self, record: &ObserverRecord, latest: &[GapRecord]) {
        self.started_at_ns = Some(record.started_at_ns);
        self.first_started_at_ns = Some(record.first_started_at_ns);
        self.starts = record.starts;
        self.previous_heartbeat_ns = Some(record.last_heartbeat_ns.max(record.started_at_ns));
        self.totals = record.gap_totals;
        self.ongoing_gap = record.ongoing_gap;
        self.gap_count = record.gap_count;
        // Gaps that were stored without their observer record are not a part of this history.
        self.recent_gaps.extend(latest.iter().copied().filter(|gap| gap.number < record.gap_count));
        self.trim();
    }

    pub(super) fn resumed_from_ns(&self) -> u64 {
        self.previous_heartbeat_ns.unwrap_or(0)
    }

    pub(super) fn has_started(&self) -> bool {
        self.has_started
    }

    /// Removes and returns the gaps that are not stored yet.
    pub(super) fn take_unsaved(&mut self) -> Vec<GapRecord> {
        core::mem::take(&mut self.unsaved_gaps)
    }

    pub(super) fn requeue(&mut self, gaps: &[GapRecord]) {
        self.unsaved_gaps.splice(0..0, gaps.iter().copied());
    }

    pub(super) fn has_unsaved(&self) -> bool {
        !self.unsaved_gaps.is_empty()
    }

    fn push_gap(&mut self, cause: GapCause, from_ns: u64, to_ns: u64) -> GapRecord {
        let gap = GapRecord { number: self.gap_count, cause, from_ns, to_ns: to_ns.max(from_ns) };
        self.gap_count = self.gap_count.saturating_add(1);
        if let Some(totals) = self.totals.get_mut(cause as usize) {
            totals.add(gap.to_ns - gap.from_ns);
        }
        self.recent_gaps.push_back(gap);
        self.trim();
        self.unsaved_gaps.push(gap);
        gap
    }

    fn trim(&mut self) {
        let excess = self.recent_gaps.len().saturating_sub(MAX_RECENT_GAPS);
        self.recent_gaps.drain(..excess);
    }
}

impl Tracker {
    /// Handles the first event of this process, at `at_ns`.
    pub(super) fn start_monitoring(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.monitoring.has_started = true;
        self.monitoring.started_at_ns = Some(at_ns);
        self.monitoring.first_started_at_ns.get_or_insert(at_ns);
        self.monitoring.starts = self.monitoring.starts.saturating_add(1);
        let Some(until_ns) = self.monitoring.previous_heartbeat_ns else { return };
        // A gap that was ongoing at the last heartbeat ended there; the next gap begins.
        self.end_gap(until_ns, on_change);
        self.record_past_gap(GapCause::NotRunning, until_ns, at_ns, on_change);
    }

    /// Records a gap that has already ended. Within an ongoing gap it is a part of that gap.
    pub(super) fn record_past_gap(
        &mut self,
        cause: GapCause,
        from_ns: u64,
        to_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        if self.monitoring.ongoing_gap.is_none() {
            let gap = self.monitoring.push_gap(cause, from_ns, to_ns);
            self.start_commit_delay();
            on_change(Change::GapEnded(self.gap(gap, false)));
        }
    }

    /// Begins a gap. It ends the ongoing gap, if there is one.
    pub(super) fn begin_gap(&mut self, cause: GapCause, from_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.end_gap(from_ns, on_change);
        self.monitoring.ongoing_gap = Some((cause, from_ns));
        self.start_commit_delay();
        on_change(Change::GapBegan { cause, at: self.clock.to_wall_clock(from_ns) });
    }

    pub(super) fn end_gap(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if let Some((cause, from_ns)) = self.monitoring.ongoing_gap.take() {
            let gap = self.monitoring.push_gap(cause, from_ns, at_ns);
            self.start_commit_delay();
            on_change(Change::GapEnded(self.gap(gap, false)));
        }
    }

    fn gap(&self, gap: GapRecord, ongoing: bool) -> Gap {
        Gap {
            cause: gap.cause,
            from: self.clock.to_wall_clock(gap.from_ns),
            to: self.clock.to_wall_clock(gap.to_ns),
            ongoing,
        }
    }

    /// Returns the monitoring coverage up to `at`; `None` before the first event of the first process.
    #[must_use]
    pub fn coverage(&self, at: Timestamp) -> Option<Coverage> {
        let now_ns = self.clock.peek(at);
        let (first_ns, started_ns) = (self.monitoring.first_started_at_ns?, self.monitoring.started_at_ns?);
        let ongoing_ns = self.monitoring.ongoing_gap.map_or(0, |(_, from_ns)| now_ns.saturating_sub(from_ns));
        let gaps_ns = self
            .monitoring
            .totals
            .iter()
            .fold(ongoing_ns, |sum, totals| sum.saturating_add(totals.length_ns));
        let lifetime_ns = now_ns.saturating_sub(first_ns);
        let monitored_ns = lifetime_ns.saturating_sub(gaps_ns);
        let [not_running, suspended, network_down, paused] = self.monitoring.totals;
        Some(Coverage {
            first_started_at: self.clock.to_wall_clock(first_ns),
            started_at: self.clock.to_wall_clock(started_ns),
            starts: self.monitoring.starts,
            lifetime_ns,
            monitored_ns,
            coverage: availability(monitored_ns, lifetime_ns),
            not_running,
            suspended,
            network_down,
            paused,
            ongoing_gap: self.ongoing_gap(now_ns),
        })
    }

    fn ongoing_gap(&self, now_ns: u64) -> Option<Gap> {
        let (cause, from_ns) = self.monitoring.ongoing_gap?;
        let record =
            GapRecord { number: self.monitoring.gap_count, cause, from_ns, to_ns: now_ns.max(from_ns) };
        Some(self.gap(record, true))
    }

    /// Returns the gaps that overlap `[from, to)`, oldest first, including an ongoing gap.
    ///
    /// `at` is the time of the query. Pass in `older` the stored gaps with numbers below
    /// [`Tracker::first_gap_number`]; others are ignored, because they are in memory.
    ///
    /// O(n) in the number of gaps in memory and in `older`.
    #[must_use]
    pub fn gaps(&self, at: Timestamp, older: &[GapRecord], from: Timestamp, to: Timestamp) -> Vec<Gap> {
        let mut clock = self.clock;
        let now_ns = clock.advance(at);
        let (from_ns, to_ns) = (clock.to_tracker_time(from), clock.to_tracker_time(to));
        let older = older.iter().filter(|gap| gap.number < self.first_gap_number());
        older
            .chain(&self.monitoring.recent_gaps)
            .filter(|gap| gap.from_ns < to_ns && from_ns < gap.to_ns.max(gap.from_ns.saturating_add(1)))
            .map(|gap| Gap {
                cause: gap.cause,
                from: clock.to_wall_clock(gap.from_ns),
                to: clock.to_wall_clock(gap.to_ns),
                ongoing: false,
            })
            .chain(self.ongoing_gap(now_ns).filter(|gap| gap.from < to && from < gap.to))
            .collect()
    }

    /// Returns the sequence number of the oldest gap in memory. Gaps with lower numbers are only in the
    /// store.
    #[must_use]
    pub fn first_gap_number(&self) -> u32 {
        let held = u32::try_from(self.monitoring.recent_gaps.len()).unwrap_or(u32::MAX);
        self.monitoring.gap_count.saturating_sub(held)
    }

    /// Returns the observer's record as of `at`. Store it with every commit, and at regular intervals as a
    /// heartbeat.
    #[must_use]
    pub fn observer_record(&self, at: Timestamp) -> ObserverRecord {
        let now_ns = self.clock.peek(at);
        let started_at_ns = self.monitoring.started_at_ns.unwrap_or(now_ns);
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns: now_ns,
            first_started_at_ns: self.monitoring.first_started_at_ns.unwrap_or(started_at_ns),
            starts: self.monitoring.starts,
            clock_ahead_ns: self.clock.clock_ahead_ns(),
            gap_count: self.monitoring.gap_count,
            gap_totals: self.monitoring.totals,
            ongoing_gap: self.monitoring.ongoing_gap,
        }
    }
}
