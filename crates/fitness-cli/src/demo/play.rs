//! The play itself: cues in, moves made, and the truth about them kept.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use ldk_node::Node;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::blocking;
use super::live::Live;
use super::script::{Cue, Move, Role, cues};
use super::stage::{Peer, Stage};
use super::truth::Truth;
use crate::error::CliError;
use crate::output::Section;

/// How often the live view is drawn.
const FRAME: Duration = Duration::from_millis(200);

/// A play that is about to begin.
pub(super) struct Play<'a> {
    stage: &'a Stage,
    handle: &'a Handle,
    live: &'a Live,
}

/// What happened to each connection.
pub(super) struct Truths(Vec<(Role, Truth)>);

impl<'a> Play<'a> {
    pub(super) const fn new(stage: &'a Stage, handle: &'a Handle, live: &'a Live) -> Self {
        Self { stage, handle, live }
    }

    /// Plays for `length`, or until it is interrupted, and tells what happened.
    pub(super) async fn run(&self, length: Duration) -> Result<Truths, CliError> {
        let mut truths = Truths(Role::ALL.map(|role| (role, Truth::default())).into());
        let began = Instant::now();
        for cue in cues(length) {
            if self.wait(began, cue.at).await? {
                return Ok(truths);
            }
            if let (Some(peer), Some(truth)) = (self.stage.peer(cue.role), truths.of(cue.role)) {
                self.make(&cue, peer, truth).await?;
            }
            self.live.moved(&cue);
        }
        self.wait(began, length).await?;
        Ok(truths)
    }

    /// Draws until `until` has come; whether it was interrupted instead.
    async fn wait(&self, began: Instant, until: Duration) -> Result<bool, CliError> {
        let mut frames = interval_at(Instant::now(), FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = sleep_until(began + until);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(false),
                _ = frames.tick() => self.live.update(self.handle, began.elapsed()),
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.map_err(CliError::Runtime)?;
                    return Ok(true);
                }
            }
        }
    }

    async fn make(&self, cue: &Cue, peer: &Peer, truth: &mut Truth) -> Result<(), CliError> {
        match cue.what {
            Move::Cut => {
                peer.wire.cut();
                truth.lost(self.handle.now());
            }
            Move::Stall => peer.wire.hold(),
            Move::Restore => {
                peer.wire.restore();
                if self.redial(peer).await? {
                    truth.found(self.handle.now());
                }
            }
        }
        Ok(())
    }

    /// Has the wallet connect to a peer, as a user does who opens it; a connection that is there
    /// stays. Whether there is one then.
    async fn redial(&self, peer: &Peer) -> Result<bool, CliError> {
        let wallet: Arc<Node> = Arc::clone(self.stage.wallet.node());
        let (id, addr) = (peer.id(), peer.addr());
        let dialled = blocking(move || wallet.connect(id, addr.into(), true)).await?;
        if let Err(error) = &dialled {
            tracing::warn!(peer = %peer.node_id(), %error, "the wallet could not connect");
        }
        Ok(dialled.is_ok())
    }
}

impl Truths {
    fn of(&mut self, role: Role) -> Option<&mut Truth> {
        self.0.iter_mut().find(|(other, _)| *other == role).map(|(_, truth)| truth)
    }

    /// Writes names and true uptimes beside what was measured.
    pub(super) fn enter(&self, stage: &Stage, section: &mut Section) {
        let Some(at) = section.at else { return };
        for (role, truth) in &self.0 {
            let Some(node_id) = stage.peer(*role).map(Peer::node_id) else { continue };
            for entry in section.peers.iter_mut().filter(|entry| entry.report.node_id == node_id) {
                entry.label = Some(role.name().to_owned());
                for channel in &mut entry.channels {
                    channel.true_uptime_ns = Some(truth.uptime_ns(channel.report.opened_at, at));
                }
            }
        }
    }
}
