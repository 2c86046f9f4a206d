//! The rules by which peers are evaluated.

use std::collections::BTreeSet;

use fitness_core::{NodeId, StandardWindow};

use crate::DAY_NS;

/// How far below the other peers an availability must be to count as an outlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OutlierSensitivity {
    /// 3 interquartile ranges below the first quartile: extreme outliers only.
    #[default]
    Conservative,
    /// 1.5 interquartile ranges below the first quartile: Tukey's fence.
    Aggressive,
}

impl OutlierSensitivity {
    /// Returns the number of interquartile ranges between the first quartile and the lower fence.
    #[must_use]
    pub const fn iqr_multiplier(self) -> f64 {
        match self {
            Self::Conservative => 3.0,
            Self::Aggressive => 1.5,
        }
    }
}

/// The rules of [`advise`](crate::advise). A rule that is `None` is disabled.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// The window over which availability is evaluated. The default is 90 days.
    pub window: StandardWindow,
    /// How long a peer must be observed before it is evaluated, in nanoseconds of *observed* time: downtime
    /// of the monitor does not count. The default is 28 days.
    pub min_observed_ns: u64,
    /// Recommend closing peers at or below this availability, from 0 to 1. The default is 0.8.
    pub availability_threshold: Option<f64>,
    /// Recommend closing peers whose availability is an outlier among all peers.
    pub outlier: Option<OutlierSensitivity>,
    /// How far below the first quartile an outlier must be at least, from 0 to 1. The default is 0.01.
    /// Without this margin, an hour offline would be an outlier if all other peers were always online,
    /// because their interquartile range is 0.
    pub outlier_margin: f64,
    /// Recommend reviewing peers with more than this many connection changes (up and down) in 7 days. The
    /// default is 50.
    pub max_flaps_7d: Option<u64>,
    /// Recommend closing peers of any kind that have been offline for at least this long, in nanoseconds of
    /// observed time. Peers with less data than [`Policy::min_observed_ns`] get the recommendation to review instead. The
    /// default is 30 days.
    pub long_offline_after_ns: Option<u64>,
    /// Peers to exclude from the evaluation.
    pub ignore: BTreeSet<NodeId>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: StandardWindow::Quarter,
            min_observed_ns: 28 * DAY_NS,
            availability_threshold: Some(0.8),
            outlier: Some(OutlierSensitivity::default()),
            outlier_margin: 0.01,
            max_flaps_7d: Some(50),
            long_offline_after_ns: Some(30 * DAY_NS),
            ignore: BTreeSet::new(),
        }
    }
}
