//! Compares the measured values with the ground truth.

use std::collections::BTreeSet;

use fitness_core::{GapCause, GapRecord, NodeId, PeerReport, Timestamp};
use serde::Serialize;

use super::ground_truth::{GroundTruth, PeerTruth, TrueGap};
use super::wallet::POLL_INTERVAL;

/// The comparison of all measured values with the true ones. It passes if every check passes.
#[derive(Debug, Serialize)]
pub(super) struct Verification {
    pub(super) passed: bool,
    /// The maximum error of a time, which is the wallet's polling interval.
    pub(super) tolerance_ns: u64,
    /// When the scenario started.
    #[serde(rename = "started_at_ns")]
    pub(super) started_at: Timestamp,
    pub(super) peers: Vec<PeerCheck>,
    pub(super) gaps: Vec<GapCheck>,
}

/// The measured and true values of a peer and its channel.
#[derive(Debug, Serialize)]
pub(super) struct PeerCheck {
    pub(super) alias: &'static str,
    pub(super) node_id: NodeId,
    pub(super) lifetime_ns: u64,
    pub(super) true_lifetime_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) true_observed_ns: u64,
    pub(super) uptime_ns: u64,
    pub(super) true_uptime_ns: u64,
    pub(super) flap_count: u32,
    pub(super) true_flap_count: u32,
    pub(super) passed: bool,
}

/// The measured and true values of a monitoring gap. The true values are `None` if the demo did not cause the
/// gap, and the measured ones if the gap was not detected.
#[derive(Debug, Serialize)]
pub(super) struct GapCheck {
    pub(super) trigger: Option<&'static str>,
    /// The causes that were detected.
    pub(super) causes: BTreeSet<GapCause>,
    pub(super) from_ns: Option<Timestamp>,
    pub(super) true_from_ns: Option<Timestamp>,
    pub(super) to_ns: Option<Timestamp>,
    pub(super) true_to_ns: Option<Timestamp>,
    pub(super) passed: bool,
}

impl Verification {
    /// Compares the reports as of `at`, and the stored gaps, with the ground truth.
    pub(super) fn new(
        truth: &GroundTruth,
        at: Timestamp,
        reports: &[PeerReport],
        gaps: &[GapRecord],
    ) -> Self {
        let tolerance_ns = u64::try_from(POLL_INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        let started_at = truth.clock.started_at();
        let report_of = |peer: &PeerTruth| reports.iter().find(|report| report.node_id == peer.node_id);
        let peers: Vec<_> =
            truth.peers.iter().map(|peer| PeerCheck::new(peer, report_of(peer), at, tolerance_ns)).collect();
        let gaps = check_gaps(&truth.gaps, started_at, gaps, tolerance_ns);
        let passed = peers.iter().all(|peer| peer.passed) && gaps.iter().all(|gap| gap.passed);
        Self { passed, tolerance_ns, started_at, peers, gaps }
    }

    /// Returns the true uptime of a peer's channel.
    pub(super) fn true_uptime_ns(&self, node_id: &NodeId) -> Option<u64> {
        let peer = self.peers.iter().find(|peer| peer.node_id == *node_id)?;
        Some(peer.true_uptime_ns)
    }

    /// Returns the largest error of all times of peers.
    pub(super) fn max_error_ns(&self) -> u64 {
        self.peers.iter().map(PeerCheck::max_error_ns).max().unwrap_or(0)
    }
}

impl PeerCheck {
    fn new(truth: &PeerTruth, report: Option<&PeerReport>, at: Timestamp, tolerance_ns: u64) -> Self {
        let channel = report.and_then(|report| report.channels.first());
        let opened_at = truth.opened_at.unwrap_or(at);
        let true_times = truth.times(opened_at, at);
        let mut check = Self {
            alias: truth.role.alias(),
            node_id: truth.node_id,
            lifetime_ns: channel.map_or(0, |channel| channel.lifetime_ns),
            true_lifetime_ns: at.nanos_since(opened_at),
            observed_ns: channel.map_or(0, |channel| channel.observed_ns),
            true_observed_ns: true_times.observed_ns,
            uptime_ns: channel.map_or(0, |channel| channel.uptime_ns),
            true_uptime_ns: true_times.uptime_ns,
            flap_count: report.map_or(0, |report| report.flap_count),
            true_flap_count: truth.flap_count(),
            passed: false,
        };
        check.passed = channel.is_some()
            && check.max_error_ns() <= tolerance_ns
            && check.flap_count == check.true_flap_count;
        check
    }

    fn max_error_ns(&self) -> u64 {
        let lifetime_ns = self.lifetime_ns.abs_diff(self.true_lifetime_ns);
        let observed_ns = self.observed_ns.abs_diff(self.true_observed_ns);
        lifetime_ns.max(observed_ns).max(self.uptime_ns.abs_diff(self.true_uptime_ns))
    }
}

impl GapCheck {
    /// Compares the records of a gap with the true gap. An ongoing gap has no record yet.
    fn new(gap: &TrueGap, records: &[GapRecord], tolerance_ns: u64) -> Self {
        let mut check = Self::measured(records);
        check.trigger = Some(gap.trigger.label());
        (check.true_from_ns, check.true_to_ns) = (Some(gap.from), gap.to);
        let within_tolerance = |measured: Option<Timestamp>, truth: Option<Timestamp>| {
            measured.zip(truth).is_some_and(|(measured, truth)| {
                measured.as_nanos().abs_diff(truth.as_nanos()) <= tolerance_ns
            })
        };
        check.passed = match gap.to {
            Some(_) => {
                within_tolerance(check.from_ns, check.true_from_ns)
                    && within_tolerance(check.to_ns, check.true_to_ns)
                    && check.causes.iter().all(|cause| gap.trigger.expected_causes().contains(cause))
            }
            None => records.is_empty(),
        };
        check
    }

    /// Sets the measured values: from the start of the first record to the end of the last.
    fn measured(records: &[GapRecord]) -> Self {
        Self {
            trigger: None,
            causes: records.iter().map(|record| record.cause).collect(),
            from_ns: records.iter().map(|record| record.from_ns).min().map(Timestamp::from_nanos),
            true_from_ns: None,
            to_ns: records.iter().map(|record| record.to_ns).max().map(Timestamp::from_nanos),
            true_to_ns: None,
            passed: false,
        }
    }
}

/// Returns a check for each true gap, with all records that overlap it, and one for each remaining record.
fn check_gaps(
    true_gaps: &[TrueGap],
    started_at: Timestamp,
    records: &[GapRecord],
    tolerance_ns: u64,
) -> Vec<GapCheck> {
    // Earlier records are of a previous demo with the same store.
    let during_scenario = records.iter().filter(|record| record.to_ns > started_at.as_nanos());
    let mut remaining: Vec<GapRecord> = during_scenario.copied().collect();
    let mut checks = Vec::new();
    for gap in true_gaps {
        let from_ns = gap.from.before_nanos(tolerance_ns).as_nanos();
        let to_ns = gap.to.unwrap_or(Timestamp::MAX).after_nanos(tolerance_ns).as_nanos();
        let overlaps = |record: &GapRecord| record.from_ns <= to_ns && from_ns <= record.to_ns;
        let (overlapping, others) = remaining.into_iter().partition::<Vec<_>, _>(overlaps);
        checks.push(GapCheck::new(gap, &overlapping, tolerance_ns));
        remaining = others;
    }
    checks.extend(remaining.iter().map(|record| GapCheck::measured(&[*record])));
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ground_truth::GapTrigger;

    const SECOND: u64 = 1_000_000_000;

    fn record(number: u32, cause: GapCause, from_secs: u64, to_secs: u64) -> GapRecord {
        GapRecord { number, cause, from_ns: from_secs * SECOND, to_ns: to_secs * SECOND }
    }

    /// Checks records against a network failure from 110 s to 120 s and a restart from 130 s to 140 s.
    fn passed(records: &[GapRecord]) -> Vec<bool> {
        let at = Timestamp::from_secs;
        let true_gaps = [
            TrueGap { trigger: GapTrigger::NetworkDown, from: at(110), to: Some(at(120)) },
            TrueGap { trigger: GapTrigger::Restart, from: at(130), to: Some(at(140)) },
        ];
        let checks = check_gaps(&true_gaps, at(100), records, 2 * SECOND);
        checks.iter().map(|check| check.passed).collect()
    }

    #[test]
    fn gaps_pass_only_if_each_is_detected_and_none_is_unexpected() {
        let earlier = record(0, GapCause::NotRunning, 50, 99);
        let network = record(1, GapCause::NetworkDown, 111, 120);
        let paused = record(2, GapCause::Paused, 130, 131);
        let not_running = record(3, GapCause::NotRunning, 131, 141);
        assert_eq!(passed(&[earlier, network, paused, not_running]), [true, true]);
        assert_eq!(passed(&[network, not_running]), [true, true], "within the tolerance");
        assert_eq!(passed(&[paused, not_running]), [false, true], "network failure not detected");
        assert_eq!(passed(&[network, paused]), [true, false], "restart ends too early");
        let wrong_cause = record(1, GapCause::Suspended, 111, 120);
        assert_eq!(passed(&[wrong_cause, not_running]), [false, true], "wrong cause");
        let unexpected = record(4, GapCause::Suspended, 145, 149);
        assert_eq!(passed(&[network, not_running, unexpected]), [true, true, false], "unexpected gap");
    }
}
