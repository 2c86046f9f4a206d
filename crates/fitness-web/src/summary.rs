//! Summary of a peer's history in one window: statistics, and a strip of marks for the dashboard.

use fitness_advice::Evidence;
use fitness_core::{PeerHistory, PeerReport, StandardWindow, Timestamp, WindowReport, WindowStats};

/// A peer's history in one window.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) stats: WindowStats,
    pub(crate) strip: Strip,
    /// Input of the recommendation; only for windows of at least 90 days.
    pub(crate) evidence: Option<Evidence>,
}

/// A window divided into parts of equal length, with one mark for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strip(Box<[Mark]>);

/// The presence of a peer in one part of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The peer was not tracked yet.
    Untracked,
    Unobserved,
    Offline,
    /// Online for this part of the observed time, in per mille, from 1 to 999.
    PartlyOnline(u16),
    Online,
}

impl Summary {
    pub(crate) fn of(report: &PeerReport, history: &PeerHistory, window: StandardWindow) -> Self {
        let to = history.end();
        // A lifetime starts where the history does. Other windows may start before it.
        let from = window.start(to).max(if window == StandardWindow::Lifetime {
            history.start()
        } else {
            Timestamp::EPOCH
        });
        let has_evidence = matches!(window, StandardWindow::Quarter | StandardWindow::Lifetime);
        Self {
            stats: history.stats(from, to),
            strip: Strip::of(history, from, to, strip_parts(window)),
            evidence: has_evidence.then(|| Evidence::of(report, history, window)),
        }
    }
}

/// Returns the number of parts in the strip of a window.
pub(crate) const fn strip_parts(window: StandardWindow) -> usize {
    match window {
        StandardWindow::Day => 48,
        StandardWindow::Week => 56,
        StandardWindow::Month | StandardWindow::Lifetime => 60,
        StandardWindow::Quarter => 90,
    }
}

impl Strip {
    pub(crate) fn of(history: &PeerHistory, from: Timestamp, to: Timestamp, parts: usize) -> Self {
        let length_ns = to.nanos_since(from);
        let start_of = |part: usize| {
            let offset_ns = u128::from(length_ns) * part as u128 / parts as u128;
            from.after_nanos(u64::try_from(offset_ns).unwrap_or(length_ns))
        };
        Self((0..parts).map(|part| Mark::of(&history.window(start_of(part), start_of(part + 1)))).collect())
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.0
    }
}

impl Mark {
    pub(crate) fn of(window: &WindowReport) -> Self {
        let (observed, uptime) = (window.observed_ns, window.uptime_ns);
        match (observed, uptime) {
            _ if window.length_ns == 0 => Self::Untracked,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            _ if uptime >= observed => Self::Online,
            _ => {
                let permille = u128::from(uptime) * 1000 / u128::from(observed);
                Self::PartlyOnline(u16::try_from(permille).unwrap_or(999).clamp(1, 999))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    #[test]
    fn strip_has_one_mark_for_each_part_of_the_window() {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        let hour = 3_600;
        tracker.apply(start, &Event::Watch { node_id });
        tracker.apply(start.after_secs(hour), &Event::PeerOnline { node_id });
        tracker.apply(start.after_secs(10 * hour), &Event::PeerOffline { node_id });
        tracker.apply(start.after_secs(12 * hour - 180), &Event::PeerOnline { node_id });
        let history = tracker.history(start.after_secs(12 * hour), &node_id, &[]).expect("peer is tracked");
        let report = tracker.peer(history.end(), &node_id).expect("peer is tracked");
        let Summary { stats, strip, evidence } = Summary::of(&report, &history, StandardWindow::Day);
        assert!(evidence.is_none(), "24 h are too short for a recommendation");
        // The statistics start when the peer was first tracked; the strip covers the whole day.
        assert_eq!(stats.window.length_ns, 12 * hour * 1_000_000_000);
        let mut expected = vec![Mark::Untracked; 24];
        expected.extend([Mark::Unobserved; 2]);
        expected.extend([Mark::Online; 18]);
        expected.extend([Mark::Offline; 3]);
        expected.push(Mark::PartlyOnline(100));
        assert_eq!(strip.marks(), expected);

        let lifetime = Summary::of(&report, &history, StandardWindow::Lifetime).strip;
        assert_eq!(lifetime.marks().len(), strip_parts(StandardWindow::Lifetime));
        assert_eq!(lifetime.marks()[0], Mark::Unobserved, "a lifetime has no untracked part");
    }
}
