//! The texts of alerts.

use std::fmt;

use super::{Alert, AlertKind};
use crate::duration_text::{Percent, TwoUnits};

/// Writes the peer and the condition: `peer 02ab…: back online after 1 h 5 min`.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node_id {
            Some(node_id) => write!(f, "peer {node_id}: {}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Offline { offline_ns, .. } => write!(f, "offline for {}", TwoUnits(offline_ns)),
            Self::BackOnline { outage_ns } => write!(f, "back online after {}", TwoUnits(outage_ns)),
            Self::Flapping { flaps, window_ns } => {
                write!(f, "flapping: {flaps} flaps within {}", TwoUnits(window_ns))
            }
            Self::FlappingStopped => f.write_str("flapping stopped"),
            Self::AvailabilityLow { availability, threshold } => {
                write!(
                    f,
                    "availability {}, below the {} threshold",
                    Percent(availability),
                    Percent(threshold)
                )
            }
            Self::AvailabilityRecovered { availability } => {
                write!(f, "availability recovered to {}", Percent(availability))
            }
            Self::MonitoringInterrupted { cause } => write!(f, "monitoring interrupted: {cause}"),
            Self::MonitoringResumed { cause, gap_ns } => {
                write!(f, "monitoring resumed after {} ({cause})", TwoUnits(gap_ns))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fitness_core::{NodeId, Timestamp};

    use super::*;
    use crate::SECOND_NS;

    #[test]
    fn texts_carry_the_numbers_and_their_units() {
        let seconds = |seconds| seconds * SECOND_NS;
        let texts = [
            (
                AlertKind::Offline { offline_since: Timestamp::EPOCH, offline_ns: seconds(600) },
                "offline for 10 min",
            ),
            (AlertKind::BackOnline { outage_ns: seconds(3_905) }, "back online after 1 h 5 min"),
            (AlertKind::Flapping { flaps: 10, window_ns: seconds(3_600) }, "flapping: 10 flaps within 1 h"),
            (
                AlertKind::AvailabilityLow { availability: 0.8888, threshold: 0.9 },
                "availability 88.9%, below the 90.0% threshold",
            ),
            (AlertKind::AvailabilityRecovered { availability: 0.93 }, "availability recovered to 93.0%"),
        ];
        for (kind, text) in texts {
            assert_eq!(kind.to_string(), text);
            let node_id = NodeId([2; 33]);
            let alert = Alert { at: Timestamp::EPOCH, node_id: Some(node_id), kind };
            assert_eq!(alert.to_string(), format!("peer {node_id}: {text}"));
        }
    }
}
