//! One window in one value: how much, how often, and for how long.

use alloc::vec::Vec;

use crate::{Presence, PresenceInterval, Timestamp, WindowReport};

/// All there is to say of a peer, or of a channel's peer, within a window of time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowStats {
    /// How much of it was observed, and how much of that online; the window itself.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub window: WindowReport,
    /// How often the peer was lost, and for how long.
    pub outages: OutageStats,
    /// Whether it is connected now, and not at the window's end: `true`, `false`, or `null` where we
    /// cannot tell.
    pub presence: Presence,
    /// Since when.
    #[cfg_attr(feature = "serde", serde(rename = "presence_since_ns"))]
    pub presence_since: Timestamp,
}

impl WindowReport {
    /// Whether it has no error: nothing that matters to it was dropped from the log.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.uptime_error_ns == 0 && self.observed_error_ns == 0
    }
}

/// How often a peer was lost, and how long it took to come back.
///
/// Counted from the log. Where its rate limit dropped something within the window,
/// [`Outages::complete`] is `false`: the number and the longest stretch are the least that can have
/// been, the time between two the most, and times to return are those that the log kept. The exact number of all disconnects of a peer is
/// [`PeerReport::disconnects`](crate::PeerReport::disconnects).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OutageStats {
    /// How often it went from online to offline. Those of windows that meet add up.
    pub disconnects: u64,
    /// The window's online time for each of them, in nanoseconds; `None` without one.
    pub mean_time_between_disconnects_ns: Option<u64>,
    /// The median length of those that began and ended within the window, in its return and not in a
    /// gap of ours, in nanoseconds; of an even number the mean of the two in the middle, rounded
    /// down. `None` without one.
    pub median_recovery_ns: Option<u64>,
    /// The longest of those; `None` without one.
    pub longest_recovery_ns: Option<u64>,
    /// The longest stretch offline within the window, however it began and whether or not it has
    /// ended, in nanoseconds; 0 without one.
    pub longest_outage_ns: u64,
    /// Whether the log kept every change in the window.
    pub complete: bool,
}

impl OutageStats {
    /// Those in a timeline, which `before` came before, where that is known.
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
