//! One node, for as long as it is watched: dialled, kept connected, dialled again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::Event;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::address::Address;
use crate::attempt::{Greeted, Means};
use crate::link::{Link, Step};
use crate::news::{Herald, WatchEvent};
use crate::outcome::{Outcome, Verdict};
use crate::pace::{Backoff, Pace};
use crate::report::{Account, Attempt, DisconnectReason, TargetState};
use crate::target::Target;

/// What all nodes that are watched share.
pub(crate) struct Watch {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
    /// One permit for each dial that may go on at once.
    pub(crate) dials: Semaphore,
    pub(crate) herald: Herald,
    pub(crate) backoff: Backoff,
}

/// A node's account, for whoever asks.
pub(crate) struct Followed(Mutex<Account>);

impl Followed {
    pub(crate) fn new(target: &Target) -> Self {
        Self(Mutex::new(Account::new(target.clone())))
    }

    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        // No code of others runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows a node until the task is aborted.
pub(crate) async fn follow(watch: Arc<Watch>, target: Target, followed: Arc<Followed>) {
    Follower {
        places: target.addresses().iter().map(|address| (address.clone(), false)).collect(),
        pace: Pace::new(watch.backoff),
        returns: watch.means.witness.returns(),
        watch,
        target,
        followed,
    }
    .run()
    .await;
}

struct Follower {
    watch: Arc<Watch>,
    target: Target,
    followed: Arc<Followed>,
    /// The addresses, the one where it was found last first; and whether each hung up without a word.
    places: Vec<(Address, bool)>,
    pace: Pace,
    /// When our network is back.
    returns: Receiver<()>,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.round().await {
                Ok(greeted) => self.keep(greeted).await,
                // Of one that was connected LDK has told it already: told twice it changes nothing.
                Err(Verdict::Offline) => {
                    self.watch.handle.record(Event::PeerOffline { node_id: self.target.node_id() });
                }
                Err(_) => {}
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        loop {
            let wait = self.pace.next();
            let until = self.watch.handle.now().after_nanos(nanos(wait));
            self.followed.account().state = TargetState::Waiting { retry_at: until };
            let Ok(Ok(())) = tokio::time::timeout(wait, self.returns.changed()).await else { return };
            // What failed may have failed by us, and the service will not wait for this node for long.
            self.pace.begin_anew();
        }
    }

    /// Tries all addresses, until the node has greeted us at one. If it did at none, says what is
    /// to be believed of it.
    async fn round(&mut self) -> Result<Greeted, Verdict> {
        let mut believed = Verdict::Unknown;
        for place in 0..self.places.len() {
            let outcome = match self.attempt(place).await {
                Ok(greeted) => {
                    // Next time this is where we look first.
                    if let Some(places) = self.places.get_mut(..=place) {
                        places.rotate_right(1);
                    }
                    return Ok(greeted);
                }
                Err(outcome) => outcome,
            };
            let verdict = match outcome.verdict() {
                Verdict::OfflineIfWeAreFine if self.watch.means.witness.is_fine() => Verdict::Offline,
                verdict => verdict,
            };
            // One place where it was found is worth more than others where it was not.
            if verdict == Verdict::Present || believed != Verdict::Present && verdict == Verdict::Offline {
                believed = verdict;
            }
        }
        Err(believed)
    }

    async fn attempt(&mut self, place: usize) -> Result<Greeted, Outcome> {
        let Some((address, suspect)) = self.places.get_mut(place) else {
            return Err(Outcome::LocalError { reason: "there is no such address".into() });
        };
        self.followed.account().state = TargetState::Queued;
        // It is never closed.
        let _permit = self.watch.dials.acquire().await.ok();
        self.followed.account().state = TargetState::Dialling { address: address.clone() };
        let (at, began) = (self.watch.handle.now(), Instant::now());
        let result = self.watch.means.attempt(self.target.key(), address, suspect).await;

        let outcome = match &result {
            Ok(greeted) => Outcome::Connected(greeted.took),
            Err(outcome) => outcome.clone(),
        };
        let node_id = self.target.node_id();
        tracing::debug!(peer = %node_id, %address, %outcome, "dialled");
        let attempt = Attempt { at, address: address.clone(), duration: began.elapsed(), outcome };
        {
            let mut account = self.followed.account();
            account.note(attempt.clone());
            if let Ok(greeted) = &result {
                account.chains.clone_from(&greeted.chains);
                account.state = TargetState::Connected {
                    address: address.clone(),
                    connected_at: self.watch.handle.now(),
                };
            }
        }
        self.watch.herald.tell(WatchEvent::Dialled { node_id, attempt });
        result
    }

    /// Keeps a connection for as long as it lasts.
    async fn keep(&mut self, greeted: Greeted) {
        // It is here: whatever our network did before.
        self.returns.mark_unchanged();
        let since = Instant::now();
        let mut link = greeted.link;
        let parting = last_step(&mut link).await;
        drop(link);
        let lasted = since.elapsed();
        self.pace.lasted(lasted);
        self.followed.account().parting = Some(parting);
        let (node_id, at) = (self.target.node_id(), self.watch.handle.now());
        tracing::debug!(peer = %node_id, ?parting, ?lasted, "lost");
        self.watch.herald.tell(WatchEvent::Disconnected {
            node_id,
            at,
            reason: parting,
            connected_for: lasted,
        });
    }
}

async fn last_step(link: &mut Link) -> DisconnectReason {
    loop {
        match link.step().await {
            Step::Read(_) => {}
            Step::Refused => return DisconnectReason::ProtocolError,
            Step::Dropped => return DisconnectReason::PingTimeout,
            Step::Ended(Ok(())) => return DisconnectReason::ClosedByPeer,
            Step::Ended(Err(_)) => return DisconnectReason::IoError,
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
    use crate::dial::Timeouts;
    use crate::identity::Identity;
    use crate::ldk::Ldk;
    use crate::witness::Witness;

    /// Somebody who has been dialled in vain for long.
    async fn given_up_on() -> Follower {
        let service =
            Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await.unwrap();
        let (handle, identity) = (service.handle(), Identity::from_seed(&[1; 32]).unwrap());
        let target: Target = format!("{}@host", identity.node_id()).parse().unwrap();
        let ldk = Arc::new(Ldk::new(&LdkFitness::new(handle.clone()), identity, None, &[3; 32]));
        let witness = Arc::new(Witness::new(Duration::from_secs(10)));
        let returns = witness.returns();
        let timeouts = Timeouts::default();
        let watch = Watch {
            handle,
            means: Means { ldk, witness, proxy: None, timeouts },
            dials: Semaphore::new(1),
            herald: Herald::new(),
            backoff: Backoff::default(),
        };
        let mut pace = Pace::new(watch.backoff);
        for _ in 0..20 {
            pace.next();
        }
        let followed = Arc::new(Followed::new(&target));
        Follower { watch: Arc::new(watch), target, followed, places: vec![], pace, returns }
    }

    #[tokio::test(start_paused = true)]
    async fn when_our_network_is_back_nobody_waits_for_long() {
        let mut follower = given_up_on().await;
        let watch = Arc::clone(&follower.watch);
        let began = Instant::now();
        follower.wait().await;
        assert!(began.elapsed() >= Duration::from_secs(150), "{:?}", began.elapsed());

        // Somebody else is connected after five seconds, and stays.
        let others = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            loop {
                watch.means.witness.hear();
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        });
        let began = Instant::now();
        follower.wait().await;
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(6) && waited <= Duration::from_secs(7), "{waited:?}");
        // From then on it is their own fault.
        for _ in 0..20 {
            follower.pace.next();
        }
        let began = Instant::now();
        follower.wait().await;
        assert!(began.elapsed() >= Duration::from_secs(150), "{:?}", began.elapsed());
        others.abort();
    }
}
