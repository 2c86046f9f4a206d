//! Makes one attempt to connect, from the dial to the node's `init`, and classifies its outcome.

use std::sync::Arc;
use std::time::Duration;

use lightning::bitcoin::secp256k1::PublicKey;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::chain::Chain;
use crate::connection::{Connection, Step};
use crate::connectivity::Connectivity;
use crate::dial::{Proxy, Timeouts, dial};
use crate::ldk::Ldk;
use crate::outcome::{ConnectPhase, ConnectTimings, Outcome};

/// Connects to nodes.
pub(crate) struct Connector {
    pub(crate) ldk: Arc<Ldk>,
    pub(crate) connectivity: Arc<Connectivity>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) timeouts: Timeouts,
}

/// A connection on which the node's `init` was received.
pub(crate) struct Established {
    pub(crate) connection: Connection,
    pub(crate) timings: ConnectTimings,
    /// The chains that the node announced.
    pub(crate) chains: Vec<Chain>,
}

/// The length in bytes of each of the first two messages of a BOLT 8 handshake.
const ACT_LEN: usize = 50;

/// On a slow connection the last byte is delayed for longer, but not for longer than this.
const MAX_SLOW_DELAY: Duration = Duration::from_secs(3);

/// A failed attempt.
enum Failure {
    Outcome(Outcome),
    /// The listener closed the connection without a reply, after all of our first message was sent.
    ClosedWithoutReply {
        /// Whether it closed the connection promptly after the last byte, which had been delayed.
        at_last_byte: bool,
    },
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl Connector {
    /// Tries to connect to a node. Makes a second attempt at once if the first does not reveal the cause.
    ///
    /// `closed_without_reply` is whether the listener at this address closed the last connection without a
    /// reply. It is updated to whether the listener did so this time.
    pub(crate) async fn connect(
        &self,
        node: PublicKey,
        address: &Address,
        closed_without_reply: &mut bool,
    ) -> Result<Established, Outcome> {
        if !*closed_without_reply {
            match self.try_once(node, address, false).await {
                Ok(established) => return Ok(established),
                Err(Failure::Outcome(outcome)) => return Err(outcome),
                Err(Failure::ClosedWithoutReply { .. }) => *closed_without_reply = true,
            }
        }
        match self.try_once(node, address, true).await {
            Ok(established) => {
                *closed_without_reply = false;
                Ok(established)
            }
            // The listener waited for the last byte: see `Outcome`.
            Err(Failure::ClosedWithoutReply { at_last_byte: true }) => Err(Outcome::WrongKey),
            Err(Failure::ClosedWithoutReply { at_last_byte: false }) => Err(Outcome::ClosedDuringHandshake),
            Err(Failure::Outcome(outcome)) => {
                *closed_without_reply = outcome == Outcome::ClosedDuringHandshake;
                Err(outcome)
            }
        }
    }

    async fn try_once(
        &self,
        node: PublicKey,
        address: &Address,
        delay_last_byte: bool,
    ) -> Result<Established, Failure> {
        let dialled = dial(address, self.proxy, &self.timeouts).await?;
        let rejected = || Outcome::LocalError { reason: "LDK rejected the connection".into() };
        let (mut connection, act_one) =
            Connection::new(&self.ldk, &self.connectivity, node, dialled.stream).ok_or_else(rejected)?;
        // At least one round trip. Through Tor, the connect time covers only a part of the round trip.
        let delay = self.timeouts.last_byte_delay.max(MAX_SLOW_DELAY.min(dialled.connect * 2));
        let mut unsent = &act_one[..];
        if let Some((last, others)) = act_one.split_last().filter(|_| delay_last_byte) {
            connection.send(others);
            Self::delay_last_byte(&mut connection, delay).await?;
            unsent = std::slice::from_ref(last);
        }
        connection.send(unsent);

        let began = Instant::now();
        let replied = self.handshake(&mut connection).await?;
        let handshake = began.elapsed();
        if !replied {
            let at_last_byte = delay_last_byte && handshake <= delay;
            return Err(Failure::ClosedWithoutReply { at_last_byte });
        }
        connection.is_authenticated = true;
        let chains = self.receive_init(&mut connection).await?;
        let init = began.elapsed() - handshake;
        let timings = ConnectTimings { resolve: dialled.resolve, connect: dialled.connect, handshake, init };
        Ok(Established { connection, timings, chains })
    }

    /// Waits for `delay` after all but the last byte were sent. A BOLT 8 node neither replies nor closes the
    /// connection before it has read the last byte.
    async fn delay_last_byte(connection: &mut Connection, delay: Duration) -> Result<(), Outcome> {
        match timeout_at(Instant::now() + delay, connection.step()).await {
            Err(_) => Ok(()),
            Ok(Step::Closed(_)) => Err(Outcome::ClosedDuringHandshake),
            Ok(Step::Received(_) | Step::ProtocolError) => Err(Outcome::NotLightning),
            Ok(Step::PingTimeout) => Err(Outcome::TimedOut { phase: ConnectPhase::Handshake }),
        }
    }

    /// Waits for the node's part of the handshake, which proves its key. Returns `false` if the connection
    /// is closed without a reply.
    async fn handshake(&self, connection: &mut Connection) -> Result<bool, Outcome> {
        let timed_out = Outcome::TimedOut { phase: ConnectPhase::Handshake };
        let deadline = Instant::now() + self.timeouts.handshake;
        let mut received = 0;
        while received < ACT_LEN {
            match timeout_at(deadline, connection.step()).await {
                Ok(Step::Received(_)) if connection.is_not_bolt8() => return Err(Outcome::NotLightning),
                Ok(Step::Received(count)) => received += count,
                Ok(Step::ProtocolError) => return Err(Outcome::NotLightning),
                Ok(Step::Closed(_)) if received == 0 => return Ok(false),
                Ok(Step::Closed(_)) => return Err(Outcome::ClosedDuringHandshake),
                Ok(Step::PingTimeout) | Err(_) => return Err(timed_out),
            }
        }
        Ok(true)
    }

    /// Waits for the node's `init` and returns the chains that it announces.
    async fn receive_init(&self, connection: &mut Connection) -> Result<Vec<Chain>, Outcome> {
        let timed_out = Outcome::TimedOut { phase: ConnectPhase::Init };
        let deadline = Instant::now() + self.timeouts.handshake;
        loop {
            let step = timeout_at(deadline, connection.step()).await;
            let init = self.ldk.init_handler.take(&connection.node);
            match (step, init) {
                (_, Some(init)) if init.is_accepted => return Ok(init.chains),
                (_, Some(init)) => return Err(Outcome::WrongNetwork { chains: init.chains }),
                (Ok(Step::Received(_)), None) => {}
                (Ok(Step::ProtocolError), None) => return Err(Outcome::Incompatible),
                (Ok(Step::Closed(_)), None) => return Err(Outcome::RejectedByPeer),
                (Ok(Step::PingTimeout) | Err(_), None) => return Err(timed_out),
            }
        }
    }
}
