//! What is worth an alert.

use std::collections::BTreeSet;

use fitness_core::{NodeId, StandardWindow};

use crate::SECOND_NS;

/// What is worth an alert. A rule that is `None` is off.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct AlertRules {
    /// A peer that has been offline for so long, in nanoseconds; the default is 10 minutes.
    ///
    /// Less than a minute is too soon to tell their outage from ours, and is taken for a minute.
    pub offline_after_ns: Option<u64>,
    /// Whether it is told when a peer that was reported offline is back; it is, unless this is off.
    pub back_online: bool,
    /// A peer whose connection changes all the time.
    pub flapping: Option<FlappingRule>,
    /// A peer whose availability falls; off by default.
    pub availability: Option<AvailabilityRule>,
    /// Whether our own gaps are told; they are, unless this is off.
    pub monitoring_gaps: bool,
    /// Peers that nothing is said of.
    pub ignore: BTreeSet<NodeId>,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            offline_after_ns: Some(600 * SECOND_NS),
            back_online: true,
            flapping: Some(FlappingRule::default()),
            availability: None,
            monitoring_gaps: true,
            ignore: BTreeSet::new(),
        }
    }
}

impl AlertRules {
    /// How long a peer may be offline: the rule, but not too short to tell whose fault it is.
    pub(super) fn patience_ns(&self) -> Option<u64> {
        self.offline_after_ns.map(|offline_ns| offline_ns.max(60 * SECOND_NS))
    }
}

/// So many changes within so long are an alert; half as many end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FlappingRule {
    /// How many changes, down and up. The default is 10, the most 1,000.
    pub flaps: u32,
    /// Within how many nanoseconds; the default is an hour.
    pub window_ns: u64,
}

impl Default for FlappingRule {
    fn default() -> Self {
        Self { flaps: 10, window_ns: 3_600 * SECOND_NS }
    }
}

/// An availability below the threshold is an alert; one above it by the margin ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AvailabilityRule {
    /// The window that is measured.
    pub window: StandardWindow,
    /// What a peer's availability should be at least, from 0 to 1.
    pub threshold: f64,
    /// How far above it a peer has to be before all is well, from 0 to 1.
    pub recovery_margin: f64,
    /// How much of the window has to be observed before anything is said, in nanoseconds.
    pub min_observed_ns: u64,
}

impl Default for AvailabilityRule {
    fn default() -> Self {
        Self {
            window: StandardWindow::Day,
            threshold: 0.9,
            recovery_margin: 0.02,
            min_observed_ns: 3_600 * SECOND_NS,
        }
    }
}
