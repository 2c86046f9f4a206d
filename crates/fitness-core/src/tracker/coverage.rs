//! The tracker's account of its own observation: when it could not tell, and why.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Tracker;
use crate::report::availability;
use crate::{Change, Coverage, Gap, GapCause, GapRecord, GapTotals, ObserverRecord, Timestamp};

/// How many gaps are held in memory: a phone's that sleeps every quarter of an hour for six weeks.
const HELD: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When this process started, or before its first event the one before it.
    started_at_ns: Option<u64>,
    has_started: bool,
    first_started_at_ns: Option<u64>,
    starts: u32,
    /// Until when an earlier process is known to have observed.
    observed_until_ns: Option<u64>,
    sums: [GapTotals; 4],
    open: Option<(GapCause, u64)>,
    /// The latest of those that have ended, oldest first.
    held: VecDeque<GapRecord>,
    /// How many have ended.
    count: u32,
    unsaved: Vec<GapRecord>,
}

impl Watch {
    pub(super) fn restore(&mut self, record: &ObserverRecord, latest: &[GapRecord]) {
        self.started_at_ns = Some(record.started_at_ns);
        self.first_started_at_ns = Some(record.first_started_at_ns);
        self.starts = record.starts;
        self.observed_until_ns = Some(record.last_heartbeat_ns.max(record.started_at_ns));
        self.sums = record.gap_totals;
        self.open = record.ongoing_gap;
        self.count = record.gap_count;
        // What was stored ahead of a record that never came is not a part of this history.
        self.held.extend(latest.iter().copied().filter(|gap| gap.number < record.gap_count));
        self.trim();
    }

    pub(super) fn observed_until_ns(&self) -> u64 {
        self.observed_until_ns.unwrap_or(0)
    }

    pub(super) fn has_started(&self) -> bool {
        self.has_started
    }

    /// Takes what is not stored yet.
    pub(super) fn take_unsaved(&mut self) -> Vec<GapRecord> {
        core::mem::take(&mut self.unsaved)
    }

    pub(super) fn requeue(&mut self, gaps: &[GapRecord]) {
        self.unsaved.splice(0..0, gaps.iter().copied());
    }

    pub(super) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    fn end(&mut self, cause: GapCause, from_ns: u64, to_ns: u64) -> GapRecord {
        let gap = GapRecord { number: self.count, cause, from_ns, to_ns: to_ns.max(from_ns) };
        self.count = self.count.saturating_add(1);
        if let Some(sums) = self.sums.get_mut(cause as usize) {
            sums.add(gap.to_ns - gap.from_ns);
        }
        self.held.push_back(gap);
        self.trim();
        self.unsaved.push(gap);
        gap
    }

    fn trim(&mut self) {
        let over = self.held.len().saturating_sub(HELD);
        self.held.drain(..over);
    }
}

impl Tracker {
    /// The first event of this process comes at `at_ns`.
    pub(super) fn start_watch(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        self.watch.has_started = true;
        self.watch.started_at_ns = Some(at_ns);
        self.watch.first_started_at_ns.get_or_insert(at_ns);
        self.watch.starts = self.watch.starts.saturating_add(1);
        let Some(until_ns) = self.watch.observed_until_ns else { return };
        // The gap that lasted then went on until we know no more.
        self.end_gap(until_ns, changed);
        self.note_gap(GapCause::NotRunning, until_ns, at_ns, changed);
    }

    /// A gap that is over already. Within another one it is a part of that.
    pub(super) fn note_gap(
        &mut self,
        cause: GapCause,
        from_ns: u64,
        to_ns: u64,
        changed: &mut impl FnMut(Change),
    ) {
        if self.watch.open.is_none() {
            let gap = self.watch.end(cause, from_ns, to_ns);
            self.note_dirty();
            changed(Change::GapEnded(self.gap(gap, false)));
        }
    }

    /// A gap that is going to last; it ends the one that did.
    pub(super) fn begin_gap(&mut self, cause: GapCause, from_ns: u64, changed: &mut impl FnMut(Change)) {
        self.end_gap(from_ns, changed);
        self.watch.open = Some((cause, from_ns));
        self.note_dirty();
        changed(Change::GapBegan { cause, at: self.line.to_clock(from_ns) });
    }

    pub(super) fn end_gap(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if let Some((cause, from_ns)) = self.watch.open.take() {
            let gap = self.watch.end(cause, from_ns, at_ns);
            self.note_dirty();
            changed(Change::GapEnded(self.gap(gap, false)));
        }
    }

    fn gap(&self, gap: GapRecord, ongoing: bool) -> Gap {
        Gap {
            cause: gap.cause,
            from: self.line.to_clock(gap.from_ns),
            to: self.line.to_clock(gap.to_ns),
            ongoing,
        }
    }

    /// How long we have watched, and how often we were gone; `None` before the first event, where
    /// nothing was restored either.
    #[must_use]
    pub fn coverage(&self, at: Timestamp) -> Option<Coverage> {
        let now_ns = self.line.peek(at);
        let (first_ns, started_ns) = (self.watch.first_started_at_ns?, self.watch.started_at_ns?);
        let open_ns = self.watch.open.map_or(0, |(_, from_ns)| now_ns.saturating_sub(from_ns));
        let gaps_ns = self.watch.sums.iter().fold(open_ns, |sum, gaps| sum.saturating_add(gaps.length_ns));
        let lifetime_ns = now_ns.saturating_sub(first_ns);
        let monitored_ns = lifetime_ns.saturating_sub(gaps_ns);
        let [down, suspended, network_out, paused] = self.watch.sums;
        Some(Coverage {
            first_started_at: self.line.to_clock(first_ns),
            started_at: self.line.to_clock(started_ns),
            starts: self.watch.starts,
            lifetime_ns,
            monitored_ns,
            coverage: availability(monitored_ns, lifetime_ns),
            not_running: down,
            suspended,
            network_down: network_out,
            paused,
            ongoing_gap: self.ongoing_gap(now_ns),
        })
    }

    fn ongoing_gap(&self, now_ns: u64) -> Option<Gap> {
        let (cause, from_ns) = self.watch.open?;
        let record = GapRecord { number: self.watch.count, cause, from_ns, to_ns: now_ns.max(from_ns) };
        Some(self.gap(record, true))
    }

    /// The gaps that touch `[from, to)`, oldest first, the one that lasts included.
    ///
    /// `older` is what the store has of them; the latest ones the tracker holds itself, from number
    /// [`Tracker::first_gap_number`] on.
    #[must_use]
    pub fn gaps(&self, at: Timestamp, older: &[GapRecord], from: Timestamp, to: Timestamp) -> Vec<Gap> {
        let mut line = self.line;
        let now_ns = line.advance(at);
        let (from_ns, to_ns) = (line.to_line(from), line.to_line(to));
        let older = older.iter().filter(|gap| gap.number < self.first_gap_number());
        older
            .chain(&self.watch.held)
            .filter(|gap| gap.from_ns < to_ns && from_ns < gap.to_ns.max(gap.from_ns.saturating_add(1)))
            .map(|gap| Gap {
                cause: gap.cause,
                from: line.to_clock(gap.from_ns),
                to: line.to_clock(gap.to_ns),
                ongoing: false,
            })
            .chain(self.ongoing_gap(now_ns).filter(|gap| gap.from < to && from < gap.to))
            .collect()
    }

    /// The number of the first gap that is held in memory; those before it are in the store alone.
    #[must_use]
    pub fn first_gap_number(&self) -> u32 {
        let held = u32::try_from(self.watch.held.len()).unwrap_or(u32::MAX);
        self.watch.count.saturating_sub(held)
    }

    /// The observer's record, for a commit of all that is known at `at`.
    #[must_use]
    pub fn observer_record(&self, at: Timestamp) -> ObserverRecord {
        let now_ns = self.line.peek(at);
        let started_at_ns = self.watch.started_at_ns.unwrap_or(now_ns);
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns: now_ns,
            first_started_at_ns: self.watch.first_started_at_ns.unwrap_or(started_at_ns),
            starts: self.watch.starts,
            clock_ahead_ns: self.line.clock_ahead_ns(),
            gap_count: self.watch.count,
            gap_totals: self.watch.sums,
            ongoing_gap: self.watch.open,
        }
    }
}
