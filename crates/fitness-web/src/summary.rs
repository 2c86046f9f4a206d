//! A window of a peer's history in short: its numbers, and a strip of marks to look at.

use fitness_advice::Evidence;
use fitness_core::{PeerHistory, PeerReport, StandardWindow, Timestamp, WindowReport, WindowStats};

/// How a peer did in a window.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) stats: WindowStats,
    pub(crate) strip: Strip,
    /// What it is judged by; of a window that reaches back far enough for that.
    pub(crate) evidence: Option<Evidence>,
}

/// Equal parts of a window, each as good as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strip(Box<[Mark]>);

/// What a part of a strip was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The peer was not followed yet.
    Nothing,
    Unobserved,
    Offline,
    /// Online for so many per mille of what was observed, from 1 to 999.
    Partly(u16),
    Online,
}

impl Summary {
    pub(crate) fn of(report: &PeerReport, history: &PeerHistory, span: StandardWindow) -> Self {
        let to = history.end();
        // A lifetime begins where the history does.
        let from = span.start(to).max(if span == StandardWindow::Lifetime {
            history.start()
        } else {
            Timestamp::EPOCH
        });
        let is_long = matches!(span, StandardWindow::Quarter | StandardWindow::Lifetime);
        Self {
            stats: history.stats(from, to),
            strip: Strip::of(history, from, to, parts(span)),
            evidence: is_long.then(|| Evidence::of(report, history, span)),
        }
    }
}

/// How many parts a strip has.
pub(crate) const fn parts(span: StandardWindow) -> usize {
    match span {
        StandardWindow::Day => 48,
        StandardWindow::Week => 56,
        StandardWindow::Month | StandardWindow::Lifetime => 60,
        StandardWindow::Quarter => 90,
    }
}

impl Strip {
    pub(crate) fn of(history: &PeerHistory, from: Timestamp, to: Timestamp, parts: usize) -> Self {
        let length_ns = to.nanos_since(from);
        let edge = |part: usize| {
            let into = u128::from(length_ns) * part as u128 / parts as u128;
            from.after_nanos(u64::try_from(into).unwrap_or(length_ns))
        };
        Self((0..parts).map(|part| Mark::of(&history.window(edge(part), edge(part + 1)))).collect())
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.0
    }
}

impl Mark {
    pub(crate) fn of(window: &WindowReport) -> Self {
        let (observed, uptime) = (window.observed_ns, window.uptime_ns);
        match (observed, uptime) {
            _ if window.length_ns == 0 => Self::Nothing,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            _ if uptime >= observed => Self::Online,
            _ => {
                let permille = u128::from(uptime) * 1000 / u128::from(observed);
                Self::Partly(u16::try_from(permille).unwrap_or(999).clamp(1, 999))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    #[test]
    fn a_strip_has_a_mark_for_each_part_of_its_window() {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        let hour = 3_600;
        tracker.apply(start, &Event::Watch { node_id });
        tracker.apply(start.after_secs(hour), &Event::PeerOnline { node_id });
        tracker.apply(start.after_secs(10 * hour), &Event::PeerOffline { node_id });
        tracker.apply(start.after_secs(12 * hour - 180), &Event::PeerOnline { node_id });
        let history = tracker.history(start.after_secs(12 * hour), &node_id, &[]).expect("it is watched");
        let report = tracker.peer(history.end(), &node_id).expect("it is watched");
        let Summary { stats, strip, evidence } = Summary::of(&report, &history, StandardWindow::Day);
        assert!(evidence.is_none(), "a day is too short to judge by");
        // The day is cut at the peer's beginning, and the strip is not.
        assert_eq!(stats.window.length_ns, 12 * hour * 1_000_000_000);
        let mut expected = vec![Mark::Nothing; 24];
        expected.extend([Mark::Unobserved; 2]);
        expected.extend([Mark::Online; 18]);
        expected.extend([Mark::Offline; 3]);
        expected.push(Mark::Partly(100));
        assert_eq!(strip.marks(), expected);

        let lifetime = Summary::of(&report, &history, StandardWindow::Lifetime).strip;
        assert_eq!(lifetime.marks().len(), parts(StandardWindow::Lifetime));
        assert_eq!(lifetime.marks()[0], Mark::Unobserved, "a lifetime has nothing before it");
    }
}
