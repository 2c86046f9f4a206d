//! The scenario: what happens to each connection, to all of them at once, and to the wallet, and when. It is
//! scaled to the length of the demo.

use std::time::Duration;

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Steady,
    Flapping,
    LongOutage,
    StaysOffline,
}

impl Role {
    pub(super) const ALL: [Self; 4] = [Self::Steady, Self::Flapping, Self::LongOutage, Self::StaysOffline];

    pub(super) const fn alias(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Flapping => "flapping",
            Self::LongOutage => "long outage",
            Self::StaysOffline => "stays offline",
        }
    }

    /// The actions on the peer's connection, each with its time in percent of the scenario's length.
    const fn actions(self) -> &'static [(u32, PeerAction)] {
        match self {
            // A stalled connection is not a disconnect.
            Self::Steady => &[(14, PeerAction::Stall), (17, PeerAction::Reconnect)],
            Self::Flapping => &[
                (6, PeerAction::Disconnect),
                (10, PeerAction::Reconnect),
                (20, PeerAction::Disconnect),
                (24, PeerAction::Reconnect),
                (30, PeerAction::Disconnect),
                (34, PeerAction::Reconnect),
                (64, PeerAction::Disconnect),
                (68, PeerAction::Reconnect),
                (88, PeerAction::Disconnect),
                (92, PeerAction::Reconnect),
            ],
            Self::LongOutage => &[(12, PeerAction::Disconnect), (42, PeerAction::Reconnect)],
            // Long before the network fails, so that this disconnect does not count towards that failure.
            Self::StaysOffline => &[(36, PeerAction::Disconnect)],
        }
    }
}

/// The actions on the wallet and its network, each with its time in percent of the scenario's length.
const WALLET_ACTIONS: [(u32, Action); 3] =
    [(48, Action::NetworkDown), (58, Action::NetworkUp), (76, Action::RestartWallet)];

/// An action on the connection to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerAction {
    /// Closes the connection and rejects new ones.
    Disconnect,
    /// Keeps the connection open, but forwards nothing.
    Stall,
    /// Permits connections again, and connects.
    Reconnect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An action on the connection to one peer.
    Peer(Role, PeerAction),
    /// The wallet's network fails: all connections are cut at once.
    NetworkDown,
    /// The wallet's network works again, and the peers that it disconnected are connected again.
    NetworkUp,
    /// The wallet is shut down and started again from its files.
    RestartWallet,
}

/// A step of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The time since the start.
    pub(super) at: Duration,
    pub(super) action: Action,
}

/// Returns the steps of a scenario of the given length, ordered by time.
pub(super) fn steps(length: Duration) -> Vec<Step> {
    let role_actions = |role: Role| {
        role.actions().iter().map(move |&(percent, action)| (percent, Action::Peer(role, action)))
    };
    let actions = Role::ALL.into_iter().flat_map(role_actions).chain(WALLET_ACTIONS);
    let mut steps: Vec<Step> =
        actions.map(|(percent, action)| Step { at: length * percent / 100, action }).collect();
    steps.sort_by_key(|step| step.at);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS_SECS: [u64; 3] = [10, 30, 86_400];

    #[test]
    fn steps_fit_the_length_and_each_reconnect_follows_a_disconnect_or_stall() {
        for secs in LENGTHS_SECS {
            let length = Duration::from_secs(secs);
            let steps = steps(length);
            assert!(steps.is_sorted_by_key(|step| step.at));
            assert!(steps.iter().all(|step| step.at < length));
            for role in Role::ALL {
                let actions: Vec<PeerAction> = role.actions().iter().map(|(_, action)| *action).collect();
                for pair in actions.chunks(2) {
                    assert_ne!(pair[0], PeerAction::Reconnect);
                    assert!(pair.get(1).is_none_or(|second| *second == PeerAction::Reconnect));
                }
            }
        }
    }

    /// A network failure is detected when at least 3, and at least 80 %, of the connections are lost and none
    /// comes up in between.
    #[test]
    fn only_the_network_failure_matches_the_rule_for_one() {
        let (mut online, mut disconnects_in_a_row, mut network_down) = (Role::ALL.to_vec(), 0, false);
        for Step { action, .. } in steps(Duration::from_secs(30)) {
            match action {
                Action::Peer(role, PeerAction::Disconnect) => {
                    assert!(!network_down, "no peer disconnects while the network is down");
                    online.retain(|&other| other != role);
                    disconnects_in_a_row += 1;
                    assert!(disconnects_in_a_row < 3, "three in a row would match the rule");
                }
                Action::Peer(role, PeerAction::Reconnect) => {
                    assert!(!network_down);
                    if !online.contains(&role) {
                        online.push(role);
                        disconnects_in_a_row = 0;
                    }
                }
                Action::Peer(_, PeerAction::Stall) => assert!(!network_down),
                Action::NetworkDown => {
                    assert!(online.len() >= 3);
                    network_down = true;
                }
                Action::NetworkUp => (network_down, disconnects_in_a_row) = (false, 0),
                Action::RestartWallet => assert!(!network_down && online.len() == 3, "one peer is offline"),
            }
        }
        assert!(!network_down);
    }
}
