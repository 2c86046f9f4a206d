//! What was told of one peer, and what may have to be.

use std::collections::VecDeque;

use fitness_core::{Presence, Timestamp, WindowReport};

use super::{AlertKind, AlertRules, AvailabilityRule, FlappingRule};

/// More changes than this are not remembered.
const MOST_CHANGES: u32 = 1_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// Since when it is offline, as far as we can tell.
    offline_since: Option<Timestamp>,
    /// Since when it was offline by what was told.
    told_offline: Option<Timestamp>,
    /// Its latest changes, oldest first: as many as the rule counts.
    changes: VecDeque<Timestamp>,
    told_flapping: bool,
    told_low: bool,
    news: Vec<(Timestamp, AlertKind)>,
}

impl Watched {
    /// It is online, offline, or we cannot tell, since `at`.
    pub(super) fn is(&mut self, presence: Presence, at: Timestamp, rules: &AlertRules) {
        match presence {
            Presence::Offline => {
                self.offline_since.get_or_insert(at);
            }
            Presence::Online => {
                self.offline_since = None;
                if let Some(since) = self.told_offline.take() {
                    if rules.back_online {
                        self.news.push((at, AlertKind::BackOnline { outage_ns: at.nanos_since(since) }));
                    }
                }
            }
            // Whether it is still offline shows again; what was told holds until it is back.
            Presence::Unobserved => self.offline_since = None,
        }
    }

    /// Its connection changed.
    pub(super) fn count(&mut self, at: Timestamp, rules: &AlertRules) {
        let Some(rule) = rules.flapping else { return };
        let limit = limit(rule);
        self.changes.push_back(at);
        while self.changes.len() > limit {
            self.changes.pop_front();
        }
        let is_full = self.changes.len() == limit;
        let is_quick = self.changes.front().is_some_and(|first| at.nanos_since(*first) <= rule.window_ns);
        if is_full && is_quick && !self.told_flapping {
            self.told_flapping = true;
            let changes = u32::try_from(limit).unwrap_or(MOST_CHANGES);
            self.news.push((at, AlertKind::Flapping { flaps: changes, window_ns: rule.window_ns }));
        }
    }

    /// What happened from `at` on was our doing, as far as it was not told.
    pub(super) fn take_back(&mut self, at: Timestamp) {
        self.changes.retain(|change| *change < at);
        self.offline_since = self.offline_since.filter(|since| *since < at);
    }

    /// When there will be something to tell, if nothing else happens.
    pub(super) fn deadline(&self, rules: &AlertRules) -> Option<Timestamp> {
        [self.offline_at(rules), self.calm_at(rules)].into_iter().flatten().min()
    }

    fn offline_at(&self, rules: &AlertRules) -> Option<Timestamp> {
        if self.told_offline.is_some() {
            return None;
        }
        Some(self.offline_since?.after_nanos(rules.patience_ns()?))
    }

    /// When fewer than half as many changes as make an alert will lie within its time.
    fn calm_at(&self, rules: &AlertRules) -> Option<Timestamp> {
        let rule = rules.flapping.filter(|_| self.told_flapping)?;
        let half = limit(rule) / 2;
        let kept = self.changes.iter().rev().nth(half.saturating_sub(1));
        let last = kept.copied().unwrap_or(Timestamp::EPOCH);
        Some(last.after_nanos(rule.window_ns))
    }

    /// What its deadline brings.
    pub(super) fn due(&mut self, at: Timestamp, rules: &AlertRules) -> Vec<AlertKind> {
        let mut due = Vec::new();
        if self.calm_at(rules).is_some_and(|calm_at| calm_at <= at) {
            self.told_flapping = false;
            self.changes.clear();
            due.push(AlertKind::FlappingStopped);
        }
        if self.offline_at(rules).is_some_and(|offline_at| offline_at <= at) {
            if let Some(since) = self.offline_since {
                self.told_offline = Some(since);
                due.push(AlertKind::Offline { offline_since: since, offline_ns: at.nanos_since(since) });
            }
        }
        due
    }

    /// What a measurement of its availability brings.
    pub(super) fn measure(&mut self, window: &WindowReport, rule: AvailabilityRule) -> Option<AlertKind> {
        let availability = window.availability.filter(|_| window.observed_ns >= rule.min_observed_ns)?;
        let AvailabilityRule { threshold, recovery_margin: margin, .. } = rule;
        if !self.told_low && availability < threshold {
            self.told_low = true;
            return Some(AlertKind::AvailabilityLow { availability, threshold });
        }
        if self.told_low && availability >= (threshold + margin).min(1.0) {
            self.told_low = false;
            return Some(AlertKind::AvailabilityRecovered { availability });
        }
        None
    }

    pub(super) fn take_news(&mut self) -> Vec<(Timestamp, AlertKind)> {
        std::mem::take(&mut self.news)
    }
}

fn limit(rule: FlappingRule) -> usize {
    rule.flaps.clamp(2, MOST_CHANGES) as usize
}
