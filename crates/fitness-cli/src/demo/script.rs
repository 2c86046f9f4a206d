//! Who is cut off when: a play in four parts, stretched to the time there is.

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
            Self::Steady => &[(45, Move::Stall), (48, Move::Restore)],
            Self::Flapping => &[
                (10, Move::Cut),
                (14, Move::Restore),
                (25, Move::Cut),
                (29, Move::Restore),
                (40, Move::Cut),
                (44, Move::Restore),
                (55, Move::Cut),
                (59, Move::Restore),
                (70, Move::Cut),
                (74, Move::Restore),
            ],
            Self::ComesLate => &[(20, Move::Cut), (65, Move::Restore)],
            Self::NeverReturns => &[(35, Move::Cut)],
        }
    }
}

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

/// One move of the play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// When, from the beginning.
    pub(super) at: Duration,
    pub(super) role: Role,
    pub(super) what: Move,
}

/// The whole play in order of time, `length` long.
pub(super) fn cues(length: Duration) -> Vec<Cue> {
    let all = Role::ALL.iter().flat_map(|&role| {
        let cue = move |&(hundredths, what): &(u32, Move)| Cue { at: length * hundredths / 100, role, what };
        role.moves().iter().map(cue)
    });
    let mut cues: Vec<Cue> = all.collect();
    cues.sort_by_key(|cue| cue.at);
    cues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_play_fits_its_time_and_every_restoration_follows_a_loss() {
        for secs in [1, 30, 86_400] {
            let length = Duration::from_secs(secs);
            let cues = cues(length);
            assert!(cues.is_sorted_by_key(|cue| cue.at));
            assert!(cues.iter().all(|cue| cue.at < length));
            for role in Role::ALL {
                let moves: Vec<Move> =
                    cues.iter().filter(|cue| cue.role == role).map(|cue| cue.what).collect();
                for pair in moves.chunks(2) {
                    assert_ne!(pair[0], Move::Restore);
                    assert!(pair.get(1).is_none_or(|second| *second == Move::Restore));
                }
            }
        }
    }
}
