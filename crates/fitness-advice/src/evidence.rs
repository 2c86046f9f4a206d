//! What is known of one peer, as far as a judgement needs it.

use fitness_core::{NodeId, PeerHistory, PeerReport, Presence, StandardWindow, Timestamp, WindowStats};

use crate::{DAY_NS, Score};

/// What sort of peer it is: not all are expected to be always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerKind {
    /// A node that is expected to be online, and is held against the others of its kind.
    #[default]
    Routing,
    /// All channels with it are unannounced: a client, or a node that routes for us alone.
    Private,
    /// A phone or the like, which sleeps most of the time.
    Mobile,
}

/// What a peer is judged by.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evidence {
    /// The peer.
    pub node_id: NodeId,
    /// What sort of peer it is.
    pub kind: PeerKind,
    /// How many open channels there are with it.
    pub channels: usize,
    /// Whether it is followed for its own sake.
    pub watched: bool,
    /// Nanoseconds in which we knew whether it was online, in all the time that we know it.
    pub observed_ns: u64,
    /// Its fitness in the window that it is judged by.
    pub stats: WindowStats,
    /// Changes of its connection, down and up, in the 7 days before; the least that can have been
    /// where `flaps_complete` is `false`.
    pub flaps_7d: u64,
    /// Whether the log kept every change of those 7 days.
    pub flaps_complete: bool,
    /// Observed time since it was last online, in nanoseconds: gaps of ours are no part of it.
    pub offline_ns: u64,
    /// The part of the time it was online in which LDK could send over its channels, from 0 to 1; `None`
    /// where we were never told.
    pub usable_ratio: Option<f64>,
}

impl Evidence {
    /// From a peer's report and its history, as of the history's [`PeerHistory::end`]. The history has to
    /// reach back as far as `span` does, and 7 days.
    #[must_use]
    pub fn of(report: &PeerReport, history: &PeerHistory, span: StandardWindow) -> Self {
        let now = history.end();
        let (flaps_7d, flaps_complete) = changes(history, now.before_nanos(7 * DAY_NS), now);
        Self {
            node_id: report.node_id,
            kind: PeerKind::default(),
            channels: report.channels.len(),
            watched: report.watched,
            observed_ns: report.observed_ns,
            stats: history.stats_over(span),
            flaps_7d,
            flaps_complete,
            offline_ns: offline_ns(history),
            usable_ratio: usability(report),
        }
    }

    /// The same of a peer of another sort.
    #[must_use]
    pub fn with_kind(mut self, kind: PeerKind) -> Self {
        self.kind = kind;
        self
    }

    /// Its score; `None` while nothing was observed.
    #[must_use]
    pub fn score(&self) -> Option<Score> {
        Score::of(&self.stats, self.usable_ratio)
    }
}

/// Observed time since the last interval in which it was online.
fn offline_ns(history: &PeerHistory) -> u64 {
    let timeline = history.timeline(Timestamp::EPOCH, history.end());
    let since = timeline.iter().rev().take_while(|interval| interval.uptime_ns == 0);
    since.map(|interval| interval.observed_ns).sum()
}

/// How often the connection went down or up within `[from, to)`, and whether that is all.
fn changes(history: &PeerHistory, from: Timestamp, to: Timestamp) -> (u64, bool) {
    let timeline = history.timeline(from, to);
    let is_change = |pair: &&[fitness_core::PresenceInterval]| {
        let (Some(was), Some(is)) = (pair[0].presence, pair[1].presence) else { return false };
        was != is && was != Presence::Unobserved && is != Presence::Unobserved
    };
    let mixed = timeline.iter().filter(|interval| interval.presence.is_none()).count();
    let count = timeline.windows(2).filter(is_change).count() + mixed;
    (u64::try_from(count).unwrap_or(u64::MAX), mixed == 0)
}

// Lengths of time become a ratio.
#[allow(clippy::cast_precision_loss)]
fn usability(report: &PeerReport) -> Option<f64> {
    let told = report.channels.iter().filter(|channel| channel.usable_observed_ns > 0);
    let sums = told.fold((0_u64, 0_u64), |(usable, online), channel| {
        (usable.saturating_add(channel.usable_ns), online.saturating_add(channel.uptime_ns))
    });
    (sums.1 > 0).then(|| (sums.0 as f64 / sums.1 as f64).min(1.0))
}
