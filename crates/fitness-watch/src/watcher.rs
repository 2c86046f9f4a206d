//! The watcher, as its owner holds it.

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
use crate::attempt::Means;
use crate::chain::Chain;
use crate::dial::{Proxy, Timeouts};
use crate::follow::{Followed, Watch, follow};
use crate::identity::Identity;
use crate::ldk::Ldk;
use crate::news::{Herald, WatchEvents};
use crate::pace::Backoff;
use crate::report::TargetReport;
use crate::target::Target;
use crate::witness::Witness;

/// Watches nodes from outside, and tells a service who is there.
///
/// [`Watcher::stop`] ends it in good order, and so does dropping it: from then on nobody's absence counts.
/// The service goes on; shut it down after that.
#[must_use = "dropping the watcher ends it"]
pub struct Watcher {
    watch: Arc<Watch>,
    followed: Vec<Arc<Followed>>,
    fitness: LdkFitness,
    tasks: JoinSet<()>,
}

impl Watcher {
    /// A watcher that tells the service behind `handle`.
    ///
    /// That service has to be there for it alone: it decides which peers are watched, and when
    /// observation pauses. A wallet's own service is told by the wallet.
    pub fn builder(handle: Handle) -> WatcherBuilder {
        WatcherBuilder {
            handle,
            herald: Herald::new(),
            targets: Vec::new(),
            network: None,
            proxy: None,
            identity: None,
            timeouts: Timeouts::default(),
            backoff: Backoff::default(),
            dials: 128,
            ping: Duration::from_secs(10),
        }
    }

    /// How dialling each node went, in the order in which they were given. Their fitness is what the
    /// service's handle says.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetReport> {
        self.followed.iter().map(|followed| followed.account().report()).collect()
    }

    /// What happens from now on; [`WatcherBuilder::events`] misses nothing.
    #[must_use]
    pub fn events(&self) -> WatchEvents {
        self.watch.herald.feed()
    }

    /// Ends it: observation pauses, and all connections are closed, which is held against nobody.
    pub async fn stop(mut self) {
        self.end();
        self.tasks.shutdown().await;
    }

    fn end(&mut self) {
        // Before the tasks end, and with them the connections that they keep.
        self.fitness.pause();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("targets", &self.followed.len()).finish_non_exhaustive()
    }
}

/// How to watch, and whom.
#[must_use = "nothing is dialled until `start`"]
#[derive(Debug)]
pub struct WatcherBuilder {
    handle: Handle,
    herald: Herald,
    targets: Vec<Target>,
    network: Option<Network>,
    proxy: Option<Proxy>,
    identity: Option<Identity>,
    timeouts: Timeouts,
    backoff: Backoff,
    dials: usize,
    ping: Duration,
}

impl WatcherBuilder {
    /// Whom to watch, beside those that were named before. A node that is named twice is one, with all
    /// its addresses.
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// The network that nodes have to be on. One that says that it is on others alone is
    /// [`WrongNetwork`](crate::Outcome::WrongNetwork), and is neither online nor offline.
    ///
    /// By default they may be on any, and [`TargetReport::chains`] says which each of them is on.
    pub fn network(self, network: Network) -> Self {
        Self { network: Some(network), ..self }
    }

    /// A SOCKS5 proxy to dial through. Without one no onion service can be watched.
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// Who we are to the nodes; by default somebody new with each start.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// How long to wait for what, while connecting.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts: timeouts.bounded(), ..self }
    }

    /// When to dial again.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// How many nodes are dialled at once; the default is 128, the least 1. At the start those that were
    /// there the most are dialled first: the service does not wait for them for ever.
    pub fn max_concurrent_dials(self, dials: usize) -> Self {
        Self { dials, ..self }
    }

    /// How often connected nodes are pinged; the default is 10 s, the least 10 ms, the most a day. One that
    /// says nothing for one to two of these periods is lost, and so is one whose handshake takes that long.
    pub fn ping_interval(self, period: Duration) -> Self {
        let ping = period.clamp(Duration::from_millis(10), Duration::from_secs(24 * 3600));
        Self { ping, ..self }
    }

    /// What happens from the first attempt on. [`Watcher::events`] can be too late for that.
    #[must_use]
    pub fn events(&self) -> WatchEvents {
        self.herald.feed()
    }

    /// Begins to watch, on the present tokio runtime, whose I/O and time drivers have to be enabled.
    ///
    /// Nodes that the service watched before and that are not among the targets are watched no longer:
    /// their history stays, for as long as the service keeps it.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing was changed then.
    pub fn start(self) -> Result<Watcher, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let targets = Target::merge(self.targets);
        if targets.is_empty() {
            return Err(StartError::NoTargets);
        }
        let onion = |target: &&Target| target.addresses().iter().any(crate::Address::is_onion);
        if let Some(target) = targets.iter().find(onion).filter(|_| self.proxy.is_none()) {
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
        // Whoever is connected is heard of with each ping.
        let witness = Arc::new(Witness::new(self.timeouts.connect.max(self.ping + self.ping / 2)));
        let watch = Arc::new(Watch {
            means: Means { ldk, witness, proxy: self.proxy, timeouts: self.timeouts },
            dials: Semaphore::new(self.dials.clamp(1, Semaphore::MAX_PERMITS)),
            herald: self.herald,
            backoff: self.backoff,
            handle: self.handle,
        });
        let mut order = adopt(&watch.handle, &targets);
        tracing::info!(targets = targets.len(), network = ?self.network, proxy = ?self.proxy, "watching");

        let mut watcher = Watcher { watch, followed: Vec::new(), fitness, tasks: JoinSet::new() };
        let (watch, ping) = (Arc::clone(&watcher.watch), self.ping);
        watcher.tasks.spawn_on(async move { watch.means.ldk.run(ping).await }, &runtime);
        watcher.followed = targets.iter().map(|target| Arc::new(Followed::new(target))).collect();
        let mut followers: Vec<_> = targets.into_iter().zip(&watcher.followed).collect();
        followers.sort_by_key(|(target, _)| order(&target.node_id()));
        for (target, followed) in followers {
            let follower = follow(Arc::clone(&watcher.watch), target, Arc::clone(followed));
            watcher.tasks.spawn_on(follower, &runtime);
        }
        Ok(watcher)
    }
}

/// From now on these are watched, and nobody else. Whoever watched before may have left it paused.
///
/// Says in which order to dial them: those that were there the most first.
fn adopt(handle: &Handle, targets: &[Target]) -> impl FnMut(&NodeId) -> Reverse<u64> + use<> {
    let wanted: HashSet<_> = targets.iter().map(Target::node_id).collect();
    let mut uptimes = HashMap::new();
    for peer in handle.peers() {
        if wanted.contains(&peer.node_id) {
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
