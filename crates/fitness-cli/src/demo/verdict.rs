//! What was measured, held against what really happened: as figures, and right or wrong.

use std::collections::BTreeSet;

use fitness_core::{GapCause, GapRecord, NodeId, PeerReport, Timestamp};
use serde::Serialize;

use super::truth::{TrueGap, Truth, Truths};
use super::wallet::LOOK;

/// Everything that was measured is right if every part of it is.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    /// Whether all of it is.
    pub(super) right: bool,
    /// How far a time may be off: as long as it may take until the wallet looks.
    pub(super) tolerance_ns: u64,
    /// When the play began.
    pub(super) began_ns: Timestamp,
    pub(super) peers: Vec<PeerVerdict>,
    pub(super) gaps: Vec<GapVerdict>,
}

/// A peer and its channel: each figure as measured, and as it should be.
#[derive(Debug, Serialize)]
pub(super) struct PeerVerdict {
    pub(super) label: &'static str,
    pub(super) node_id: NodeId,
    pub(super) lifetime_ns: u64,
    pub(super) true_lifetime_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) true_observed_ns: u64,
    pub(super) uptime_ns: u64,
    pub(super) true_uptime_ns: u64,
    pub(super) flap_count: u32,
    pub(super) true_flap_count: u32,
    pub(super) right: bool,
}

/// A time in which we could not tell. It has no true ends where the demo has not caused it, and no measured
/// ones where it was not noticed.
#[derive(Debug, Serialize)]
pub(super) struct GapVerdict {
    pub(super) why: Option<&'static str>,
    /// What it was taken for.
    pub(super) causes: BTreeSet<GapCause>,
    pub(super) from_ns: Option<Timestamp>,
    pub(super) true_from_ns: Option<Timestamp>,
    pub(super) to_ns: Option<Timestamp>,
    pub(super) true_to_ns: Option<Timestamp>,
    pub(super) right: bool,
}

impl Verdict {
    /// Holds reports as of `at`, and the gaps that are stored, against the truth.
    pub(super) fn new(truths: &Truths, at: Timestamp, reports: &[PeerReport], gaps: &[GapRecord]) -> Self {
        let tolerance_ns = u64::try_from(LOOK.as_nanos()).unwrap_or(u64::MAX);
        let began = truths.clock.began();
        let report_of = |truth: &Truth| reports.iter().find(|report| report.node_id == truth.node_id);
        let peers: Vec<_> = truths
            .peers
            .iter()
            .map(|truth| PeerVerdict::new(truth, report_of(truth), at, tolerance_ns))
            .collect();
        let gaps = gap_verdicts(&truths.gaps, began, gaps, tolerance_ns);
        let right = peers.iter().all(|peer| peer.right) && gaps.iter().all(|gap| gap.right);
        Self { right, tolerance_ns, began_ns: began, peers, gaps }
    }

    /// The true uptime of a peer's channel.
    pub(super) fn true_uptime_ns(&self, node_id: &NodeId) -> Option<u64> {
        let peer = self.peers.iter().find(|peer| peer.node_id == *node_id)?;
        Some(peer.true_uptime_ns)
    }

    /// How far the time that is furthest from the true one lies from it.
    pub(super) fn furthest_ns(&self) -> u64 {
        self.peers.iter().map(PeerVerdict::furthest_ns).max().unwrap_or(0)
    }
}

impl PeerVerdict {
    fn new(truth: &Truth, report: Option<&PeerReport>, at: Timestamp, tolerance_ns: u64) -> Self {
        let channel = report.and_then(|report| report.channels.first());
        let opened_at = truth.opened_at.unwrap_or(at);
        let spans = truth.spans(opened_at, at);
        let mut verdict = Self {
            label: truth.role.name(),
            node_id: truth.node_id,
            lifetime_ns: channel.map_or(0, |channel| channel.lifetime_ns),
            true_lifetime_ns: at.nanos_since(opened_at),
            observed_ns: channel.map_or(0, |channel| channel.observed_ns),
            true_observed_ns: spans.observed_ns,
            uptime_ns: channel.map_or(0, |channel| channel.uptime_ns),
            true_uptime_ns: spans.uptime_ns,
            flap_count: report.map_or(0, |report| report.flap_count),
            true_flap_count: truth.flap_count(),
            right: false,
        };
        verdict.right = channel.is_some()
            && verdict.furthest_ns() <= tolerance_ns
            && verdict.flap_count == verdict.true_flap_count;
        verdict
    }

    fn furthest_ns(&self) -> u64 {
        let lifetime_ns = self.lifetime_ns.abs_diff(self.true_lifetime_ns);
        let observed_ns = self.observed_ns.abs_diff(self.true_observed_ns);
        lifetime_ns.max(observed_ns).max(self.uptime_ns.abs_diff(self.true_uptime_ns))
    }
}

impl GapVerdict {
    /// Holds what was measured of a gap against the truth. One that lasts to the end is not stored yet.
    fn new(gap: &TrueGap, rows: &[GapRecord], tolerance_ns: u64) -> Self {
        let mut verdict = Self::measured(rows);
        verdict.why = Some(gap.why.name());
        (verdict.true_from_ns, verdict.true_to_ns) = (Some(gap.from), gap.to);
        let is_about = |measured: Option<Timestamp>, truth: Option<Timestamp>| {
            measured.zip(truth).is_some_and(|(measured, truth)| {
                measured.as_nanos().abs_diff(truth.as_nanos()) <= tolerance_ns
            })
        };
        verdict.right = match gap.to {
            Some(_) => {
                is_about(verdict.from_ns, verdict.true_from_ns)
                    && is_about(verdict.to_ns, verdict.true_to_ns)
                    && verdict.causes.iter().all(|cause| gap.why.causes().contains(cause))
            }
            None => rows.is_empty(),
        };
        verdict
    }

    /// From the beginning of the first row to the end of the last.
    fn measured(rows: &[GapRecord]) -> Self {
        Self {
            why: None,
            causes: rows.iter().map(|row| row.cause).collect(),
            from_ns: rows.iter().map(|row| row.from_ns).min().map(Timestamp::from_nanos),
            true_from_ns: None,
            to_ns: rows.iter().map(|row| row.to_ns).max().map(Timestamp::from_nanos),
            true_to_ns: None,
            right: false,
        }
    }
}

/// One for each true gap, with all that was measured of it, and one for each other row.
fn gap_verdicts(
    truths: &[TrueGap],
    began: Timestamp,
    measured: &[GapRecord],
    tolerance_ns: u64,
) -> Vec<GapVerdict> {
    // What was before the play was an earlier demo's on the same file.
    let during_it = measured.iter().filter(|row| row.to_ns > began.as_nanos());
    let mut rows: Vec<GapRecord> = during_it.copied().collect();
    let mut verdicts = Vec::new();
    for gap in truths {
        let from_ns = gap.from.before_nanos(tolerance_ns).as_nanos();
        let to_ns = gap.to.unwrap_or(Timestamp::MAX).after_nanos(tolerance_ns).as_nanos();
        let is_of_it = |row: &GapRecord| row.from_ns <= to_ns && from_ns <= row.to_ns;
        let (of_it, others) = rows.into_iter().partition::<Vec<_>, _>(is_of_it);
        verdicts.push(GapVerdict::new(gap, &of_it, tolerance_ns));
        rows = others;
    }
    verdicts.extend(rows.iter().map(|row| GapVerdict::measured(&[*row])));
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::truth::Why;

    const SECOND: u64 = 1_000_000_000;

    fn row(number: u32, cause: GapCause, from_secs: u64, to_secs: u64) -> GapRecord {
        GapRecord { number, cause, from_ns: from_secs * SECOND, to_ns: to_secs * SECOND }
    }

    fn right(rows: &[GapRecord]) -> Vec<bool> {
        let at = Timestamp::from_secs;
        let truths = [
            TrueGap { why: Why::NetworkOut, from: at(110), to: Some(at(120)) },
            TrueGap { why: Why::Restart, from: at(130), to: Some(at(140)) },
        ];
        let verdicts = gap_verdicts(&truths, at(100), rows, 2 * SECOND);
        verdicts.iter().map(|verdict| verdict.right).collect()
    }

    #[test]
    fn gaps_are_right_if_they_are_there_and_nothing_else_is() {
        let (old, out) = (row(0, GapCause::NotRunning, 50, 99), row(1, GapCause::NetworkDown, 111, 120));
        let (paused, down) = (row(2, GapCause::Paused, 130, 131), row(3, GapCause::NotRunning, 131, 141));
        assert_eq!(right(&[old, out, paused, down]), [true, true]);
        assert_eq!(right(&[out, down]), [true, true], "a second late, and a second early");
        assert_eq!(right(&[paused, down]), [false, true], "not noticed");
        assert_eq!(right(&[out, paused]), [true, false], "over too early");
        let wrong = row(1, GapCause::Suspended, 111, 120);
        assert_eq!(right(&[wrong, down]), [false, true], "noticed, and taken for something else");
        let other = row(4, GapCause::Suspended, 145, 149);
        assert_eq!(right(&[out, down, other]), [true, true, false], "not of our making");
    }
}
