//! Alerts: which changes are reported, and when.
//!
//! [`AlertTracker`] takes changes and returns alerts. Each problem is reported once, and not again until it
//! has been resolved. A failure on our own side is one alert, not one for each peer.

mod peer_state;
mod rules;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{Change, GapCause, NodeId, PeerReport, Presence, Timestamp, WindowReport};

pub use rules::{AlertRules, AvailabilityRule, FlappingRule};

use peer_state::PeerState;

/// An alert about a peer or about the monitoring.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Alert {
    /// When the condition was met. The alert may have been raised later.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The peer that the alert is about; `None` if it is about the monitoring.
    pub node_id: Option<NodeId>,
    /// The condition.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: AlertKind,
}

/// The condition that raised an alert. `Display` describes it for people, without the peer's name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "alert", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AlertKind {
    /// The peer has been offline for at least [`AlertRules::offline_after_ns`].
    Offline {
        /// When the outage began.
        #[cfg_attr(feature = "serde", serde(rename = "offline_since_ns"))]
        offline_since: Timestamp,
        /// The length of the outage when the alert was raised, in nanoseconds.
        offline_ns: u64,
    },
    /// A peer that was reported offline is online again.
    BackOnline {
        /// The length of the outage in nanoseconds, including monitoring gaps.
        outage_ns: u64,
    },
    /// The peer's connection goes up and down too often.
    Flapping {
        /// The number of connection changes, up and down.
        flaps: u32,
        /// The window in which they occurred, in nanoseconds.
        window_ns: u64,
    },
    /// A peer that was reported flapping is stable again.
    FlappingStopped,
    /// The peer's availability has fallen below [`AvailabilityRule::threshold`].
    AvailabilityLow {
        /// The peer's availability, from 0 to 1.
        availability: f64,
        /// The threshold, from 0 to 1.
        threshold: f64,
    },
    /// The availability of a peer that was reported low has recovered.
    AvailabilityRecovered {
        /// The peer's availability, from 0 to 1.
        availability: f64,
    },
    /// A monitoring gap began: presence is unobserved, and no peer is reported until the gap ends.
    MonitoringInterrupted {
        /// The cause of the gap.
        cause: GapCause,
    },
    /// The monitoring gap ended.
    MonitoringResumed {
        /// The cause of the gap.
        cause: GapCause,
        /// The length of the gap in nanoseconds.
        gap_ns: u64,
    },
}

impl AlertKind {
    /// Returns whether this alert reports the end of a problem that was reported before.
    #[must_use]
    pub const fn is_resolution(&self) -> bool {
        matches!(
            self,
            Self::BackOnline { .. }
                | Self::FlappingStopped
                | Self::AvailabilityRecovered { .. }
                | Self::MonitoringResumed { .. }
        )
    }
}

/// How long a monitoring gap must last before it is reported, in nanoseconds. A short suspend is not worth an
/// alert.
const MIN_REPORTED_GAP_NS: u64 = 60 * crate::SECOND_NS;

/// A monitoring gap that has not ended.
#[derive(Clone, Copy, Debug)]
struct OpenGap {
    cause: GapCause,
    from: Timestamp,
    is_reported: bool,
}

impl OpenGap {
    const fn report_at(&self) -> Timestamp {
        self.from.after_nanos(MIN_REPORTED_GAP_NS)
    }
}

/// Derives alerts from changes.
///
/// Pass every change in order to [`AlertTracker::record_change`] and, if the rules include one on
/// availability, measurements to [`AlertTracker::record_availability`]. Call [`AlertTracker::advance`] after
/// each of these, and at [`AlertTracker::next_deadline`], to get the alerts.
#[derive(Clone, Debug)]
pub struct AlertTracker {
    rules: AlertRules,
    peers: BTreeMap<NodeId, PeerState>,
    /// The next deadline of each peer that has one.
    deadlines: BTreeSet<(Timestamp, NodeId)>,
    open_gap: Option<OpenGap>,
    /// Alerts that `advance` has not returned yet.
    pending: Vec<Alert>,
}

impl AlertTracker {
    /// Creates a tracker that knows no peers.
    #[must_use]
    pub const fn new(rules: AlertRules) -> Self {
        Self {
            rules,
            peers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            open_gap: None,
            pending: Vec::new(),
        }
    }

    /// Returns the rules.
    #[must_use]
    pub const fn rules(&self) -> &AlertRules {
        &self.rules
    }

    /// Replaces the set of peers and their presence with the current reports. Call this at the start and
    /// after changes were missed.
    ///
    /// Problems that were already reported are not reported again. The outage of a peer that is offline
    /// counts from [`PeerReport::presence_since`].
    pub fn reconcile(&mut self, peers: &[PeerReport]) {
        let listed: BTreeSet<NodeId> = peers.iter().map(|peer| peer.node_id).collect();
        let unlisted: Vec<NodeId> =
            self.peers.keys().filter(|node_id| !listed.contains(node_id)).copied().collect();
        for node_id in unlisted {
            self.remove_peer(&node_id);
        }
        for peer in peers.iter().filter(|peer| peer.untracked_at.is_none()) {
            self.update_peer(peer.node_id, |state, rules| {
                state.set_presence(peer.presence, peer.presence_since, rules);
            });
        }
    }

    /// Records a change.
    pub fn record_change(&mut self, change: &Change) {
        match *change {
            Change::Presence { node_id, at, previous, presence, .. } => {
                self.update_peer(node_id, |state, rules| {
                    state.set_presence(presence, at, rules);
                    if previous != Presence::Unobserved && presence != Presence::Unobserved {
                        state.count_flap(at, rules);
                    }
                });
            }
            Change::GapBegan { cause, at } => self.begin_gap(cause, at),
            Change::GapEnded(gap) => {
                if let Some(OpenGap { cause, from, .. }) = self.open_gap.take().filter(|gap| gap.is_reported)
                {
                    let kind = AlertKind::MonitoringResumed { cause, gap_ns: gap.to.nanos_since(from) };
                    self.pending.push(Alert { at: gap.to, node_id: None, kind });
                }
            }
            _ => {}
        }
    }

    /// Records a peer's availability over [`AvailabilityRule::window`], as of `at`.
    pub fn record_availability(&mut self, at: Timestamp, node_id: &NodeId, window: &WindowReport) {
        if self.open_gap.is_some() || self.rules.ignore.contains(node_id) {
            return;
        }
        let Some(rule) = self.rules.availability else { return };
        let Some(state) = self.peers.get_mut(node_id) else { return };
        if let Some(kind) = state.check_availability(window, rule) {
            self.pending.push(Alert { at, node_id: Some(*node_id), kind });
        }
    }

    /// Returns the known peers, whose availability is to be measured.
    pub fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.peers.keys()
    }

    /// Returns when the next alert is due if no further change comes; `None` if none will be.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.open_gap {
            Some(gap) if gap.is_reported || !self.rules.monitoring_gaps => None,
            Some(gap) => Some(gap.report_at()),
            None => self.deadlines.first().map(|(at, _)| *at),
        }
    }

    /// Returns the alerts that are due by `now` and were not returned before, in order of time.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Alert> {
        if let Some(gap) = self.open_gap.as_mut().filter(|gap| !gap.is_reported && gap.report_at() <= now) {
            if self.rules.monitoring_gaps {
                gap.is_reported = true;
                let kind = AlertKind::MonitoringInterrupted { cause: gap.cause };
                self.pending.push(Alert { at: gap.report_at(), node_id: None, kind });
            }
        }
        // No peer is reported during a monitoring gap.
        if self.open_gap.is_none() {
            while let Some((at, node_id)) = self.deadlines.first().copied().filter(|due| due.0 <= now) {
                self.deadlines.remove(&(at, node_id));
                let Some(state) = self.peers.get_mut(&node_id) else { continue };
                for kind in state.alerts_due(at, &self.rules) {
                    self.pending.push(Alert { at, node_id: Some(node_id), kind });
                }
                self.deadlines.extend(state.deadline(&self.rules).map(|at| (at, node_id)));
            }
        }
        let mut alerts = std::mem::take(&mut self.pending);
        alerts.sort_by_key(|alert| alert.at);
        alerts
    }

    fn update_peer(&mut self, node_id: NodeId, update: impl FnOnce(&mut PeerState, &AlertRules)) {
        if self.rules.ignore.contains(&node_id) {
            return;
        }
        let state = self.peers.entry(node_id).or_default();
        let old_deadline = state.deadline(&self.rules);
        update(state, &self.rules);
        let new_deadline = state.deadline(&self.rules);
        for (at, kind) in state.take_alerts() {
            self.pending.push(Alert { at, node_id: Some(node_id), kind });
        }
        if old_deadline != new_deadline {
            if let Some(at) = old_deadline {
                self.deadlines.remove(&(at, node_id));
            }
            self.deadlines.extend(new_deadline.map(|at| (at, node_id)));
        }
    }

    fn remove_peer(&mut self, node_id: &NodeId) {
        if let Some(state) = self.peers.remove(node_id) {
            if let Some(at) = state.deadline(&self.rules) {
                self.deadlines.remove(&(at, *node_id));
            }
        }
    }

    /// Withdraws the alerts that are pending for changes since `at`: the monitoring gap caused them, not the
    /// peers.
    fn begin_gap(&mut self, cause: GapCause, at: Timestamp) {
        let node_ids: Vec<NodeId> = self.peers.keys().copied().collect();
        for node_id in node_ids {
            self.update_peer(node_id, |state, _| state.discard_changes_since(at));
        }
        self.pending.retain(|alert| alert.node_id.is_none() || alert.at < at);
        self.open_gap.get_or_insert(OpenGap { cause, from: at, is_reported: false });
    }
}
