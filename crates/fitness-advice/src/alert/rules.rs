//! The rules that decide what raises an alert.

use std::collections::BTreeSet;

use fitness_core::{NodeId, StandardWindow};

use crate::SECOND_NS;

/// The shortest outage that can be reported, in nanoseconds. An outage that is shorter cannot be
/// distinguished from a failure of our own network.
const MIN_OFFLINE_NS: u64 = 60 * SECOND_NS;

/// The rules that decide what raises an alert. A rule that is `None` is disabled.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct AlertRules {
    /// Report a peer that has been offline for this long, in nanoseconds. The default is 10 minutes.
    ///
    /// Values below one minute count as one minute: a shorter outage cannot be distinguished from a failure
    /// of our own network.
    pub offline_after_ns: Option<u64>,
    /// Whether to report that a peer that was reported offline is online again. The default is `true`.
    pub back_online: bool,
    /// Report a peer whose connection goes up and down too often. By default 10 flaps within an hour.
    pub flapping: Option<FlappingRule>,
    /// Report a peer whose availability is low. Disabled by default.
    pub availability: Option<AvailabilityRule>,
    /// Whether to report monitoring gaps of a minute or more. The default is `true`.
    pub monitoring_gaps: bool,
    /// Peers that raise no alerts.
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
    /// Returns how long a peer must be offline to be reported, at least [`MIN_OFFLINE_NS`].
    pub(super) fn min_offline_ns(&self) -> Option<u64> {
        self.offline_after_ns.map(|offline_ns| offline_ns.max(MIN_OFFLINE_NS))
    }
}

/// Reports a peer that flaps `flaps` times within `window_ns`. The alert is resolved when fewer than half as
/// many flaps are within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FlappingRule {
    /// The number of connection changes, up and down. The default is 10; values outside the range from 2 to
    /// 1,000 are clamped.
    pub flaps: u32,
    /// The window in nanoseconds. The default is one hour.
    pub window_ns: u64,
}

impl Default for FlappingRule {
    fn default() -> Self {
        Self { flaps: 10, window_ns: 3_600 * SECOND_NS }
    }
}

/// Reports a peer whose availability is below `threshold`. The alert is resolved when the availability is at
/// least `threshold + recovery_margin`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AvailabilityRule {
    /// The window over which availability is measured. The default is one day.
    pub window: StandardWindow,
    /// The availability below which a peer is reported, from 0 to 1. The default is 0.9.
    pub threshold: f64,
    /// How far above the threshold the availability must rise to resolve the alert, from 0 to 1. The default
    /// is 0.02.
    pub recovery_margin: f64,
    /// How much of the window must be observed before a peer can be reported, in nanoseconds. The default is
    /// one hour.
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
