//! Alerts, worked out from the service's changes while somebody waits for them.

use std::collections::VecDeque;
use std::time::Duration;

use fitness_advice::{Alert, AlertRules, AlertTracker};
use fitness_core::NodeId;
use tokio::time::Instant;

use crate::stop::from_now;
use crate::{ChangesLagged, Handle, Subscription};

/// How often availability is measured, and who is followed looked up.
const ROUND: Duration = Duration::from_secs(60);

/// The alerts of a service, as [`Handle::alerts`] gives them.
///
/// It works while it is asked: whoever waits for the next alert drives it. Who asks too late is told all
/// that is so then, and nothing that is over.
#[derive(Debug)]
pub struct AlertStream {
    handle: Handle,
    changes: Subscription,
    alarms: AlertTracker,
    told: VecDeque<Alert>,
    round_at: Instant,
}

impl AlertStream {
    pub(crate) fn new(handle: Handle, rules: AlertRules) -> Self {
        // Subscribed first: what changes in between is heard twice and not missed.
        let changes = handle.subscribe();
        let mut alarms = AlertTracker::new(rules);
        alarms.reconcile(&handle.peers());
        Self { handle, changes, alarms, told: VecDeque::new(), round_at: from_now(ROUND) }
    }

    /// Waits for the next alert; `None` once the service has stopped and all were received.
    ///
    /// Cancel-safe: a call whose future is dropped takes nothing.
    pub async fn next(&mut self) -> Option<Alert> {
        loop {
            if let Some(alert) = self.told.pop_front() {
                return Some(alert);
            }
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                change = self.changes.next() => match change? {
                    Ok(change) => self.alarms.record_change(&change),
                    Err(ChangesLagged { skipped: count }) => {
                        tracing::debug!(count, "changes were missed; looking at all peers instead");
                        self.alarms.reconcile(&self.handle.peers());
                    }
                },
                () = tokio::time::sleep_until(wake_at) => {
                    if Instant::now() >= self.round_at {
                        self.round_at = from_now(ROUND);
                        self.alarms.reconcile(&self.handle.peers());
                        self.measure().await;
                    }
                }
            }
            self.told.extend(self.alarms.advance(self.handle.now()));
        }
    }

    /// When there will be something to tell or to look at, if nothing else happens.
    fn wake_at(&self) -> Instant {
        let now = self.handle.now();
        let due = self.alarms.next_deadline().map(|at| from_now(Duration::from_nanos(at.nanos_since(now))));
        due.map_or(self.round_at, |due| due.min(self.round_at))
    }

    async fn measure(&mut self) {
        let Some(rule) = self.alarms.rules().availability else { return };
        let peers: Vec<NodeId> = self.alarms.peers().copied().collect();
        for node_id in peers {
            let now = self.handle.now();
            let window = match self.handle.peer_window(&node_id, rule.window.start(now), now) {
                Some(window) if !window.is_exact() => {
                    match self.handle.peer_stats(&node_id, rule.window).await {
                        Ok(stats) => stats.map(|stats| stats.window),
                        Err(error) => {
                            tracing::warn!(peer = %node_id, %error, "its availability could not be measured");
                            continue;
                        }
                    }
                }
                window => window,
            };
            if let Some(window) = window {
                self.alarms.record_availability(now, &node_id, &window);
            }
        }
    }
}
