//! A fair chance to come back: who was online before a gap of ours is not offline at its very end.

use super::Tracker;
use crate::{Change, Presence};

/// The grace after the last gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Grace {
    /// Nobody is waited for.
    #[default]
    None,
    /// An earlier process left peers that were online; the gap ends when the first event comes.
    AtFirstEvent,
    /// The gap ended at `from_ns`, and the grace ends at `until_ns`.
    Running { from_ns: u64, until_ns: u64 },
}

impl Grace {
    pub(super) const fn ends_ns(self) -> Option<u64> {
        match self {
            Self::Running { until_ns, .. } => Some(until_ns),
            Self::None | Self::AtFirstEvent => None,
        }
    }
}

impl Tracker {
    /// Brings the grace up to `at_ns`.
    pub(super) fn settle(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        match self.grace {
            Grace::None => {}
            Grace::AtFirstEvent => self.begin_grace(at_ns),
            Grace::Running { from_ns, until_ns } => {
                if at_ns >= until_ns {
                    self.end_grace(from_ns, at_ns, changed);
                }
            }
        }
    }

    /// A gap ends at `at_ns`.
    pub(super) fn begin_grace(&mut self, at_ns: u64) {
        let until_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
        self.grace = Grace::Running { from_ns: at_ns, until_ns };
    }

    /// Whoever is not back was offline all the time since the gap.
    fn end_grace(&mut self, from_ns: u64, at_ns: u64, changed: &mut impl FnMut(Change)) {
        self.grace = Grace::None;
        for slot in self.book.peers.slots() {
            let Some(peer) = self.book.peers.get_mut(slot).filter(|peer| peer.awaited) else { continue };
            peer.awaited = false;
            // Only as far back as nothing else was known since; and a channel that opened meanwhile
            // has noted the totals as they were.
            let opened_ns = peer.channels().map(|channel| channel.opened_at_ns).max().unwrap_or(0);
            let since_ns = from_ns.max(peer.ledger.since_ns()).max(opened_ns).min(at_ns);
            if peer.heard == Presence::Offline && self.is_followed(slot) && !self.paused {
                self.set_presence(slot, Presence::Offline, since_ns, changed);
            }
            // Of whom nothing was heard the record says so.
            self.mark_dirty(slot);
        }
    }
}
