//! An interval of a peer's timeline, with the cause if it was unobserved.

use alloc::vec::Vec;

use crate::report::availability;
use crate::{Gap, GapCause, Presence, Timestamp, WindowReport};

/// An interval during which a peer's presence did not change, or for which the log no longer has the
/// individual changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PresenceInterval {
    /// The start of the interval.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// The end of the interval, where the next one begins.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// The part of the interval during which the presence was known, in nanoseconds.
    pub observed_ns: u64,
    /// The part of the observed time during which the peer was online, in nanoseconds.
    pub uptime_ns: u64,
    /// The presence during the whole interval; `None` if it changed within the interval and the log dropped
    /// the individual changes.
    pub presence: Option<Presence>,
    /// The cause of the monitoring gap in which the interval lies. `None` if there was no gap or the timeline
    /// was requested without gaps.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cause: Option<GapCause>,
}

impl PresenceInterval {
    /// Returns the length of the interval in nanoseconds.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        self.to.nanos_since(self.from)
    }

    /// Returns uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        availability(self.uptime_ns, self.observed_ns)
    }

    /// Extends the interval by the next one, which has the same presence.
    pub(crate) fn extend(&mut self, next: &Self) {
        self.to = next.to;
        self.observed_ns += next.observed_ns;
        self.uptime_ns += next.uptime_ns;
    }
}

impl From<WindowReport> for PresenceInterval {
    fn from(window: WindowReport) -> Self {
        let presence = match (window.observed_ns, window.uptime_ns) {
            _ if !window.is_exact() => None,
            (0, _) => Some(Presence::Unobserved),
            (observed_ns, _) if observed_ns < window.length_ns => None,
            (_, 0) => Some(Presence::Offline),
            (observed_ns, uptime_ns) if uptime_ns == observed_ns => Some(Presence::Online),
            _ => None,
        };
        Self {
            from: window.from,
            to: window.to,
            observed_ns: window.observed_ns,
            uptime_ns: window.uptime_ns,
            presence,
            cause: None,
        }
    }
}

/// Splits unobserved intervals where gaps begin and end, and sets their causes.
///
/// Both slices are in chronological order, and gaps do not overlap.
pub(crate) fn split_at_gaps(timeline: &[PresenceInterval], gaps: &[Gap]) -> Vec<PresenceInterval> {
    let mut split = Vec::with_capacity(timeline.len());
    let mut gaps = gaps.iter().peekable();
    for interval in timeline {
        let mut at = interval.from;
        let mut piece = |at: &mut Timestamp, to: Timestamp, cause| {
            if *at < to {
                split.push(PresenceInterval { from: *at, to, cause, ..*interval });
                *at = to;
            }
        };
        if interval.presence == Some(Presence::Unobserved) {
            while gaps.next_if(|gap| gap.to <= at).is_some() {}
            while let Some(gap) = gaps.peek().filter(|gap| gap.from < interval.to) {
                piece(&mut at, gap.from, None);
                piece(&mut at, gap.to.min(interval.to), Some(gap.cause));
                if gap.to > interval.to {
                    break;
                }
                gaps.next();
            }
        }
        piece(&mut at, interval.to, None);
    }
    split
}
