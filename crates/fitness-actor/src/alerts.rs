//! A stream of alerts, derived from the changes of the service.

use std::collections::VecDeque;
use std::time::Duration;

use fitness_advice::{Alert, AlertRules, AlertTracker};
use fitness_core::NodeId;
use tokio::time::Instant;

use crate::error::with_sources;
use crate::shutdown_signal::from_now;
use crate::{ChangesLagged, Handle, Subscription};

/// How often availability is measured and the list of tracked peers refreshed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// The alerts of a service. Created by [`Handle::alerts`].
///
/// The stream has no task of its own and does its work inside [`AlertStream::next`]. If `next` is called
/// late, it reports every problem that still exists. It may skip problems that have ended in between.
///
/// ```
/// use fitness_actor::Handle;
/// use fitness_advice::AlertRules;
///
/// async fn print_alerts(handle: Handle) {
///     let mut alerts = handle.alerts(AlertRules::default());
///     while let Some(alert) = alerts.next().await {
///         println!("{alert}");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct AlertStream {
    handle: Handle,
    changes: Subscription,
    tracker: AlertTracker,
    pending: VecDeque<Alert>,
    refresh_at: Instant,
}

impl AlertStream {
    pub(crate) fn new(handle: Handle, rules: AlertRules) -> Self {
        // Subscribe before reading the peers: a change in between is then seen twice instead of missed.
        let changes = handle.subscribe();
        let mut tracker = AlertTracker::new(rules);
        tracker.reconcile(&handle.peers());
        Self { handle, changes, tracker, pending: VecDeque::new(), refresh_at: from_now(REFRESH_INTERVAL) }
    }

    /// Waits for the next alert. Returns `None` once the service has stopped and all alerts were received.
    ///
    /// Cancel-safe: no alert is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Alert> {
        loop {
            if let Some(alert) = self.pending.pop_front() {
                return Some(alert);
            }
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                change = self.changes.next() => match change? {
                    Ok(change) => self.tracker.record_change(&change),
                    Err(ChangesLagged { skipped }) => {
                        tracing::debug!(skipped, "alert stream lagged, reading all peers");
                        self.tracker.reconcile(&self.handle.peers());
                    }
                },
                () = tokio::time::sleep_until(wake_at) => {
                    if Instant::now() >= self.refresh_at {
                        self.refresh_at = from_now(REFRESH_INTERVAL);
                        self.tracker.reconcile(&self.handle.peers());
                        self.measure_availability().await;
                    }
                }
            }
            self.pending.extend(self.tracker.advance(self.handle.now()));
        }
    }

    /// Returns when the next alert is due or the next refresh starts if no change comes.
    fn wake_at(&self) -> Instant {
        let now = self.handle.now();
        let deadline = self.tracker.next_deadline();
        let deadline = deadline.map(|at| from_now(Duration::from_nanos(at.nanos_since(now))));
        deadline.map_or(self.refresh_at, |deadline| deadline.min(self.refresh_at))
    }

    async fn measure_availability(&mut self) {
        let Some(rule) = self.tracker.rules().availability else { return };
        let peers: Vec<NodeId> = self.tracker.peers().copied().collect();
        for node_id in peers {
            let now = self.handle.now();
            let window = match self.handle.peer_window(&node_id, rule.window.start(now), now) {
                Some(window) if !window.is_exact() => {
                    match self.handle.peer_stats(&node_id, rule.window).await {
                        Ok(stats) => stats.map(|stats| stats.window),
                        Err(error) => {
                            let error = with_sources(&error);
                            tracing::warn!(peer = %node_id, error, "availability not measured");
                            continue;
                        }
                    }
                }
                window => window,
            };
            if let Some(window) = window {
                self.tracker.record_availability(now, &node_id, &window);
            }
        }
    }
}
