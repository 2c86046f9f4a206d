//! What happened to the simulated service, in order. The oracle computes its expectations from this list
//! alone.

use crate::script::NodeEvent;

/// All times except `wall` are true time, which no clock fault affects.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A process started while the wall clock read `wall`.
    Started { at: u64, wall: u64 },
    /// The process ended. Its last commit was at `last_commit_at` and covered the first `committed_facts`
    /// facts.
    Ended { last_commit_at: u64, committed_facts: usize },
    /// The machine was suspended.
    Suspended { from: u64, to: u64 },
    /// The service noticed that the wall clock was ahead of its own clock, and read `wall`.
    ClockSet { at: u64, wall: u64 },
    /// The service noticed at `at` that it had been stalled since `since`.
    Stalled { since: u64, at: u64 },
    /// The timestamp of the next reported event is older than an earlier timestamp.
    Reordered,
    /// The node reported an event.
    Reported { at: u64, event: NodeEvent },
    /// The daily maintenance ran: it deleted expired peers and downsampled logs.
    MaintenanceRan { at: u64 },
}
