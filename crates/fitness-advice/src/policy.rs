//! What is expected of a peer.

use std::collections::BTreeSet;

use fitness_core::{NodeId, StandardWindow};

use crate::DAY_NS;

/// How far from the others a peer has to be to stand out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OutlierSensitivity {
    /// Three interquartile ranges below the first quartile: extreme outliers alone.
    #[default]
    Conservative,
    /// One and a half: Tukey's fence.
    Aggressive,
}

impl OutlierSensitivity {
    /// How many interquartile ranges.
    #[must_use]
    pub const fn iqr_multiplier(self) -> f64 {
        match self {
            Self::Conservative => 3.0,
            Self::Aggressive => 1.5,
        }
    }
}

/// The rules of [`advise`](crate::advise). A rule that is `None` is off.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// The window that peers are judged by; the default is 90 days.
    pub window: StandardWindow,
    /// Who was observed for less is not judged, in nanoseconds; the default is 28 days. It is *observed*
    /// time: a restart of ours costs nothing.
    pub min_observed_ns: u64,
    /// At or below this availability a peer is to be closed, from 0 to 1; the default is 0.8.
    pub availability_threshold: Option<f64>,
    /// Whether, and how far, a peer has to fall behind the others to be closed.
    pub outlier: Option<OutlierSensitivity>,
    /// How far below the first quartile an outlier is at least, from 0 to 1; the default is 0.01. Where all
    /// others are always there their range is 0, and an hour offline would stand out.
    pub outlier_margin: f64,
    /// With more changes of its connection in 7 days a peer is to be looked at; the default is 50.
    pub max_flaps_7d: Option<u64>,
    /// A peer of any kind that has not been online for so long is to be closed, in nanoseconds of observed
    /// time; the default is 30 days. One that is not judged yet is to be looked at.
    pub long_offline_after_ns: Option<u64>,
    /// Peers that are left alone.
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
