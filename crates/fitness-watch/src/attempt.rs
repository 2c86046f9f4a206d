//! One attempt to connect, from the dial to the node's greeting, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use lightning::bitcoin::secp256k1::PublicKey;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::chain::Chain;
use crate::dial::{Proxy, Timeouts, dial};
use crate::ldk::Ldk;
use crate::link::{Link, Step};
use crate::outcome::{ConnectPhase, ConnectTimings, Outcome};
use crate::witness::Witness;

/// What every attempt takes.
pub(crate) struct Means {
    pub(crate) ldk: Arc<Ldk>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) timeouts: Timeouts,
}

/// A node that has greeted us.
pub(crate) struct Greeted {
    pub(crate) link: Link,
    pub(crate) took: ConnectTimings,
    /// The chains that it says it is on.
    pub(crate) chains: Vec<Chain>,
}

/// BOLT 8's first message, and its answer, are of this length.
const ACT: usize = 50;

/// The last byte is held back no longer than this on account of a slow connection.
const LONGEST_HOLD: Duration = Duration::from_secs(3);

/// Why there is no connection.
enum Failure {
    Outcome(Outcome),
    /// It hung up without a word, after it was sent all of our first message.
    WithoutAWord {
        /// Whether it did so at once, having waited for the last byte.
        at_last_byte: bool,
    },
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl Means {
    /// Tries once to connect to a node, or twice where that is what it takes to know why not.
    ///
    /// `suspect` says whether this address hung up on us without a word the last time, and learns
    /// whether it did now.
    pub(crate) async fn attempt(
        &self,
        node: PublicKey,
        address: &Address,
        suspect: &mut bool,
    ) -> Result<Greeted, Outcome> {
        if !*suspect {
            match self.once(node, address, false).await {
                Ok(greeted) => return Ok(greeted),
                Err(Failure::Outcome(outcome)) => return Err(outcome),
                Err(Failure::WithoutAWord { .. }) => *suspect = true,
            }
        }
        match self.once(node, address, true).await {
            Ok(greeted) => {
                *suspect = false;
                Ok(greeted)
            }
            // It has waited for the last byte: see `Outcome`.
            Err(Failure::WithoutAWord { at_last_byte: true }) => Err(Outcome::WrongKey),
            Err(Failure::WithoutAWord { at_last_byte: false }) => Err(Outcome::ClosedDuringHandshake),
            Err(Failure::Outcome(outcome)) => {
                *suspect = outcome == Outcome::ClosedDuringHandshake;
                Err(outcome)
            }
        }
    }

    async fn once(&self, node: PublicKey, address: &Address, hold_back: bool) -> Result<Greeted, Failure> {
        let dialled = dial(address, self.proxy, &self.timeouts).await?;
        let refusal = || Outcome::LocalError { reason: "LDK takes no connection".into() };
        let (mut link, first) =
            Link::new(&self.ldk, &self.witness, node, dialled.stream).ok_or_else(refusal)?;
        // A way there and back, at the very least, and through Tor that is no more than a part of it.
        let hold = self.timeouts.last_byte_delay.max(LONGEST_HOLD.min(dialled.connect * 2));
        let mut rest = &first[..];
        if let Some((last, others)) = first.split_last().filter(|_| hold_back) {
            link.send(others);
            Self::hold_back(&mut link, hold).await?;
            rest = std::slice::from_ref(last);
        }
        link.send(rest);

        let began = Instant::now();
        let shaken = self.handshake(&mut link).await?;
        let handshake = began.elapsed();
        if !shaken {
            return Err(Failure::WithoutAWord { at_last_byte: hold_back && handshake <= hold });
        }
        link.is_known = true;
        let chains = self.greeting(&mut link).await?;
        let init = began.elapsed() - handshake;
        let took = ConnectTimings { resolve: dialled.resolve, connect: dialled.connect, handshake, init };
        Ok(Greeted { link, took, chains })
    }

    /// Says all but the last byte, and waits: nobody who speaks BOLT 8 does anything before that.
    async fn hold_back(link: &mut Link, time: Duration) -> Result<(), Outcome> {
        match timeout_at(Instant::now() + time, link.step()).await {
            Err(_) => Ok(()),
            Ok(Step::Ended(_)) => Err(Outcome::ClosedDuringHandshake),
            Ok(Step::Read(_) | Step::Refused) => Err(Outcome::NotLightning),
            Ok(Step::Dropped) => Err(Outcome::TimedOut { phase: ConnectPhase::Handshake }),
        }
    }

    /// Waits for the node to prove who it is. `false` where it hangs up without a word.
    async fn handshake(&self, link: &mut Link) -> Result<bool, Outcome> {
        let timed_out = Outcome::TimedOut { phase: ConnectPhase::Handshake };
        let deadline = Instant::now() + self.timeouts.handshake;
        let mut received = 0;
        while received < ACT {
            match timeout_at(deadline, link.step()).await {
                Ok(Step::Read(_)) if link.is_foreign() => return Err(Outcome::NotLightning),
                Ok(Step::Read(count)) => received += count,
                Ok(Step::Refused) => return Err(Outcome::NotLightning),
                Ok(Step::Ended(_)) if received == 0 => return Ok(false),
                Ok(Step::Ended(_)) => return Err(Outcome::ClosedDuringHandshake),
                Ok(Step::Dropped) | Err(_) => return Err(timed_out),
            }
        }
        Ok(true)
    }

    /// Waits for the node's `init`, and says which chains it is on.
    async fn greeting(&self, link: &mut Link) -> Result<Vec<Chain>, Outcome> {
        let timed_out = Outcome::TimedOut { phase: ConnectPhase::Init };
        let deadline = Instant::now() + self.timeouts.handshake;
        loop {
            let step = timeout_at(deadline, link.step()).await;
            let greeting = self.ldk.greeter.take(&link.node);
            match (step, greeting) {
                (_, Some(greeting)) if greeting.accepted => return Ok(greeting.chains),
                (_, Some(greeting)) => return Err(Outcome::WrongNetwork { chains: greeting.chains }),
                (Ok(Step::Read(_)), None) => {}
                (Ok(Step::Refused), None) => return Err(Outcome::Incompatible),
                (Ok(Step::Ended(_)), None) => return Err(Outcome::RejectedByPeer),
                (Ok(Step::Dropped) | Err(_), None) => return Err(timed_out),
            }
        }
    }
}
