//! How the service is doing.

use std::sync::Arc;

use fitness_core::{ClockFaults, Coverage, NodeId, Timestamp};
use fitness_store::StoreError;

use crate::times::CommitDurations;

/// How the service is doing, at the moment of the question.
///
/// Moments are in service time: the wall clock at start plus the monotonic time since.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Health {
    /// The node that observes.
    pub observer: NodeId,
    /// Whether changes are still being stored. `false` after a shutdown, and where the service's
    /// task died.
    pub running: bool,
    /// Whether it is no service but a store at rest ([`Archive`](crate::Archive)), for which time stands still.
    pub archived: bool,
    /// Whether observation is paused.
    pub paused: bool,
    /// When this process started to observe.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// Now.
    #[cfg_attr(feature = "serde", serde(rename = "now_ns"))]
    pub now: Timestamp,
    /// How many peers are known, those without a channel whose history is kept included.
    pub peers: usize,
    /// How many channels are open.
    pub channels: usize,
    /// How many peers have changes that are yet to be handed to the store.
    pub dirty_peers: usize,
    /// How the store is doing.
    pub store: StoreHealth,
    /// How long we have watched, and how often we were gone; `None` before the first event.
    pub coverage: Option<Coverage>,
    /// What was wrong with the times of events.
    pub clock_faults: ClockFaults,
    /// What the wall clock did while service time went on.
    pub wall_clock: WallClockHealth,
    /// How many subscriptions to changes there are.
    pub subscribers: usize,
    /// Events that came after the shutdown: questions see them, the store does not.
    pub events_after_shutdown: u64,
    /// How often the service's task woke up.
    pub wakeups: u64,
}

/// How the store is doing, as seen by the service.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StoreHealth {
    /// Batches that were stored since the start, heartbeats included.
    pub commits: u64,
    /// Batches that were not, since the start. Their changes were kept and tried again.
    pub failures: u64,
    /// How many commits in a row have failed until now; 0 while all is well.
    pub consecutive_failures: u64,
    /// How long those took that were stored.
    pub commit_durations: CommitDurations,
    /// The last batch was stored at this moment.
    #[cfg_attr(feature = "serde", serde(rename = "last_commit_ns"))]
    pub last_commit: Option<Timestamp>,
    /// Until this moment the store knows us to have observed, everything before it included.
    #[cfg_attr(feature = "serde", serde(rename = "last_heartbeat_ns"))]
    pub last_heartbeat: Option<Timestamp>,
    /// What went wrong last; kept after it was overcome.
    pub last_error: Option<StoreFailure>,
    /// The commit that the store is busy with, if any.
    pub in_flight: Option<InFlightCommit>,
}

/// A commit that did not succeed.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StoreFailure {
    /// When.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// What went wrong.
    pub error: String,
    /// Whether the same commit may succeed later without anybody's doing.
    pub transient: bool,
}

/// A commit that the store has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct InFlightCommit {
    /// Since when. A moment long past means a store that is slow, or hangs.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// How many peers' changes it carries.
    pub peers: usize,
}

/// What the wall clock did while service time went on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WallClockHealth {
    /// How far it was ahead of service time when it was last looked at, in nanoseconds; negative
    /// where it was behind.
    pub drift_ns: i64,
    /// How far service time has followed it ahead: time in which we were suspended, or that it was set
    /// ahead by, in nanoseconds.
    pub adjusted_ns: u64,
    /// How often it was found to have stepped ahead by more than a second: a suspended machine, or
    /// a clock that was set.
    pub steps_forward: u64,
    /// How often it was found to have stepped back by more than a second.
    pub steps_back: u64,
    /// The last step.
    pub last_step: Option<WallClockStep>,
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WallClockStep {
    /// When it was noticed.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// How far, in nanoseconds; negative where it stepped back.
    pub offset_ns: i64,
}

/// A change of the drift beyond this, between two looks, is a step and no slewing.
const STEP_NS: u64 = 1_000_000_000;

impl WallClockHealth {
    /// Takes a reading of the drift, of service time that has followed the wall clock by so much, and
    /// returns the step that it shows, if any.
    pub(crate) fn look(&mut self, at: Timestamp, drift_ns: i64, adjusted_ns: u64) -> Option<WallClockStep> {
        let followed = i64::try_from(adjusted_ns.saturating_sub(self.adjusted_ns)).unwrap_or(i64::MAX);
        let by_ns = drift_ns.saturating_sub(self.drift_ns).saturating_add(followed);
        (self.drift_ns, self.adjusted_ns) = (drift_ns, adjusted_ns);
        if by_ns.unsigned_abs() <= STEP_NS {
            return None;
        }
        if by_ns > 0 {
            self.steps_forward += 1;
        } else {
            self.steps_back += 1;
        }
        self.last_step = Some(WallClockStep { at, offset_ns: by_ns });
        self.last_step
    }
}

/// Why a commit did not succeed, before it becomes somebody's error.
#[derive(Clone, Debug)]
pub(crate) enum CommitError {
    /// The store refused.
    Store(Arc<StoreError>),
    /// It did not answer in time.
    TimedOut(std::time::Duration),
}

impl CommitError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Store(err) => err.is_transient(),
            Self::TimedOut(_) => true,
        }
    }
}

impl From<CommitError> for crate::FlushError {
    fn from(err: CommitError) -> Self {
        match err {
            CommitError::Store(source) => Self::Store { source },
            CommitError::TimedOut(after) => Self::TimedOut { timeout: after },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_slewing() {
        let at = Timestamp::from_secs(5);
        let mut wall = WallClockHealth::default();
        assert_eq!(wall.look(at, 900_000_000, 0), None);
        assert_eq!(wall.look(at, 1_800_000_000, 0), None, "slow drift adds up without a step");
        assert_eq!(wall.look(at, 11_800_000_000, 0), Some(WallClockStep { at, offset_ns: 10_000_000_000 }));
        assert_eq!(wall.look(at, 11_800_000_000, 0), None, "a step is told once");
        assert_eq!(wall.look(at, -200_000_000, 0), Some(WallClockStep { at, offset_ns: -12_000_000_000 }));
        assert_eq!((wall.steps_forward, wall.steps_back), (1, 1));
        let followed = wall.look(at, 0, 60_000_000_000);
        assert_eq!(
            followed,
            Some(WallClockStep { at, offset_ns: 60_200_000_000 }),
            "followed, and so no drift"
        );
        assert!(wall.look(at, i64::MAX, 60_000_000_000).is_some() && wall.look(at, i64::MIN, 0).is_some());
    }
}
