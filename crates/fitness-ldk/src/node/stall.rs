//! Detects process stalls, after which disconnects are attributed to us.

use std::time::Duration;

use fitness_core::Timestamp;

use super::listing::Listing;
use crate::ldk_log;

/// A poll that is late by this much shows that the process was stalled, in nanoseconds.
pub(super) const LATE_POLL_NS: u64 = 1_000_000_000;

/// How long after a late poll LDK may need to detect that connections are dead, in nanoseconds: two of
/// its ping intervals and some margin.
pub(super) const DEAD_CONNECTION_DETECTION_NS: u64 = 30_000_000_000;

/// A poll of a running node.
pub(super) struct Poll<'a> {
    /// When the poll began.
    pub(super) started: Timestamp,
    /// When the poll ended.
    pub(super) ended: Timestamp,
    pub(super) listing: &'a Listing,
    /// The listing that was recorded last, unless the node was not running then.
    pub(super) recorded: Option<&'a Listing>,
}

#[derive(Debug)]
pub(super) struct StallDetector {
    interval_ns: u64,
    /// When the last poll began, if the node was running then.
    last_poll: Option<Timestamp>,
    /// The last late poll, for as long as its stall may still cause disconnects.
    late_poll: Option<LatePoll>,
}

#[derive(Clone, Copy, Debug)]
struct LatePoll {
    /// When the poll before it began.
    previous: Timestamp,
    /// When it ended.
    ended: Timestamp,
}

impl StallDetector {
    /// `interval` is the time between two polls.
    pub(super) fn new(interval: Duration) -> Self {
        let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Self { interval_ns, last_poll: None, late_poll: None }
    }

    /// Notes a poll at which the node was not running. Monitoring is paused then, so a stall does not
    /// matter.
    pub(super) fn skip(&mut self) {
        self.last_poll = None;
    }

    /// Notes a poll, and returns since when the process may have been stalled if disconnects from now
    /// on must be attributed to us.
    ///
    /// That is the case if LDK has reported a stall, or if this poll finds that all peers are
    /// disconnected after it or an earlier poll was late.
    pub(super) fn stalled_since(&mut self, reported_by_ldk: bool, poll: &Poll<'_>) -> Option<Timestamp> {
        let last_poll = self.last_poll.replace(poll.started);
        self.note_late_poll(last_poll, poll.ended);
        let since = if reported_by_ldk {
            // A poll during the stall may have found connections that LDK did not know to be dead.
            let since = poll.ended.before_nanos(ldk_log::MIN_STALL_NS);
            last_poll.map_or(since, |last_poll| last_poll.min(since))
        } else {
            let (late, recorded) = (self.late_poll?, poll.recorded?);
            if !poll.listing.lost_all_peers_of(recorded) {
                return None;
            }
            late.previous
        };
        self.late_poll = None;
        Some(since)
    }

    fn note_late_poll(&mut self, last_poll: Option<Timestamp>, ended: Timestamp) {
        let delay_ns = |last_poll: Timestamp| ended.nanos_since(last_poll.after_nanos(self.interval_ns));
        if let Some(previous) = last_poll.filter(|&last_poll| delay_ns(last_poll) >= LATE_POLL_NS) {
            self.late_poll = Some(LatePoll { previous, ended });
        } else {
            self.late_poll =
                self.late_poll.filter(|late| ended.nanos_since(late.ended) <= DEAD_CONNECTION_DETECTION_NS);
        }
    }
}
