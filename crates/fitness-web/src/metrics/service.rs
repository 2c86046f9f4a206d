//! The service's own health, and sums over all peers.

use std::fmt::Error;

use fitness_actor::CommitDurations;
use fitness_core::GapCause;

use super::Reading;
use super::write::{In, Writer, moment, number, seconds, yes};

pub(super) fn write(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), Error> {
    let Reading { health, counts, .. } = reading;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    writer.infos("build", "What answers.", std::iter::once(version))?;
    let states = [
        ("online", number(counts.online)),
        ("offline", number(counts.offline)),
        ("unobserved", number(counts.unobserved)),
    ];
    let help = "Peers that are followed, by what is known of them now.";
    writer.gauges("peers", help, In::Number, "state", states.into_iter())?;
    let help = "Followed peers that have no series of their own, because there are too many.";
    writer.gauge("peers_left_out", help, In::Number, number(reading.left_out))?;
    writer.gauge("channels", "Open channels.", In::Number, number(health.channels))?;
    let help = "Open channels that are known to be able to carry payments.";
    writer.gauge("channels_usable", help, In::Number, number(reading.channels_usable))?;

    let help = "Whether changes are being stored.";
    writer.gauge("service_running", help, In::Number, yes(health.running))?;
    let help = "Whether the wallet has paused the observation.";
    writer.gauge("observation_paused", help, In::Number, yes(health.paused))?;
    let help = "When this process started to observe.";
    writer.gauge("start_time", help, In::Seconds, moment(health.started_at))?;
    let help = "Subscriptions to changes.";
    writer.gauge("subscribers", help, In::Number, number(health.subscribers))?;
    let help = "Times that the service's task woke up.";
    writer.counter("wakeups", help, In::Number, number(health.wakeups))?;
    let help = "Events that came after the shutdown, and are not stored.";
    writer.counter("events_after_shutdown", help, In::Number, number(health.events_after_shutdown))?;

    store(writer, reading)?;
    clocks(writer, reading)?;
    coverage(writer, reading)
}

fn store(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), Error> {
    let Reading { health, .. } = reading;
    let store = &health.store;
    let help = "Peers with changes that are yet to be handed to the store.";
    writer.gauge("dirty_peers", help, In::Number, number(health.dirty_peers))?;
    let help = "Commits that failed. Their changes were kept and tried again.";
    writer.counter("commit_failures", help, In::Number, number(store.failures))?;
    let help = "Commits in a row that have failed until now; 0 while all is well.";
    writer.gauge("commit_consecutive_failures", help, In::Number, number(store.consecutive_failures))?;
    let help = "When something was last stored.";
    writer.known("last_commit_timestamp", help, In::Seconds, store.last_commit.map(moment))?;
    let help = "Until when the store knows us to have observed.";
    writer.known("last_heartbeat_timestamp", help, In::Seconds, store.last_heartbeat.map(moment))?;
    let help =
        "For how long the store has been busy with the commit that it has not answered yet; 0 without one.";
    let busy_ns = store.in_flight.map_or(0, |in_flight| health.now.nanos_since(in_flight.started_at));
    writer.gauge("commit_in_flight", help, In::Seconds, seconds(busy_ns))?;

    let bounds = CommitDurations::BUCKET_BOUNDS_NS.into_iter().map(seconds).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(store.commit_durations.bucket_counts).collect();
    let help = "How long commits took that were stored.";
    writer.histogram("commit_duration", help, seconds(store.commit_durations.sum_ns), &buckets)
}

fn clocks(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), Error> {
    let Reading { health, .. } = reading;
    let (faults, wall) = (health.clock_faults, health.wall_clock);
    let kinds = [
        ("reordered", number(faults.reordered)),
        ("step_back", number(faults.steps_back)),
        ("absurd_jump", number(faults.implausible_jumps)),
    ];
    let help = "Times of events that were wrong, by what was wrong with them.";
    writer.counters("clock_faults", help, In::Number, "kind", kinds.into_iter())?;
    let directions = [("ahead", number(wall.steps_forward)), ("back", number(wall.steps_back))];
    let help = "Steps of the wall clock by more than a second.";
    writer.counters("wall_clock_steps", help, In::Number, "direction", directions.into_iter())?;
    let drift = seconds(wall.drift_ns.unsigned_abs());
    let drift = if wall.drift_ns < 0 { -drift } else { drift };
    let help = "How far the wall clock is ahead of service time.";
    writer.gauge("wall_clock_drift", help, In::Seconds, drift)
}

fn coverage(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), Error> {
    let Some(coverage) = &reading.health.coverage else { return Ok(()) };
    let help = "Processes that have observed, since the history began.";
    writer.counter("starts", help, In::Number, number(coverage.starts))?;
    let help = "Time since we first observed.";
    writer.counter("lifetime", help, In::Seconds, seconds(coverage.lifetime_ns))?;
    let help = "The part of our lifetime in which we watched.";
    writer.counter("watched", help, In::Seconds, seconds(coverage.monitored_ns))?;
    let help = "Watched time over lifetime, from 0 to 1.";
    writer.known("coverage", help, In::Ratio, coverage.coverage)?;
    let sums = [
        ("down", coverage.not_running, GapCause::NotRunning),
        ("suspended", coverage.suspended, GapCause::Suspended),
        ("network_out", coverage.network_down, GapCause::NetworkDown),
        ("paused", coverage.paused, GapCause::Paused),
    ];
    let help = "Gaps of our own observation that have ended, by cause.";
    let counts = sums.iter().map(|(cause, sums, _)| (*cause, number(sums.count)));
    writer.counters("gaps", help, In::Number, "cause", counts)?;
    let help = "How long those were together.";
    let lengths = sums.iter().map(|(cause, sums, _)| (*cause, seconds(sums.length_ns)));
    writer.counters("gap", help, In::Seconds, "cause", lengths)?;
    let help = "Whether a gap of ours lasts, by cause: nobody is known to be offline then.";
    let lasts = |cause| yes(coverage.ongoing_gap.is_some_and(|gap| gap.cause == cause));
    let ongoing = sums.iter().map(|(name, _, cause)| (*name, lasts(*cause)));
    writer.gauges("gap_ongoing", help, In::Number, "cause", ongoing)
}
