//! The watcher and its builder.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{Event, NodeId};
use fitness_ldk::LdkFitness;
use lightning::bitcoin::Network;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::StartError;
use crate::backoff::Backoff;
use crate::chain::Chain;
use crate::connectivity::Connectivity;
use crate::connector::Connector;
use crate::dial::{Proxy, Timeouts};
use crate::events::{EventSender, WatchEvents};
use crate::identity::Identity;
use crate::ldk::Ldk;
use crate::report::TargetReport;
use crate::target::Target;
use crate::target_task::{self, SharedStatus, WatchContext};

/// Watches nodes from outside and records their presence in a service.
///
/// [`Watcher::stop`] stops it, and so does dropping it: monitoring pauses, so the time afterwards does not
/// count against any node. The service continues to run; shut it down afterwards.
#[must_use = "dropping the watcher stops it"]
pub struct Watcher {
    context: Arc<WatchContext>,
    statuses: Vec<Arc<SharedStatus>>,
    fitness: LdkFitness,
    tasks: JoinSet<()>,
}

impl Watcher {
    /// Returns a builder for a watcher that records events with `handle`.
    ///
    /// The service behind `handle` must not be shared with other event sources: the watcher decides which
    /// peers are watched and when monitoring pauses. Do not use the service of a wallet.
    pub fn builder(handle: Handle) -> WatcherBuilder {
        WatcherBuilder {
            handle,
            events: EventSender::new(),
            targets: Vec::new(),
            network: None,
            proxy: None,
            identity: None,
            timeouts: Timeouts::default(),
            backoff: Backoff::default(),
            max_concurrent_dials: 128,
            ping_interval: Duration::from_secs(10),
        }
    }

    /// Returns a report on each node's connection attempts, in the order in which the targets were given.
    /// Query the service's handle for the nodes' availability.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetReport> {
        self.statuses.iter().map(|status| status.lock().report()).collect()
    }

    /// Returns a stream of events from now on. Use [`WatcherBuilder::events`] to receive all events.
    #[must_use]
    pub fn events(&self) -> WatchEvents {
        self.context.events.subscribe()
    }

    /// Stops the watcher: pauses monitoring and closes all connections. The nodes' disconnects do not count.
    pub async fn stop(mut self) {
        self.pause();
        self.tasks.shutdown().await;
    }

    fn pause(&mut self) {
        // Must happen before the tasks end, because that closes their connections.
        self.fitness.pause();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.pause();
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("targets", &self.statuses.len()).finish_non_exhaustive()
    }
}

/// Configures a [`Watcher`].
#[must_use = "nothing is dialled until `start`"]
#[derive(Debug)]
pub struct WatcherBuilder {
    handle: Handle,
    events: EventSender,
    targets: Vec<Target>,
    network: Option<Network>,
    proxy: Option<Proxy>,
    identity: Option<Identity>,
    timeouts: Timeouts,
    backoff: Backoff,
    max_concurrent_dials: usize,
    ping_interval: Duration,
}

impl WatcherBuilder {
    /// Adds nodes to watch. Targets of the same node are merged into one with all their addresses.
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// Sets the network that the nodes must be on. The outcome for a node that announces only other networks
    /// is [`WrongNetwork`](crate::Outcome::WrongNetwork), and it is neither online nor offline.
    ///
    /// By default every network is accepted, and [`TargetReport::chains`] has the chains of each node.
    pub fn network(self, network: Network) -> Self {
        Self { network: Some(network), ..self }
    }

    /// Sets a SOCKS5 proxy. Onion services cannot be watched without one.
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// Sets the identity towards the nodes. The default is a new random identity for each start.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Sets the timeouts for connecting.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts: timeouts.bounded(), ..self }
    }

    /// Sets the delays before a node is dialled again.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets how many nodes are dialled concurrently. The default is 128, the minimum 1. At the start, the
    /// nodes with the most recorded uptime are dialled first, because their reconnect grace period is
    /// limited.
    pub fn max_concurrent_dials(self, max_concurrent_dials: usize) -> Self {
        Self { max_concurrent_dials, ..self }
    }

    /// Sets how often connected nodes are pinged. The default is 10 s, the minimum 10 ms, the maximum a day.
    /// A node that sends nothing for one to two intervals is disconnected, and so is one whose handshake
    /// takes that long.
    pub fn ping_interval(self, period: Duration) -> Self {
        let ping_interval = period.clamp(Duration::from_millis(10), Duration::from_secs(24 * 3600));
        Self { ping_interval, ..self }
    }

    /// Returns a stream of events from the first attempt on. [`Watcher::events`] can miss the first ones.
    #[must_use]
    pub fn events(&self) -> WatchEvents {
        self.events.subscribe()
    }

    /// Starts watching on the current tokio runtime, whose I/O and time drivers must be enabled.
    ///
    /// Nodes that the service watched before and that are not among the targets are no longer watched. The
    /// service keeps their history for as long as it is configured to.
    ///
    /// # Errors
    ///
    /// [`StartError`]. The service's state is unchanged then.
    pub fn start(self) -> Result<Watcher, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let targets = Target::merge(self.targets);
        if targets.is_empty() {
            return Err(StartError::NoTargets);
        }
        let has_onion_address = |target: &&Target| target.addresses().iter().any(crate::Address::is_onion);
        if let Some(target) = targets.iter().find(has_onion_address).filter(|_| self.proxy.is_none()) {
            return Err(StartError::OnionWithoutProxy { node_id: target.node_id() });
        }
        let identity = match self.identity {
            Some(identity) => identity,
            None => Identity::random()?,
        };
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|source| StartError::RandomnessUnavailable { source })?;

        let fitness = LdkFitness::new(self.handle.clone());
        let ldk = Arc::new(Ldk::new(&fitness, identity, self.network.map(Chain::from), &random));
        // A connected node replies to each ping, so it sends data at least once per interval.
        let valid_for = self.timeouts.connect.max(self.ping_interval + self.ping_interval / 2);
        let connectivity = Arc::new(Connectivity::new(valid_for));
        let context = Arc::new(WatchContext {
            connector: Connector { ldk, connectivity, proxy: self.proxy, timeouts: self.timeouts },
            dial_permits: Semaphore::new(self.max_concurrent_dials.clamp(1, Semaphore::MAX_PERMITS)),
            events: self.events,
            backoff: self.backoff,
            handle: self.handle,
        });
        let mut dial_order = update_watched_peers(&context.handle, &targets);
        let (network, proxy) = (self.network, self.proxy);
        tracing::info!(targets = targets.len(), ?network, ?proxy, "watcher started");

        let mut watcher = Watcher { context, statuses: Vec::new(), fitness, tasks: JoinSet::new() };
        let (context, ping_interval) = (Arc::clone(&watcher.context), self.ping_interval);
        watcher.tasks.spawn_on(async move { context.connector.ldk.run(ping_interval).await }, &runtime);
        watcher.statuses = targets.iter().map(|target| Arc::new(SharedStatus::new(target))).collect();
        let mut ordered: Vec<_> = targets.into_iter().zip(&watcher.statuses).collect();
        ordered.sort_by_key(|(target, _)| dial_order(&target.node_id()));
        for (target, status) in ordered {
            let task = target_task::run(Arc::clone(&watcher.context), target, Arc::clone(status));
            watcher.tasks.spawn_on(task, &runtime);
        }
        Ok(watcher)
    }
}

/// Makes the targets the only watched peers of the service, and resumes monitoring, which a previous watcher
/// may have paused.
///
/// Returns a sort key for the order in which to dial: the most recorded uptime first.
fn update_watched_peers(handle: &Handle, targets: &[Target]) -> impl FnMut(&NodeId) -> Reverse<u64> + use<> {
    let target_ids: HashSet<_> = targets.iter().map(Target::node_id).collect();
    let mut uptimes = HashMap::new();
    for peer in handle.peers() {
        if target_ids.contains(&peer.node_id) {
            uptimes.insert(peer.node_id, peer.uptime_ns);
        } else if peer.watched {
            handle.record(Event::Unwatch { node_id: peer.node_id });
        }
    }
    for target in targets {
        handle.record(Event::Watch { node_id: target.node_id() });
    }
    handle.record(Event::ObservationResumed);
    move |node_id| Reverse(uptimes.get(node_id).copied().unwrap_or(0))
}
