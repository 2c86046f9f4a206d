//! Health of the service.

use fitness_actor::{Health as CoreHealth, StoreHealth as CoreStoreHealth, WallClockHealth};
use fitness_core::{ClockFaults as CoreClockFaults, NodeId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Coverage, schema};

/// Health of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// The node whose view is stored.
    #[schema(value_type = schema::NodeId)]
    observer: NodeId,
    /// Whether the service is running and stores changes.
    running: bool,
    /// Whether the data comes from an archive: stored history without a running service. Its clock does not
    /// advance.
    archived: bool,
    /// Whether the wallet has paused monitoring.
    paused: bool,
    /// When this process started to monitor.
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// The current time.
    #[schema(value_type = u64)]
    now_ns: Timestamp,
    /// Number of known peers, including those that are no longer tracked.
    peers: usize,
    /// Number of open channels.
    channels: usize,
    /// Number of peers with changes that have not been handed to the store yet.
    dirty_peers: usize,
    store: StoreHealth,
    /// `null` before the first event.
    #[schema(required)]
    coverage: Option<Coverage>,
    clock_faults: ClockFaults,
    wall_clock: WallClock,
    /// Number of active subscriptions to changes.
    subscribers: usize,
    /// Number of events that were recorded after the shutdown. They are not stored.
    events_after_shutdown: u64,
    /// Number of times the service task woke up.
    wakeups: u64,
}

/// Health of the store.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreHealth {
    /// Number of successful commits since the start, including heartbeats.
    commits: u64,
    /// Number of failed commits since the start. Their changes are kept and retried.
    failures: u64,
    /// Number of failed commits since the last successful one.
    consecutive_failures: u64,
    /// Total duration of the successful commits.
    total_commit_time_ns: u64,
    /// Duration of the longest successful commit.
    longest_commit_time_ns: u64,
    /// When the last commit succeeded.
    #[schema(required, value_type = Option<u64>)]
    last_commit_ns: Option<Timestamp>,
    /// End of the monitored time that is recorded in the store.
    #[schema(required, value_type = Option<u64>)]
    last_heartbeat_ns: Option<Timestamp>,
    /// The last failure. It is kept after later commits succeed.
    #[schema(required)]
    last_error: Option<StoreFailure>,
    /// The commit in progress.
    #[schema(required)]
    commit_in_flight: Option<CommitInFlight>,
}

/// A failed commit.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreFailure {
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    error: String,
    /// Whether the same commit may succeed later without intervention.
    transient: bool,
}

/// A commit that the store has not completed yet.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommitInFlight {
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// Number of peers with changes in this commit.
    peers: usize,
}

/// Events with a wrong timestamp.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClockFaults {
    /// Number of timestamps up to a second before the latest one.
    reordered: u64,
    /// Number of timestamps more than a second before the latest one.
    steps_back: u64,
    longest_step_back_ns: u64,
    /// Number of jumps ahead by more than ten years, which are treated as if no time had passed.
    implausible_jumps: u64,
}

/// The wall clock compared with the service clock.
#[derive(Serialize, ToSchema)]
pub(crate) struct WallClock {
    /// How far the wall clock was ahead of the service clock when last compared; negative if it was behind.
    drift_ns: i64,
    /// How far the service clock has been moved forward to follow the wall clock.
    adjusted_ns: u64,
    /// Number of steps forward by more than a second.
    steps_forward: u64,
    /// Number of steps back by more than a second.
    steps_back: u64,
    /// The most recent step.
    #[schema(required)]
    last_step: Option<WallClockStep>,
}

/// A step of the wall clock.
#[derive(Serialize, ToSchema)]
pub(crate) struct WallClockStep {
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Size of the step; negative for a step back.
    offset_ns: i64,
}

impl From<CoreHealth> for Health {
    fn from(health: CoreHealth) -> Self {
        Self {
            observer: health.observer,
            running: health.running,
            archived: health.archived,
            paused: health.paused,
            started_at_ns: health.started_at,
            now_ns: health.now,
            peers: health.peers,
            channels: health.channels,
            dirty_peers: health.dirty_peers,
            store: health.store.into(),
            coverage: health.coverage.map(Coverage::from),
            clock_faults: health.clock_faults.into(),
            wall_clock: health.wall_clock.into(),
            subscribers: health.subscribers,
            events_after_shutdown: health.events_after_shutdown,
            wakeups: health.wakeups,
        }
    }
}

impl From<CoreStoreHealth> for StoreHealth {
    fn from(store: CoreStoreHealth) -> Self {
        Self {
            commits: store.commits,
            failures: store.failures,
            consecutive_failures: store.consecutive_failures,
            total_commit_time_ns: store.commit_durations.sum_ns,
            longest_commit_time_ns: store.commit_durations.longest_ns,
            last_commit_ns: store.last_commit,
            last_heartbeat_ns: store.last_heartbeat,
            last_error: store.last_error.map(|failure| StoreFailure {
                at_ns: failure.at,
                error: failure.error,
                transient: failure.transient,
            }),
            commit_in_flight: store
                .in_flight
                .map(|commit| CommitInFlight { started_at_ns: commit.started_at, peers: commit.peers }),
        }
    }
}

impl From<CoreClockFaults> for ClockFaults {
    fn from(faults: CoreClockFaults) -> Self {
        let CoreClockFaults { reordered, steps_back, longest_step_back_ns, implausible_jumps, .. } = faults;
        Self { reordered, steps_back, longest_step_back_ns, implausible_jumps }
    }
}

impl From<WallClockHealth> for WallClock {
    fn from(wall: WallClockHealth) -> Self {
        Self {
            drift_ns: wall.drift_ns,
            adjusted_ns: wall.adjusted_ns,
            steps_forward: wall.steps_forward,
            steps_back: wall.steps_back,
            last_step: wall.last_step.map(|step| WallClockStep { at_ns: step.at, offset_ns: step.offset_ns }),
        }
    }
}
