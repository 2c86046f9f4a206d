//! The play itself: cues in, moves made, and the truth about them kept.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::blocking;
use super::live::Live;
use super::script::{Move, Role, What, cues};
use super::stage::{Peer, Stage};
use super::truth::{Truths, Why};
use super::wallet::Wallet;
use crate::error::CliError;
use crate::listen::Front;
use crate::store::StoreUrl;

/// How often the live view is drawn.
const FRAME: Duration = Duration::from_millis(200);

/// How long the wallet stays down: long enough to be seen.
const DOWN: Duration = Duration::from_secs(2);

/// A play, and who plays.
pub(super) struct Play<'a> {
    stage: &'a Arc<Stage>,
    /// Where the wallet's history is.
    store: &'a StoreUrl,
    live: &'a Live,
    front: Option<&'a mut Front>,
    wallet: Wallet,
    truths: Truths,
    /// How much longer moves took than a moment: what follows is put off by that.
    behind: Duration,
}

impl<'a> Play<'a> {
    /// A play that begins now, with everybody connected.
    pub(super) fn begin(
        stage: &'a Arc<Stage>,
        store: &'a StoreUrl,
        live: &'a Live,
        front: Option<&'a mut Front>,
        wallet: Wallet,
    ) -> Self {
        let handle = wallet.handle();
        let reports = stage.peers.iter().filter_map(|peer| Some((peer.role, handle.peer(&peer.node_id())?)));
        let truths = Truths::begin(reports);
        Self { stage, store, live, front, wallet, truths, behind: Duration::ZERO }
    }

    /// Plays for `length`, or until it is interrupted; gives back the wallet, and tells what happened, and
    /// whether that was all of it.
    pub(super) async fn run(mut self, length: Duration) -> Result<(Wallet, Truths, bool), CliError> {
        let began = Instant::now();
        for cue in cues(length) {
            if self.wait(began, cue.at).await? {
                return Ok((self.wallet, self.truths, false));
            }
            self.live.moved(self.truths.clock.elapsed(), cue.what);
            self = self.make(cue.what).await?;
            self.behind = self.behind.max(began.elapsed().saturating_sub(cue.at));
        }
        let interrupted = self.wait(began, length).await?;
        Ok((self.wallet, self.truths, !interrupted))
    }

    /// Draws until `until` has come; whether it was interrupted instead.
    async fn wait(&self, began: Instant, until: Duration) -> Result<bool, CliError> {
        let end = sleep_until(began + self.behind + until);
        let progress = || began.elapsed().saturating_sub(self.behind);
        tokio::select! {
            () = end => Ok(false),
            never = draw(self.live, self.wallet.handle(), progress) => match never {},
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(CliError::Runtime)?;
                Ok(true)
            }
        }
    }

    async fn make(mut self, what: What) -> Result<Self, CliError> {
        match what {
            What::Wire(role, what) => self.wire(role, what).await?,
            What::NetworkOut => {
                // Before the first wire is cut: what is noticed then is noticed later.
                self.truths.blind(Why::NetworkOut);
                self.stage.peers.iter().for_each(|peer| peer.wire.cut());
            }
            What::NetworkBack => {
                let awaited = self.truths.awaited().into_iter();
                let back: Vec<&Peer> = awaited.filter_map(|role| self.stage.peer(role)).collect();
                back.iter().for_each(|peer| peer.wire.restore());
                for peer in back {
                    if self.wallet.dial(peer).await? {
                        self.truths.found(peer.role);
                    }
                }
            }
            What::Restart => self = self.restart().await?,
        }
        Ok(self)
    }

    async fn wire(&mut self, role: Role, what: Move) -> Result<(), CliError> {
        let Some(peer) = self.stage.peer(role) else { return Ok(()) };
        match what {
            Move::Cut => {
                peer.wire.cut();
                self.truths.lost(role);
            }
            Move::Stall => peer.wire.hold(),
            Move::Restore => {
                peer.wire.restore();
                if self.wallet.dial(peer).await? {
                    self.truths.found(role);
                }
            }
        }
        Ok(())
    }

    /// Everything that is the wallet's is taken down, and starts again with what is in its files.
    async fn restart(self) -> Result<Self, CliError> {
        let Self { stage, store, live, mut front, wallet, mut truths, behind } = self;
        let handle = wallet.handle();
        truths.blind(Why::Restart);
        let restart = async {
            wallet.close().await?;
            tokio::time::sleep(DOWN).await;
            let starting = Arc::clone(stage);
            let node = blocking(move || starting.start_wallet()).await??;
            Wallet::watch(node, store.open().await?, &stage.hint, front.as_deref_mut()).await
        };
        let progress = truths.clock.elapsed().saturating_sub(behind);
        let wallet = tokio::select! {
            wallet = restart => wallet?,
            never = draw(live, handle, || progress) => match never {},
        };
        truths.restarted();
        for peer in truths.awaited().into_iter().filter_map(|role| stage.peer(role)) {
            // Its node has dialled them by itself, or is about to.
            if wallet.dial(peer).await? {
                truths.found(peer.role);
            }
        }
        Ok(Self { stage, store, live, front, wallet, truths, behind })
    }
}

/// Shows what the wallet knows, again and again.
async fn draw(live: &Live, handle: Handle, progress: impl Fn() -> Duration) -> std::convert::Infallible {
    let mut frames = interval_at(Instant::now(), FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        frames.tick().await;
        live.update(&handle, progress());
    }
}
