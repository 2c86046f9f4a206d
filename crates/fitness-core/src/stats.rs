//! Statistics of a window of time.

use alloc::vec::Vec;

use crate::{Presence, PresenceInterval, Timestamp, WindowReport};

/// The uptime and outage statistics of a peer, or of a channel's peer, within a window of time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowStats {
    /// The window, its observed time and its uptime.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub window: WindowReport,
    /// How often the peer disconnected, and how long its outages lasted.
    pub outages: OutageStats,
    /// The presence at [`PeerHistory::end`](crate::PeerHistory::end), which may be later than the end of the
    /// window.
    pub presence: Presence,
    /// The time at which this presence began.
    #[cfg_attr(feature = "serde", serde(rename = "presence_since_ns"))]
    pub presence_since: Timestamp,
}

impl WindowReport {
    /// Returns whether the values are exact, which is the case if the log dropped no entries near the ends of
    /// the window.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.uptime_error_ns == 0 && self.observed_error_ns == 0
    }
}

/// Statistics of a peer's outages within a window of time.
///
/// They are computed from the log. If the log dropped changes within the window, [`OutageStats::complete`] is
/// `false`. In that case `disconnects` and `longest_outage_ns` are lower bounds, the mean time between
/// disconnects is an upper bound, and the recovery statistics cover only the recoveries that are still in the
/// log. [`PeerReport::disconnects`](crate::PeerReport::disconnects) is the exact number of all disconnects of
/// a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OutageStats {
    /// The number of disconnects. The numbers of adjacent windows add up.
    pub disconnects: u64,
    /// The uptime within the window divided by the number of disconnects, in nanoseconds; `None` without
    /// disconnects.
    pub mean_time_between_disconnects_ns: Option<u64>,
    /// The median duration of the recoveries in nanoseconds; `None` if there were none.
    ///
    /// An outage counts as a recovery if it began with a disconnect and ended with a reconnect, both within
    /// the window. An outage that ended in a monitoring gap does not count. The median of an even number of
    /// values is the mean of the two values in the middle, rounded down.
    pub median_recovery_ns: Option<u64>,
    /// The longest recovery in nanoseconds; `None` if there were none.
    pub longest_recovery_ns: Option<u64>,
    /// The longest outage within the window in nanoseconds, including outages that have not ended and outages
    /// that began without a disconnect; 0 if there were none.
    pub longest_outage_ns: u64,
    /// Whether the log still has all changes within the window.
    pub complete: bool,
}

impl OutageStats {
    /// Computes the statistics of a timeline. `presence_before` is the presence just before it, if known.
    pub(crate) fn from_timeline(timeline: &[PresenceInterval], presence_before: Option<Presence>) -> Self {
        let begins_offline = timeline.first().is_some_and(|first| first.presence == Some(Presence::Offline));
        let mut stats = Self { complete: presence_before.is_some() || !begins_offline, ..Self::default() };
        let mut recoveries: Vec<u64> = Vec::new();
        let mut previous = presence_before;
        for (i, interval) in timeline.iter().enumerate() {
            stats.complete &= interval.presence.is_some();
            if interval.presence == Some(Presence::Offline) {
                let length_ns = interval.length_ns();
                stats.longest_outage_ns = stats.longest_outage_ns.max(length_ns);
                if previous == Some(Presence::Online) {
                    stats.disconnects += 1;
                    let next = timeline.get(i + 1).and_then(|next| next.presence);
                    recoveries.extend((next == Some(Presence::Online)).then_some(length_ns));
                }
            }
            previous = interval.presence;
        }
        recoveries.sort_unstable();
        stats.median_recovery_ns = median(&recoveries);
        stats.longest_recovery_ns = recoveries.last().copied();
        let uptime_ns: u64 = timeline.iter().map(|interval| interval.uptime_ns).sum();
        stats.mean_time_between_disconnects_ns = uptime_ns.checked_div(stats.disconnects);
        stats
    }
}

fn median(sorted: &[u64]) -> Option<u64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(lower + (upper - lower) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_count_is_mean_of_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[1, 4]), Some(2));
        assert_eq!(median(&[1, 4, 100]), Some(4));
        assert_eq!(median(&[0, u64::MAX - 1, u64::MAX, u64::MAX]), Some(u64::MAX - 1));
    }
}
