//! The task that watches one node: it dials the node, keeps the connection, and dials again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::Event;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::address::Address;
use crate::backoff::{Backoff, RetryDelays};
use crate::connection::{Connection, Step};
use crate::connector::{Connector, Established};
use crate::events::{EventSender, WatchEvent};
use crate::outcome::{Evidence, Outcome};
use crate::report::{Attempt, DisconnectReason, TargetState, TargetStatus};
use crate::target::Target;

/// What the tasks of all nodes share.
pub(crate) struct WatchContext {
    pub(crate) handle: Handle,
    pub(crate) connector: Connector,
    /// One permit for each concurrent dial.
    pub(crate) dial_permits: Semaphore,
    pub(crate) events: EventSender,
    pub(crate) backoff: Backoff,
}

/// The status of a node, written by its task and read for reports.
pub(crate) struct SharedStatus(Mutex<TargetStatus>);

impl SharedStatus {
    pub(crate) fn new(target: &Target) -> Self {
        Self(Mutex::new(TargetStatus::new(target.clone())))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, TargetStatus> {
        // No foreign code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches a node until the task is aborted.
pub(crate) async fn run(context: Arc<WatchContext>, target: Target, status: Arc<SharedStatus>) {
    let addresses = target.addresses().iter().cloned();
    TargetTask {
        addresses: addresses.map(|address| DialAddress { address, closed_without_reply: false }).collect(),
        delays: RetryDelays::new(context.backoff),
        network_restored: context.connector.connectivity.subscribe_restored(),
        context,
        target,
        status,
    }
    .run()
    .await;
}

struct TargetTask {
    context: Arc<WatchContext>,
    target: Target,
    status: Arc<SharedStatus>,
    /// The addresses in the order in which they are tried: the one that worked last comes first.
    addresses: Vec<DialAddress>,
    delays: RetryDelays,
    /// Notified when our network works again.
    network_restored: Receiver<()>,
}

struct DialAddress {
    address: Address,
    /// Whether the listener closed the last connection without a reply.
    closed_without_reply: bool,
}

impl TargetTask {
    async fn run(mut self) {
        loop {
            match self.try_all_addresses().await {
                Ok(established) => self.keep_connected(established).await,
                // If the node was connected, LDK has reported the disconnect already; repeating it has no
                // effect.
                Err(Evidence::Offline) => {
                    self.context.handle.record(Event::PeerOffline { node_id: self.target.node_id() });
                }
                Err(_) => {}
            }
            self.wait().await;
        }
    }

    /// Waits before the next dial. If our network works again meanwhile, the delay starts over at its
    /// minimum.
    async fn wait(&mut self) {
        loop {
            let delay = self.delays.next();
            let retry_at = self.context.handle.now().after_nanos(nanos(delay));
            self.status.lock().state = TargetState::Waiting { retry_at };
            let Ok(Ok(())) = tokio::time::timeout(delay, self.network_restored.changed()).await else {
                return;
            };
            // Our network may have caused the failures, and the reconnect grace period is limited.
            self.delays.reset();
        }
    }

    /// Tries the addresses in turn until the node is connected. If all fail, returns what the outcomes
    /// together imply about the node's presence.
    async fn try_all_addresses(&mut self) -> Result<Established, Evidence> {
        let mut combined = Evidence::None;
        for index in 0..self.addresses.len() {
            let outcome = match self.attempt(index).await {
                Ok(established) => {
                    // Try this address first the next time.
                    if let Some(addresses) = self.addresses.get_mut(..=index) {
                        addresses.rotate_right(1);
                    }
                    return Ok(established);
                }
                Err(outcome) => outcome,
            };
            let is_network_up = self.context.connector.connectivity.is_confirmed();
            let evidence = match outcome.evidence() {
                Evidence::OfflineIfNetworkUp if is_network_up => Evidence::Offline,
                evidence => evidence,
            };
            // An address at which the node was found outweighs others at which it was not.
            if evidence == Evidence::Unusable
                || combined != Evidence::Unusable && evidence == Evidence::Offline
            {
                combined = evidence;
            }
        }
        Err(combined)
    }

    async fn attempt(&mut self, index: usize) -> Result<Established, Outcome> {
        let Some(DialAddress { address, closed_without_reply }) = self.addresses.get_mut(index) else {
            return Err(Outcome::LocalError { reason: format!("there is no address {index}") });
        };
        self.status.lock().state = TargetState::Queued;
        // The semaphore is never closed.
        let _permit = self.context.dial_permits.acquire().await.ok();
        self.status.lock().state = TargetState::Dialling { address: address.clone() };
        let (at, began) = (self.context.handle.now(), Instant::now());
        let result = self.context.connector.connect(self.target.key(), address, closed_without_reply).await;

        let outcome = match &result {
            Ok(established) => Outcome::Connected(established.timings),
            Err(outcome) => outcome.clone(),
        };
        let node_id = self.target.node_id();
        tracing::debug!(peer = %node_id, %address, %outcome, "dialled");
        let attempt = Attempt { at, address: address.clone(), duration: began.elapsed(), outcome };
        {
            let mut status = self.status.lock();
            status.record_attempt(attempt.clone());
            if let Ok(established) = &result {
                status.chains.clone_from(&established.chains);
                status.state = TargetState::Connected {
                    address: address.clone(),
                    connected_at: self.context.handle.now(),
                };
            }
        }
        self.context.events.send(WatchEvent::Dialled { node_id, attempt });
        result
    }

    /// Keeps a connection until it ends.
    async fn keep_connected(&mut self, established: Established) {
        // The node is connected, so an earlier network outage is irrelevant.
        self.network_restored.mark_unchanged();
        let connected_at = Instant::now();
        let mut connection = established.connection;
        let reason = until_disconnected(&mut connection).await;
        drop(connection);
        let connected_for = connected_at.elapsed();
        self.delays.connection_ended(connected_for);
        self.status.lock().last_disconnect_reason = Some(reason);
        let (node_id, at) = (self.target.node_id(), self.context.handle.now());
        tracing::debug!(peer = %node_id, ?reason, ?connected_for, "disconnected");
        self.context.events.send(WatchEvent::Disconnected { node_id, at, reason, connected_for });
    }
}

async fn until_disconnected(connection: &mut Connection) -> DisconnectReason {
    loop {
        match connection.step().await {
            Step::Received(_) => {}
            Step::ProtocolError => return DisconnectReason::ProtocolError,
            Step::PingTimeout => return DisconnectReason::PingTimeout,
            Step::Closed(Ok(())) => return DisconnectReason::ClosedByPeer,
            Step::Closed(Err(_)) => return DisconnectReason::IoError,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fitness_actor::Service;
    use fitness_core::NodeId;
    use fitness_ldk::LdkFitness;
    use fitness_store::MemoryStore;

    use super::*;
    use crate::connectivity::Connectivity;
    use crate::dial::Timeouts;
    use crate::identity::Identity;
    use crate::ldk::Ldk;

    /// Creates the task of a node after so many failures that its delay has reached the maximum.
    async fn task_with_maximum_delay() -> TargetTask {
        let service =
            Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await.unwrap();
        let (handle, identity) = (service.handle(), Identity::from_seed(&[1; 32]).unwrap());
        let target: Target = format!("{}@host", identity.node_id()).parse().unwrap();
        let ldk = Arc::new(Ldk::new(&LdkFitness::new(handle.clone()), identity, None, &[3; 32]));
        let connectivity = Arc::new(Connectivity::new(Duration::from_secs(10)));
        let network_restored = connectivity.subscribe_restored();
        let timeouts = Timeouts::default();
        let context = WatchContext {
            handle,
            connector: Connector { ldk, connectivity, proxy: None, timeouts },
            dial_permits: Semaphore::new(1),
            events: EventSender::new(),
            backoff: Backoff::default(),
        };
        let mut delays = RetryDelays::new(context.backoff);
        for _ in 0..20 {
            delays.next();
        }
        let status = Arc::new(SharedStatus::new(&target));
        TargetTask { context: Arc::new(context), target, status, addresses: vec![], delays, network_restored }
    }

    #[tokio::test(start_paused = true)]
    async fn restored_network_resets_the_retry_delay_once() {
        let mut task = task_with_maximum_delay().await;
        let context = Arc::clone(&task.context);
        let began = Instant::now();
        task.wait().await;
        assert!(began.elapsed() >= Duration::from_secs(150), "{:?}", began.elapsed());

        // Another node connects after five seconds and stays connected.
        let other_node = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            loop {
                context.connector.connectivity.record_received();
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        });
        let began = Instant::now();
        task.wait().await;
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(6) && waited <= Duration::from_secs(7), "{waited:?}");
        // While our network works, failures are the node's own.
        for _ in 0..20 {
            task.delays.next();
        }
        let began = Instant::now();
        task.wait().await;
        assert!(began.elapsed() >= Duration::from_secs(150), "{:?}", began.elapsed());
        other_node.abort();
    }
}
