//! What happens when: to each wire, to all of them at once, and to the wallet itself. A play that is
//! stretched to the time there is.

use std::time::Duration;

/// What a peer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Steady,
    Flapping,
    ComesLate,
    NeverReturns,
}

impl Role {
    pub(super) const ALL: [Self; 4] = [Self::Steady, Self::Flapping, Self::ComesLate, Self::NeverReturns];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Flapping => "flapping",
            Self::ComesLate => "comes late",
            Self::NeverReturns => "never returns",
        }
    }

    /// What its connection goes through, in hundredths of the play.
    const fn moves(self) -> &'static [(u32, Move)] {
        match self {
            // A connection that only stalls is not lost.
            Self::Steady => &[(14, Move::Stall), (17, Move::Restore)],
            Self::Flapping => &[
                (6, Move::Cut),
                (10, Move::Restore),
                (20, Move::Cut),
                (24, Move::Restore),
                (30, Move::Cut),
                (34, Move::Restore),
                (64, Move::Cut),
                (68, Move::Restore),
                (88, Move::Cut),
                (92, Move::Restore),
            ],
            Self::ComesLate => &[(12, Move::Cut), (42, Move::Restore)],
            // Long before our network fails, so it is not among those that are lost then.
            Self::NeverReturns => &[(36, Move::Cut)],
        }
    }
}

/// What we go through ourselves, in hundredths of the play.
const OURS: [(u32, What); 3] = [(48, What::NetworkOut), (58, What::NetworkBack), (76, What::Restart)];

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It is closed, and cannot be had again.
    Cut,
    /// It stays, and nothing comes through.
    Stall,
    /// It can be had again, and is.
    Restore,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// To the wire of one peer.
    Wire(Role, Move),
    /// Our own network fails: every wire is cut at once.
    NetworkOut,
    /// Our network is back, and whoever was lost with it.
    NetworkBack,
    /// The wallet is shut down, and started again on its files.
    Restart,
}

/// One thing that happens in the play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// When, from the beginning.
    pub(super) at: Duration,
    pub(super) what: What,
}

/// The whole play in order of time, `length` long.
pub(super) fn cues(length: Duration) -> Vec<Cue> {
    let of_role =
        |role: Role| role.moves().iter().map(move |&(hundredths, what)| (hundredths, What::Wire(role, what)));
    let all = Role::ALL.into_iter().flat_map(of_role).chain(OURS);
    let mut cues: Vec<Cue> =
        all.map(|(hundredths, what)| Cue { at: length * hundredths / 100, what }).collect();
    cues.sort_by_key(|cue| cue.at);
    cues
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [u64; 3] = [10, 30, 86_400];

    #[test]
    fn the_play_fits_its_time_and_every_restoration_follows_a_loss() {
        for secs in LENGTHS {
            let length = Duration::from_secs(secs);
            let cues = cues(length);
            assert!(cues.is_sorted_by_key(|cue| cue.at));
            assert!(cues.iter().all(|cue| cue.at < length));
            for role in Role::ALL {
                let moves: Vec<Move> = role.moves().iter().map(|(_, what)| *what).collect();
                for pair in moves.chunks(2) {
                    assert_ne!(pair[0], Move::Restore);
                    assert!(pair.get(1).is_none_or(|second| *second == Move::Restore));
                }
            }
        }
    }

    /// The rule: three connections at least, and four fifths of those there are, with none coming up in
    /// between.
    #[test]
    fn our_network_fails_when_enough_are_connected_to_tell_and_at_no_other_time() {
        let (mut up, mut lost_in_a_row, mut is_out) = (Role::ALL.to_vec(), 0, false);
        for Cue { what, .. } in cues(Duration::from_secs(30)) {
            match what {
                What::Wire(role, Move::Cut) => {
                    assert!(!is_out, "nobody is to blame for anything while our network is out");
                    up.retain(|&other| other != role);
                    lost_in_a_row += 1;
                    assert!(lost_in_a_row < 3, "that would look like our network");
                }
                What::Wire(role, Move::Restore) => {
                    assert!(!is_out);
                    if !up.contains(&role) {
                        up.push(role);
                        lost_in_a_row = 0;
                    }
                }
                What::Wire(_, Move::Stall) => assert!(!is_out),
                What::NetworkOut => {
                    assert!(up.len() >= 3);
                    is_out = true;
                }
                What::NetworkBack => (is_out, lost_in_a_row) = (false, 0),
                What::Restart => assert!(!is_out && up.len() == 3, "one stays away"),
            }
        }
        assert!(!is_out);
    }
}
