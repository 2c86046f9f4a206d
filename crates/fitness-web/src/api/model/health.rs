//! How the service is doing.

use fitness_actor::Health as CoreHealth;
use fitness_core::{ClockFaults, NodeId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Coverage, text};

/// How the service is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// The node that observes.
    #[schema(value_type = text::NodeId)]
    observer: NodeId,
    /// Whether changes are being stored.
    running: bool,
    /// Whether it is no service but a store at rest, for which time stands still.
    archived: bool,
    /// Whether the observation is paused.
    paused: bool,
    /// When this process started to observe.
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    #[schema(value_type = u64)]
    now_ns: Timestamp,
    /// How many peers are known, those that were let go included.
    peers: usize,
    /// How many channels are open.
    channels: usize,
    /// How many peers have changes that are yet to be handed to the store.
    dirty_peers: usize,
    store: StoreHealth,
    /// `null` before the first event.
    #[schema(required)]
    coverage: Option<Coverage>,
    clock_faults: Faults,
    wall_clock: WallClock,
    /// How many subscriptions to changes there are.
    subscribers: usize,
    /// Events that came after the shutdown, and are not stored.
    events_after_shutdown: u64,
    /// How often the service's task woke up.
    wakeups: u64,
}

/// How the store is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreHealth {
    /// Batches that were stored since the start, heartbeats included.
    commits: u64,
    /// Batches that were not. Their changes were kept and tried again.
    failures: u64,
    /// How many commits in a row have failed until now.
    consecutive_failures: u64,
    /// How long all that were stored took together.
    total_commit_time_ns: u64,
    /// The longest of those.
    longest_commit_time_ns: u64,
    #[schema(required, value_type = Option<u64>)]
    last_commit_ns: Option<Timestamp>,
    /// Until this moment the store knows us to have observed.
    #[schema(required, value_type = Option<u64>)]
    last_heartbeat_ns: Option<Timestamp>,
    /// What went wrong last; kept after it was overcome.
    #[schema(required)]
    last_error: Option<StoreFailure>,
    /// The commit that the store is busy with.
    #[schema(required)]
    in_flight: Option<InFlight>,
}

/// A commit that did not succeed.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreFailure {
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    error: String,
    /// Whether the same commit may succeed later without anybody's doing.
    transient: bool,
}

/// A commit that the store has not answered yet.
#[derive(Serialize, ToSchema)]
pub(crate) struct InFlight {
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// How many peers' changes it carries.
    peers: usize,
}

/// What was wrong with the times of events.
#[derive(Serialize, ToSchema)]
pub(crate) struct Faults {
    /// Times up to a second behind the latest one.
    reordered: u64,
    /// Steps back of more than a second.
    steps_back: u64,
    longest_step_back_ns: u64,
    /// Steps ahead of more than ten years, taken as no time at all.
    implausible_jumps: u64,
}

/// What the wall clock did while service time went on.
#[derive(Serialize, ToSchema)]
pub(crate) struct WallClock {
    /// How far it was ahead of service time when it was last looked at; negative where it was behind.
    drift_ns: i64,
    /// How far service time has followed it ahead.
    adjusted_ns: u64,
    /// How often it stepped ahead by more than a second.
    steps_forward: u64,
    /// How often it stepped back by more than a second.
    steps_back: u64,
    #[schema(required)]
    last_step: Option<WallClockStep>,
}

/// A step of the wall clock.
#[derive(Serialize, ToSchema)]
pub(crate) struct WallClockStep {
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Negative where it stepped back.
    offset_ns: i64,
}

impl From<CoreHealth> for Health {
    fn from(health: CoreHealth) -> Self {
        let ClockFaults { reordered, steps_back, longest_step_back_ns, implausible_jumps, .. } =
            health.clock_faults;
        let wall = health.wall_clock;
        let store = health.store;
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
            store: StoreHealth {
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
                in_flight: store.in_flight.map(|in_flight| InFlight {
                    started_at_ns: in_flight.started_at,
                    peers: in_flight.peers,
                }),
            },
            coverage: health.coverage.map(Coverage::from),
            clock_faults: Faults { reordered, steps_back, longest_step_back_ns, implausible_jumps },
            wall_clock: WallClock {
                drift_ns: wall.drift_ns,
                adjusted_ns: wall.adjusted_ns,
                steps_forward: wall.steps_forward,
                steps_back: wall.steps_back,
                last_step: wall
                    .last_step
                    .map(|step| WallClockStep { at_ns: step.at, offset_ns: step.offset_ns }),
            },
            subscribers: health.subscribers,
            events_after_shutdown: health.events_after_shutdown,
            wakeups: health.wakeups,
        }
    }
}
