//! Who is to be told of what, and when.
//!
//! [`AlertTracker`] is told changes and asked for alerts. What has been said is not said again until the
//! opposite has been: one flap is one alert. What is our own doing is one notice, and not one a peer.

mod peer;
mod rules;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{Change, GapCause, NodeId, PeerReport, Presence, Timestamp, WindowReport};

pub use rules::{AlertRules, AvailabilityRule, FlappingRule};

use peer::Watched;

/// Something to be told to somebody.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Alert {
    /// When it became so: that may have turned out later.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The peer that it is about; `None` where it is about ourselves.
    pub node_id: Option<NodeId>,
    /// What is so.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: AlertKind,
}

/// What there is to tell. Each has a text for people, without the peer's name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "alert", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AlertKind {
    /// The peer has been offline for longer than the rule allows.
    Offline {
        /// Since when.
        #[cfg_attr(feature = "serde", serde(rename = "offline_since_ns"))]
        offline_since: Timestamp,
        /// How long that is by now, in nanoseconds.
        offline_ns: u64,
    },
    /// A peer that was reported offline is back.
    BackOnline {
        /// How long it was away, in nanoseconds, gaps of ours included.
        outage_ns: u64,
    },
    /// The peer's connection changes all the time.
    Flapping {
        /// How often it changed.
        flaps: u32,
        /// In how many nanoseconds.
        window_ns: u64,
    },
    /// A peer that was reported flapping is calm.
    FlappingStopped,
    /// The peer's availability has fallen below what the rule allows.
    AvailabilityLow {
        /// Its availability, from 0 to 1.
        availability: f64,
        /// What it should be.
        threshold: f64,
    },
    /// The availability of a peer that was reported low has recovered.
    AvailabilityRecovered {
        /// Its availability, from 0 to 1.
        availability: f64,
    },
    /// We ourselves cannot tell who is online: nothing is said of peers until that is over.
    MonitoringInterrupted {
        /// Why.
        cause: GapCause,
    },
    /// We can tell again.
    MonitoringResumed {
        /// Why we could not.
        cause: GapCause,
        /// For how long, in nanoseconds.
        gap_ns: u64,
    },
}

impl AlertKind {
    /// Whether it is the end of something that was told before.
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

/// So long a gap of ours has to last before it is told, in nanoseconds: whoever only slept knows it.
const GAP_PATIENCE_NS: u64 = 60 * crate::SECOND_NS;

#[derive(Clone, Copy, Debug)]
struct OurGap {
    cause: GapCause,
    from: Timestamp,
    told: bool,
}

impl OurGap {
    const fn told_at(&self) -> Timestamp {
        self.from.after_nanos(GAP_PATIENCE_NS)
    }
}

/// What is to be told, worked out from what happens.
///
/// It is told changes ([`AlertTracker::changed`]) in their order, and where there is a rule on availability
/// also measurements ([`AlertTracker::measured`]); it says when it wants to be asked again ([`AlertTracker::wake_at`])
/// and what there is to tell ([`AlertTracker::advance`]).
#[derive(Clone, Debug)]
pub struct AlertTracker {
    rules: AlertRules,
    peers: BTreeMap<NodeId, Watched>,
    /// Whose deadline comes when.
    deadlines: BTreeSet<(Timestamp, NodeId)>,
    /// The gap of ours that lasts.
    gap: Option<OurGap>,
    /// What has happened and is not told yet.
    told: Vec<Alert>,
}

impl AlertTracker {
    /// Nobody is known yet.
    #[must_use]
    pub const fn new(rules: AlertRules) -> Self {
        Self { rules, peers: BTreeMap::new(), deadlines: BTreeSet::new(), gap: None, told: Vec::new() }
    }

    /// The rules that it goes by.
    #[must_use]
    pub const fn rules(&self) -> &AlertRules {
        &self.rules
    }

    /// Takes over what is so now: at the start, and after changes were missed.
    ///
    /// What was told stays told. A peer that has been offline since before is waited for from then on.
    pub fn reconcile(&mut self, peers: &[PeerReport]) {
        let listed: BTreeSet<NodeId> = peers.iter().map(|peer| peer.node_id).collect();
        let gone: Vec<NodeId> =
            self.peers.keys().filter(|node_id| !listed.contains(node_id)).copied().collect();
        for node_id in gone {
            self.drop_peer(&node_id);
        }
        for peer in peers.iter().filter(|peer| peer.untracked_at.is_none()) {
            self.update(peer.node_id, |watched, rules| watched.is(peer.presence, peer.presence_since, rules));
        }
    }

    /// Takes note of a change.
    pub fn record_change(&mut self, change: &Change) {
        match *change {
            Change::Presence { node_id, at, previous: was, presence: online, .. } => {
                self.update(node_id, |watched, rules| {
                    watched.is(online, at, rules);
                    if was != Presence::Unobserved && online != Presence::Unobserved {
                        watched.count(at, rules);
                    }
                });
            }
            Change::GapBegan { cause, at } => self.gap_began(cause, at),
            Change::GapEnded(gap) => {
                if let Some(OurGap { cause, from, .. }) = self.gap.take().filter(|gap| gap.told) {
                    let length_ns = gap.to.nanos_since(from);
                    let kind = AlertKind::MonitoringResumed { cause, gap_ns: length_ns };
                    self.told.push(Alert { at: gap.to, node_id: None, kind });
                }
            }
            _ => {}
        }
    }

    /// Takes note of a peer's availability over [`AvailabilityRule::window`], as of `at`.
    pub fn record_availability(&mut self, at: Timestamp, node_id: &NodeId, window: &WindowReport) {
        if self.gap.is_some() || self.rules.ignore.contains(node_id) {
            return;
        }
        let Some(rule) = self.rules.availability else { return };
        let Some(watched) = self.peers.get_mut(node_id) else { return };
        if let Some(kind) = watched.measure(window, rule) {
            self.told.push(Alert { at, node_id: Some(*node_id), kind });
        }
    }

    /// The peers that are known, for whoever measures them.
    pub fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.peers.keys()
    }

    /// When something will be there to tell if nothing else happens; `None` while nothing is awaited.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.gap {
            Some(gap) if gap.told || !self.rules.monitoring_gaps => None,
            Some(gap) => Some(gap.told_at()),
            None => self.deadlines.first().map(|(at, _)| *at),
        }
    }

    /// What there is to tell by `now`, in the order in which it became so.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Alert> {
        if let Some(gap) = self.gap.as_mut().filter(|gap| !gap.told && gap.told_at() <= now) {
            if self.rules.monitoring_gaps {
                gap.told = true;
                let kind = AlertKind::MonitoringInterrupted { cause: gap.cause };
                self.told.push(Alert { at: gap.told_at(), node_id: None, kind });
            }
        }
        // While we cannot tell, nothing is said of anybody.
        let is_due =
            |deadlines: &BTreeSet<(Timestamp, NodeId)>| deadlines.first().copied().filter(|due| due.0 <= now);
        while let Some((at, node_id)) = is_due(&self.deadlines).filter(|_| self.gap.is_none()) {
            self.deadlines.remove(&(at, node_id));
            let Some(watched) = self.peers.get_mut(&node_id) else { continue };
            for kind in watched.due(at, &self.rules) {
                self.told.push(Alert { at, node_id: Some(node_id), kind });
            }
            self.deadlines.extend(watched.deadline(&self.rules).map(|at| (at, node_id)));
        }
        let mut told = std::mem::take(&mut self.told);
        told.sort_by_key(|alert| alert.at);
        told
    }

    fn update(&mut self, node_id: NodeId, update: impl FnOnce(&mut Watched, &AlertRules)) {
        if self.rules.ignore.contains(&node_id) {
            return;
        }
        let watched = self.peers.entry(node_id).or_default();
        let before = watched.deadline(&self.rules);
        update(watched, &self.rules);
        let after = watched.deadline(&self.rules);
        for (at, kind) in watched.take_news() {
            self.told.push(Alert { at, node_id: Some(node_id), kind });
        }
        if before != after {
            if let Some(at) = before {
                self.deadlines.remove(&(at, node_id));
            }
            self.deadlines.extend(after.map(|at| (at, node_id)));
        }
    }

    fn drop_peer(&mut self, node_id: &NodeId) {
        if let Some(watched) = self.peers.remove(node_id) {
            if let Some(at) = watched.deadline(&self.rules) {
                self.deadlines.remove(&(at, *node_id));
            }
        }
    }

    /// What happened since `at` was ours: it is not held against anybody.
    fn gap_began(&mut self, cause: GapCause, at: Timestamp) {
        let ids: Vec<NodeId> = self.peers.keys().copied().collect();
        for node_id in ids {
            self.update(node_id, |watched, _| watched.take_back(at));
        }
        self.told.retain(|alert| alert.node_id.is_none() || alert.at < at);
        self.gap.get_or_insert(OurGap { cause, from: at, told: false });
    }
}
