//! Which peer comes first.

use std::cmp::{Ordering, Reverse};

use clap::ValueEnum;

use super::document::{PeerEntry, Section};

/// What peers are sorted by; those that are equal, by node id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Worst first, by the worst of a peer's rows; unknown last
    #[default]
    Availability,
    /// Most first
    Flaps,
    /// Longest first
    Lifetime,
    /// Latest first, never last
    LastFlap,
    /// By node id
    Peer,
}

impl Sort {
    /// Sorts the peers of a section. Channels stay with their peer, oldest first.
    pub(crate) fn apply(self, section: &mut Section) {
        let mut peers = std::mem::take(&mut section.peers);
        peers.sort_by(|a, b| self.compare(section, a, b).then(a.report.node_id.cmp(&b.report.node_id)));
        section.peers = peers;
    }

    fn compare(self, section: &Section, a: &PeerEntry, b: &PeerEntry) -> Ordering {
        let lifetime = |peer: &PeerEntry| {
            let longest = peer.channels.iter().map(|channel| channel.report.lifetime_ns).max();
            longest.unwrap_or_else(|| section.lifetime_ns(peer))
        };
        match self {
            Self::Availability => worst(a).total_cmp(&worst(b)),
            Self::Flaps => b.report.flap_count.cmp(&a.report.flap_count),
            Self::Lifetime => Reverse(lifetime(a)).cmp(&Reverse(lifetime(b))),
            Self::LastFlap => Reverse(a.report.last_flap).cmp(&Reverse(b.report.last_flap)),
            Self::Peer => Ordering::Equal,
        }
    }
}

/// The worst availability that a peer's rows show; beyond the best where none is known.
fn worst(peer: &PeerEntry) -> f64 {
    const UNKNOWN: f64 = 2.0;
    let of_channels = peer.channels.iter().map(|channel| match &channel.window {
        Some(window) => window.availability,
        None => channel.report.availability,
    });
    let of_peer = match &peer.window {
        Some(window) => window.availability,
        None => peer.report.availability,
    };
    let shown = of_channels.chain(peer.channels.is_empty().then_some(of_peer));
    shown.flatten().fold(UNKNOWN, f64::min)
}
