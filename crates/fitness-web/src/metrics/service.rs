//! Health of the service, and totals over all peers.

use std::fmt::Error;

use fitness_actor::CommitDurations;
use fitness_core::GapCause;

use super::Snapshot;
use super::write::{MetricUnit, Writer, bool_value, count, seconds, timestamp};

pub(super) fn write(writer: &mut Writer<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let Snapshot { health, counts, .. } = snapshot;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    writer.infos("build", "Version of ldk-fitness.", std::iter::once(version))?;
    let presences = [
        ("online", count(counts.online)),
        ("offline", count(counts.offline)),
        ("unobserved", count(counts.unobserved)),
    ];
    let help = "Tracked peers by presence.";
    writer.gauges("peers", help, MetricUnit::None, "presence", presences.into_iter())?;
    let help = "Tracked peers beyond the configured limit, which have no series of their own.";
    writer.gauge("peers_without_series", help, MetricUnit::None, count(snapshot.peers_without_series))?;
    writer.gauge("channels", "Open channels.", MetricUnit::None, count(health.channels))?;
    let help = "Open channels that are known to be usable for payments.";
    writer.gauge("channels_usable", help, MetricUnit::None, count(snapshot.usable_channels))?;

    let help = "Whether the service is running and stores changes.";
    writer.gauge("service_running", help, MetricUnit::None, bool_value(health.running))?;
    let help = "Whether the wallet has paused monitoring.";
    writer.gauge("monitoring_paused", help, MetricUnit::None, bool_value(health.paused))?;
    let help = "When this process started to monitor.";
    writer.gauge("start_time", help, MetricUnit::Seconds, timestamp(health.started_at))?;
    let help = "Active subscriptions to changes.";
    writer.gauge("subscribers", help, MetricUnit::None, count(health.subscribers))?;
    let help = "Number of times the service task woke up.";
    writer.counter("wakeups", help, MetricUnit::None, count(health.wakeups))?;
    let help = "Events recorded after the shutdown. They are not stored.";
    writer.counter("events_after_shutdown", help, MetricUnit::None, count(health.events_after_shutdown))?;

    store(writer, snapshot)?;
    clocks(writer, snapshot)?;
    coverage(writer, snapshot)
}

fn store(writer: &mut Writer<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let Snapshot { health, .. } = snapshot;
    let store = &health.store;
    let help = "Peers with changes that have not been handed to the store yet.";
    writer.gauge("dirty_peers", help, MetricUnit::None, count(health.dirty_peers))?;
    let help = "Failed commits. Their changes are kept and retried.";
    writer.counter("commit_failures", help, MetricUnit::None, count(store.failures))?;
    let help = "Failed commits since the last successful one.";
    writer.gauge("commit_consecutive_failures", help, MetricUnit::None, count(store.consecutive_failures))?;
    let help = "When the last commit succeeded.";
    let last_commit = store.last_commit.map(timestamp);
    writer.optional_gauge("last_commit_timestamp", help, MetricUnit::Seconds, last_commit)?;
    let help = "End of the monitored time that is recorded in the store.";
    let last_heartbeat = store.last_heartbeat.map(timestamp);
    writer.optional_gauge("last_heartbeat_timestamp", help, MetricUnit::Seconds, last_heartbeat)?;
    let help = "Duration so far of the commit in progress; 0 if there is none.";
    let in_flight_ns = store.in_flight.map_or(0, |commit| health.now.nanos_since(commit.started_at));
    writer.gauge("commit_in_flight", help, MetricUnit::Seconds, seconds(in_flight_ns))?;

    let bounds = CommitDurations::BUCKET_BOUNDS_NS.into_iter().map(seconds).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(store.commit_durations.bucket_counts).collect();
    let help = "Duration of successful commits.";
    writer.histogram("commit_duration", help, seconds(store.commit_durations.sum_ns), &buckets)
}

fn clocks(writer: &mut Writer<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let Snapshot { health, .. } = snapshot;
    let (faults, wall) = (health.clock_faults, health.wall_clock);
    let kinds = [
        ("reordered", count(faults.reordered)),
        ("step_back", count(faults.steps_back)),
        ("implausible_jump", count(faults.implausible_jumps)),
    ];
    let help = "Events with a wrong timestamp, by kind of fault.";
    writer.counters("clock_faults", help, MetricUnit::None, "kind", kinds.into_iter())?;
    let directions = [("forward", count(wall.steps_forward)), ("back", count(wall.steps_back))];
    let help = "Steps of the wall clock by more than a second.";
    writer.counters("wall_clock_steps", help, MetricUnit::None, "direction", directions.into_iter())?;
    let drift = seconds(wall.drift_ns.unsigned_abs());
    let drift = if wall.drift_ns < 0 { -drift } else { drift };
    let help = "How far the wall clock is ahead of the service clock.";
    writer.gauge("wall_clock_drift", help, MetricUnit::Seconds, drift)
}

fn coverage(writer: &mut Writer<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let Some(coverage) = &snapshot.health.coverage else { return Ok(()) };
    let help = "Starts of the monitoring process since the beginning of the history.";
    writer.counter("starts", help, MetricUnit::None, count(coverage.starts))?;
    let help = "Time since monitoring was first started.";
    writer.counter("lifetime", help, MetricUnit::Seconds, seconds(coverage.lifetime_ns))?;
    let help = "Part of the lifetime without monitoring gaps.";
    writer.counter("monitored", help, MetricUnit::Seconds, seconds(coverage.monitored_ns))?;
    let help = "Monitored time divided by lifetime, from 0 to 1.";
    writer.optional_gauge("coverage", help, MetricUnit::Ratio, coverage.coverage)?;
    let causes = [
        ("not_running", coverage.not_running, GapCause::NotRunning),
        ("suspended", coverage.suspended, GapCause::Suspended),
        ("network_down", coverage.network_down, GapCause::NetworkDown),
        ("paused", coverage.paused, GapCause::Paused),
    ];
    let help = "Ended monitoring gaps by cause.";
    let counts = causes.iter().map(|(cause, totals, _)| (*cause, count(totals.count)));
    writer.counters("gaps", help, MetricUnit::None, "cause", counts)?;
    let help = "Total length of the ended monitoring gaps by cause.";
    let lengths = causes.iter().map(|(cause, totals, _)| (*cause, seconds(totals.length_ns)));
    writer.counters("gap", help, MetricUnit::Seconds, "cause", lengths)?;
    let help = "Whether a monitoring gap is ongoing, by cause. No peer counts as offline during a gap.";
    let is_ongoing = |cause| bool_value(coverage.ongoing_gap.is_some_and(|gap| gap.cause == cause));
    let ongoing = causes.iter().map(|(name, _, cause)| (*name, is_ongoing(*cause)));
    writer.gauges("gap_ongoing", help, MetricUnit::None, "cause", ongoing)
}
