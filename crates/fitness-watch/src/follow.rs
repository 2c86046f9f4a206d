//! One node, for as long as it is watched: dialled, kept connected, dialled again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::Event;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::address::Address;
use crate::attempt::{Greeted, Means};
use crate::link::{Link, Step};
use crate::news::{Herald, News};
use crate::outcome::{Outcome, Verdict};
use crate::pace::{Backoff, Pace};
use crate::report::{Account, Attempt, Parting, State};
use crate::target::Target;

/// What all nodes that are watched share.
pub(crate) struct Watch {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
    /// One permit for each dial that may go on at once.
    pub(crate) dials: Semaphore,
    pub(crate) herald: Herald,
    pub(crate) backoff: Backoff,
    /// For how long what was heard of anybody proves that our network works.
    pub(crate) evidence: Duration,
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
            let wait = self.pace.next();
            let until = self.watch.handle.now().after_nanos(nanos(wait));
            self.followed.account().state = State::Waiting { until };
            tokio::time::sleep(wait).await;
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
                Verdict::OfflineIfWeAreFine if self.watch.means.witness.heard_within(self.watch.evidence) => {
                    Verdict::Offline
                }
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
            return Err(Outcome::Ourselves { reason: "there is no such address".into() });
        };
        self.followed.account().state = State::Queued;
        // It is never closed.
        let _permit = self.watch.dials.acquire().await.ok();
        self.followed.account().state = State::Dialling { address: address.clone() };
        let (at, began) = (self.watch.handle.now(), Instant::now());
        let result = self.watch.means.attempt(self.target.key(), address, suspect).await;

        let outcome = match &result {
            Ok(greeted) => Outcome::Connected(greeted.took),
            Err(outcome) => outcome.clone(),
        };
        let node_id = self.target.node_id();
        tracing::debug!(peer = %node_id, %address, %outcome, "dialled");
        let attempt = Attempt { at, address: address.clone(), took: began.elapsed(), outcome };
        {
            let mut account = self.followed.account();
            account.note(attempt.clone());
            if let Ok(greeted) = &result {
                account.chains.clone_from(&greeted.chains);
                account.state = State::Connected { address: address.clone(), since: self.watch.handle.now() };
            }
        }
        self.watch.herald.tell(News::Dialled { node_id, attempt });
        result
    }

    /// Keeps a connection for as long as it lasts.
    async fn keep(&mut self, greeted: Greeted) {
        let since = Instant::now();
        let mut link = greeted.link;
        let parting = last_step(&mut link).await;
        drop(link);
        let lasted = since.elapsed();
        self.pace.lasted(lasted);
        self.followed.account().parting = Some(parting);
        let (node_id, at) = (self.target.node_id(), self.watch.handle.now());
        tracing::debug!(peer = %node_id, ?parting, ?lasted, "lost");
        self.watch.herald.tell(News::Lost { node_id, at, parting, lasted });
    }
}

async fn last_step(link: &mut Link) -> Parting {
    loop {
        match link.step().await {
            Step::Read(_) => {}
            Step::Refused => return Parting::Protocol,
            Step::Dropped => return Parting::Silent,
            Step::Ended(Ok(())) => return Parting::Closed,
            Step::Ended(Err(_)) => return Parting::Broken,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
