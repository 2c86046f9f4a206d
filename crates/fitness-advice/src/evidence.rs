//! The measurements of one peer that recommendations and scores are based on.

use fitness_core::{NodeId, PeerHistory, PeerReport, Presence, StandardWindow, Timestamp, WindowStats};

use crate::{DAY_NS, Score};

/// The kind of a peer. Some kinds are not expected to be online all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerKind {
    /// A routing node, which is expected to be online and is compared with other routing nodes.
    #[default]
    Routing,
    /// A node whose channels with us are all unannounced: a client, or a node that only we route through.
    Private,
    /// A mobile wallet, which is offline most of the time.
    Mobile,
}

/// The measurements of one peer that [`advise`](crate::advise) and [`Score`] are based on.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evidence {
    /// The peer.
    pub node_id: NodeId,
    /// The kind of peer.
    pub kind: PeerKind,
    /// The number of open channels with the peer.
    pub channels: usize,
    /// Whether the peer is watched explicitly, with or without a channel.
    pub watched: bool,
    /// The observed time since the peer was first tracked, in nanoseconds.
    pub observed_ns: u64,
    /// The statistics over the window of the policy.
    pub stats: WindowStats,
    /// The number of connection changes, up and down, in the last 7 days. A lower bound if `flaps_complete`
    /// is `false`.
    pub flaps_7d: u64,
    /// Whether the log contains every connection change of the last 7 days.
    pub flaps_complete: bool,
    /// The observed time since the peer was last online, in nanoseconds. Monitoring gaps do not count.
    pub offline_ns: u64,
    /// The part of the online time in which LDK could send over the peer's channels, from 0 to 1; `None` if
    /// that was never reported.
    pub usable_ratio: Option<f64>,
}

impl Evidence {
    /// Collects the evidence from a peer's report and history, as of [`PeerHistory::end`].
    ///
    /// The history must cover `window` and the last 7 days.
    #[must_use]
    pub fn of(report: &PeerReport, history: &PeerHistory, window: StandardWindow) -> Self {
        let now = history.end();
        let (flaps_7d, flaps_complete) = count_flaps(history, now.before_nanos(7 * DAY_NS), now);
        Self {
            node_id: report.node_id,
            kind: PeerKind::default(),
            channels: report.channels.len(),
            watched: report.watched,
            observed_ns: report.observed_ns,
            stats: history.stats_over(window),
            flaps_7d,
            flaps_complete,
            offline_ns: offline_ns(history),
            usable_ratio: usable_ratio(report),
        }
    }

    /// Sets the kind of the peer; the default is [`PeerKind::Routing`].
    #[must_use]
    pub fn with_kind(mut self, kind: PeerKind) -> Self {
        self.kind = kind;
        self
    }

    /// Computes the score of the peer. Returns `None` while no time was observed.
    #[must_use]
    pub fn score(&self) -> Option<Score> {
        Score::of(&self.stats, self.usable_ratio)
    }
}

/// Returns the observed time since the end of the last interval with uptime.
fn offline_ns(history: &PeerHistory) -> u64 {
    let timeline = history.timeline(Timestamp::EPOCH, history.end());
    let since_online = timeline.iter().rev().take_while(|interval| interval.uptime_ns == 0);
    since_online.map(|interval| interval.observed_ns).sum()
}

/// Returns how often the connection went down or up within `[from, to)`, and whether the count is complete.
fn count_flaps(history: &PeerHistory, from: Timestamp, to: Timestamp) -> (u64, bool) {
    let timeline = history.timeline(from, to);
    let is_flap = |pair: &&[fitness_core::PresenceInterval]| {
        let (Some(previous), Some(presence)) = (pair[0].presence, pair[1].presence) else { return false };
        previous != presence && previous != Presence::Unobserved && presence != Presence::Unobserved
    };
    let mixed = timeline.iter().filter(|interval| interval.presence.is_none()).count();
    let count = timeline.windows(2).filter(is_flap).count() + mixed;
    (u64::try_from(count).unwrap_or(u64::MAX), mixed == 0)
}

#[allow(clippy::cast_precision_loss, reason = "the ratio of two durations needs no more precision")]
fn usable_ratio(report: &PeerReport) -> Option<f64> {
    let reported = report.channels.iter().filter(|channel| channel.usable_observed_ns > 0);
    let (usable_ns, online_ns) = reported.fold((0_u64, 0_u64), |(usable_ns, online_ns), channel| {
        (usable_ns.saturating_add(channel.usable_ns), online_ns.saturating_add(channel.uptime_ns))
    });
    (online_ns > 0).then(|| (usable_ns as f64 / online_ns as f64).min(1.0))
}
