//! Alerts in words.

use std::fmt;

use super::{Alert, AlertKind};

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node_id {
            Some(node_id) => write!(f, "peer {node_id} {}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Offline { offline_ns, .. } => write!(f, "has been offline for {}", Length(offline_ns)),
            Self::BackOnline { outage_ns } => write!(f, "is back after {}", Length(outage_ns)),
            Self::Flapping { flaps: changes, window_ns } => {
                write!(f, "is flapping: {changes} changes within {}", Length(window_ns))
            }
            Self::FlappingStopped => f.write_str("is calm again"),
            Self::AvailabilityLow { availability, threshold } => {
                write!(f, "is down to {:.1} %, below {:.1} %", availability * 100.0, threshold * 100.0)
            }
            Self::AvailabilityRecovered { availability } => {
                write!(f, "has recovered to {:.1} %", availability * 100.0)
            }
            Self::MonitoringInterrupted { cause } => write!(f, "we cannot tell who is online: {cause}"),
            Self::MonitoringResumed { cause, gap_ns } => {
                write!(f, "we can tell again who is online, after {} ({cause})", Length(gap_ns))
            }
        }
    }
}

/// A length of time in the two largest units that it has.
struct Length(u64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
        let seconds = self.0 / crate::SECOND_NS;
        let first = UNITS.iter().position(|(length, _)| seconds >= *length).unwrap_or(UNITS.len() - 1);
        let (length, unit) = UNITS[first];
        write!(f, "{} {unit}", seconds / length)?;
        let rest = seconds % length;
        match UNITS.get(first + 1) {
            Some((length, unit)) if rest >= *length => write!(f, " {} {unit}", rest / length),
            _ => Ok(()),
        }
    }
}
