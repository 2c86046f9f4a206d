//! The health report of the service.

use std::sync::Arc;

use fitness_core::{ClockFaults, Coverage, NodeId, Timestamp};
use fitness_store::StoreError;

use crate::commit_durations::CommitDurations;

/// The state of the service at the time of the call to [`Handle::health`](crate::Handle::health).
///
/// All times are in service time: the wall clock at start plus the monotonic time since then, adjusted when
/// the wall clock jumps forward ([`WallClockHealth::adjusted_ns`]).
///
/// ```
/// # use std::sync::Arc;
/// # use fitness_actor::Service;
/// # use fitness_core::NodeId;
/// # use fitness_store::MemoryStore;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await?;
/// # let handle = service.handle();
/// let health = handle.health();
/// if !health.running {
///     eprintln!("the monitoring has stopped");
/// } else if health.store.consecutive_failures > 0 {
///     eprintln!("changes are not being stored: {:?}", health.store.last_error);
/// }
/// # service.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Health {
    /// The node whose view is stored.
    pub observer: NodeId,
    /// Whether changes are being stored. `false` after a shutdown, after the service was dropped, and if its
    /// task has ended for another reason.
    pub running: bool,
    /// Whether the handle belongs to an [`Archive`](crate::Archive), for which time does not advance.
    pub archived: bool,
    /// Whether observation is paused.
    pub paused: bool,
    /// When this process started to observe.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// The time of this report.
    #[cfg_attr(feature = "serde", serde(rename = "now_ns"))]
    pub now: Timestamp,
    /// The number of known peers, including untracked ones whose history is kept.
    pub peers: usize,
    /// The number of open channels.
    pub channels: usize,
    /// The number of peers with changes that have not been passed to the store yet.
    pub dirty_peers: usize,
    /// The state of the store.
    pub store: StoreHealth,
    /// How long the observer has been monitoring, and the monitoring gaps by cause; `None` before the first
    /// event.
    pub coverage: Option<Coverage>,
    /// Event times that were out of order or implausible.
    pub clock_faults: ClockFaults,
    /// How the wall clock has differed from service time.
    pub wall_clock: WallClockHealth,
    /// The number of subscriptions to changes.
    pub subscribers: usize,
    /// The number of events recorded after the shutdown. They are visible to queries but not stored.
    pub events_after_shutdown: u64,
    /// How often the service's task has woken up.
    pub wakeups: u64,
}

/// The state of the store, as seen by the service.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StoreHealth {
    /// The number of successful commits since the start, including heartbeats.
    pub commits: u64,
    /// The number of failed commits since the start. Their changes were requeued.
    pub failures: u64,
    /// The number of failed commits since the last successful one.
    pub consecutive_failures: u64,
    /// The durations of the successful commits.
    pub commit_durations: CommitDurations,
    /// When the last successful commit ended.
    #[cfg_attr(feature = "serde", serde(rename = "last_commit_ns"))]
    pub last_commit: Option<Timestamp>,
    /// The time of the last heartbeat: the store has everything that happened before it.
    #[cfg_attr(feature = "serde", serde(rename = "last_heartbeat_ns"))]
    pub last_heartbeat: Option<Timestamp>,
    /// The last failed commit. Kept after later commits succeed.
    pub last_error: Option<StoreFailure>,
    /// The commit in progress, if any.
    pub in_flight: Option<InFlightCommit>,
}

/// A failed commit.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StoreFailure {
    /// When the commit failed.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The error message, including the underlying causes.
    pub error: String,
    /// Whether the same commit may succeed later without intervention.
    pub transient: bool,
}

/// A commit in progress.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct InFlightCommit {
    /// When the commit started. If that is long ago, the store is slow or hangs.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// The number of peers whose changes are part of the commit.
    pub peers: usize,
}

/// How the wall clock has differed from service time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WallClockHealth {
    /// How far the wall clock was ahead of service time at the last check, in nanoseconds; negative if it was
    /// behind.
    pub drift_ns: i64,
    /// How far service time has been set forward to match the wall clock, in nanoseconds: because the system
    /// was suspended or the clock was set.
    pub adjusted_ns: u64,
    /// The number of forward steps of more than a second: the system was suspended or the clock was set.
    pub steps_forward: u64,
    /// The number of backward steps of more than a second.
    pub steps_back: u64,
    /// The last step.
    pub last_step: Option<WallClockStep>,
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WallClockStep {
    /// When the step was detected.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The size of the step in nanoseconds; negative if the clock stepped back.
    pub offset_ns: i64,
}

/// The drift between two checks from which on a change counts as a step rather than as slewing.
const MIN_STEP_NS: u64 = 1_000_000_000;

impl WallClockHealth {
    /// Records a measured drift and the total adjustment of service time. Returns the step since the last
    /// check, if there was one.
    pub(crate) fn record_drift(
        &mut self,
        at: Timestamp,
        drift_ns: i64,
        adjusted_ns: u64,
    ) -> Option<WallClockStep> {
        let new_adjustment_ns =
            i64::try_from(adjusted_ns.saturating_sub(self.adjusted_ns)).unwrap_or(i64::MAX);
        let offset_ns = drift_ns.saturating_sub(self.drift_ns).saturating_add(new_adjustment_ns);
        (self.drift_ns, self.adjusted_ns) = (drift_ns, adjusted_ns);
        if offset_ns.unsigned_abs() <= MIN_STEP_NS {
            return None;
        }
        if offset_ns > 0 {
            self.steps_forward += 1;
        } else {
            self.steps_back += 1;
        }
        self.last_step = Some(WallClockStep { at, offset_ns });
        self.last_step
    }
}

/// Why a commit failed. Unlike [`FlushError`](crate::FlushError), it cannot be `Stopped`.
#[derive(Clone, Debug)]
pub(crate) enum CommitError {
    Store(Arc<StoreError>),
    TimedOut(std::time::Duration),
}

impl CommitError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::TimedOut(_) => true,
        }
    }
}

impl From<CommitError> for crate::FlushError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(source) => Self::Store { source },
            CommitError::TimedOut(timeout) => Self::TimedOut { timeout },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_distinguished_from_slewing() {
        let at = Timestamp::from_secs(5);
        let step = |offset_ns| Some(WallClockStep { at, offset_ns });
        let mut wall = WallClockHealth::default();
        assert_eq!(wall.record_drift(at, 900_000_000, 0), None);
        assert_eq!(wall.record_drift(at, 1_800_000_000, 0), None, "slow drift is not a step");
        assert_eq!(wall.record_drift(at, 11_800_000_000, 0), step(10_000_000_000));
        assert_eq!(wall.record_drift(at, 11_800_000_000, 0), None, "a step is reported once");
        assert_eq!(wall.record_drift(at, -200_000_000, 0), step(-12_000_000_000));
        assert_eq!((wall.steps_forward, wall.steps_back), (1, 1));
        let adjusted = wall.record_drift(at, 0, 60_000_000_000);
        assert_eq!(adjusted, step(60_200_000_000), "an adjustment counts although no drift remains");
        assert!(wall.record_drift(at, i64::MAX, 60_000_000_000).is_some());
        assert!(wall.record_drift(at, i64::MIN, 0).is_some());
    }
}
