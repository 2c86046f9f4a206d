//! The alert state of one peer: its latest changes, and the problems that were reported.

use std::collections::VecDeque;

use fitness_core::{Presence, Timestamp, WindowReport};

use super::{AlertKind, AlertRules, AvailabilityRule, FlappingRule};

/// The maximum number of flaps that are kept.
const MAX_FLAPS: u32 = 1_000;

#[derive(Clone, Debug, Default)]
pub(super) struct PeerState {
    /// When the current outage began; `None` while the peer is online or unobserved.
    offline_since: Option<Timestamp>,
    /// When the reported outage began; `None` if no outage is reported or it has been resolved.
    reported_offline_since: Option<Timestamp>,
    /// The times of the latest flaps, oldest first, as many as the rule counts.
    flaps: VecDeque<Timestamp>,
    is_flapping_reported: bool,
    is_low_reported: bool,
    /// Alerts that `take_alerts` has not returned yet.
    pending: Vec<(Timestamp, AlertKind)>,
}

impl PeerState {
    pub(super) fn set_presence(&mut self, presence: Presence, since: Timestamp, rules: &AlertRules) {
        match presence {
            Presence::Offline => {
                self.offline_since.get_or_insert(since);
            }
            Presence::Online => {
                self.offline_since = None;
                if let Some(offline_since) = self.reported_offline_since.take() {
                    if rules.back_online {
                        let outage_ns = since.nanos_since(offline_since);
                        self.pending.push((since, AlertKind::BackOnline { outage_ns }));
                    }
                }
            }
            // The peer may still be offline. A reported outage stays reported until the peer is online again.
            Presence::Unobserved => self.offline_since = None,
        }
    }

    pub(super) fn count_flap(&mut self, at: Timestamp, rules: &AlertRules) {
        let Some(rule) = rules.flapping else { return };
        let limit = flap_limit(rule);
        self.flaps.push_back(at);
        while self.flaps.len() > limit {
            self.flaps.pop_front();
        }
        let is_limit_reached = self.flaps.len() == limit
            && self.flaps.front().is_some_and(|first| at.nanos_since(*first) <= rule.window_ns);
        if is_limit_reached && !self.is_flapping_reported {
            self.is_flapping_reported = true;
            let flaps = u32::try_from(limit).unwrap_or(MAX_FLAPS);
            self.pending.push((at, AlertKind::Flapping { flaps, window_ns: rule.window_ns }));
        }
    }

    /// Discards the changes since `at`, because a monitoring gap caused them. What was reported stays
    /// reported.
    pub(super) fn discard_changes_since(&mut self, at: Timestamp) {
        self.flaps.retain(|flap| *flap < at);
        self.offline_since = self.offline_since.filter(|since| *since < at);
    }

    /// Returns when the next alert is due if no further change comes.
    pub(super) fn deadline(&self, rules: &AlertRules) -> Option<Timestamp> {
        [self.report_offline_at(rules), self.flapping_stops_at(rules)].into_iter().flatten().min()
    }

    fn report_offline_at(&self, rules: &AlertRules) -> Option<Timestamp> {
        if self.reported_offline_since.is_some() {
            return None;
        }
        Some(self.offline_since?.after_nanos(rules.min_offline_ns()?))
    }

    /// Returns when fewer than half the flaps of the rule will be within its window.
    fn flapping_stops_at(&self, rules: &AlertRules) -> Option<Timestamp> {
        let rule = rules.flapping.filter(|_| self.is_flapping_reported)?;
        let half = flap_limit(rule) / 2;
        let oldest_of_half = self.flaps.iter().rev().nth(half.saturating_sub(1));
        let at = oldest_of_half.copied().unwrap_or(Timestamp::EPOCH);
        Some(at.after_nanos(rule.window_ns))
    }

    /// Returns the alerts whose deadline is at or before `at`.
    pub(super) fn alerts_due(&mut self, at: Timestamp, rules: &AlertRules) -> Vec<AlertKind> {
        let mut due = Vec::new();
        if self.flapping_stops_at(rules).is_some_and(|deadline| deadline <= at) {
            self.is_flapping_reported = false;
            self.flaps.clear();
            due.push(AlertKind::FlappingStopped);
        }
        if self.report_offline_at(rules).is_some_and(|deadline| deadline <= at) {
            if let Some(offline_since) = self.offline_since {
                self.reported_offline_since = Some(offline_since);
                due.push(AlertKind::Offline { offline_since, offline_ns: at.nanos_since(offline_since) });
            }
        }
        due
    }

    /// Returns the alert that a measured availability raises, if any.
    pub(super) fn check_availability(
        &mut self,
        window: &WindowReport,
        rule: AvailabilityRule,
    ) -> Option<AlertKind> {
        let availability = window.availability.filter(|_| window.observed_ns >= rule.min_observed_ns)?;
        let AvailabilityRule { threshold, recovery_margin, .. } = rule;
        if !self.is_low_reported && availability < threshold {
            self.is_low_reported = true;
            return Some(AlertKind::AvailabilityLow { availability, threshold });
        }
        if self.is_low_reported && availability >= (threshold + recovery_margin).min(1.0) {
            self.is_low_reported = false;
            return Some(AlertKind::AvailabilityRecovered { availability });
        }
        None
    }

    /// Removes and returns the alerts that changes have raised.
    pub(super) fn take_alerts(&mut self) -> Vec<(Timestamp, AlertKind)> {
        std::mem::take(&mut self.pending)
    }
}

fn flap_limit(rule: FlappingRule) -> usize {
    rule.flaps.clamp(2, MAX_FLAPS) as usize
}
