//! What really happened to the embedder, in order: all that the oracle goes by.

use crate::script::Word;

/// Times are true ones.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A process started, when the wall clock read this.
    Started { at: u64, wall: u64 },
    /// It ended, and this is when and as of which fact it was last stored.
    Ended { stored_at: u64, stored: usize },
    /// The machine was suspended in between.
    Slept { from: u64, to: u64 },
    /// The wall clock was found to be ahead, and to read this.
    ClockSet { at: u64, wall: u64 },
    /// We were found to have been held up since we were last well.
    Held { since: u64, at: u64 },
    /// The time stamp of what is told next is older than another one.
    Disorder,
    /// The node said this.
    Told { at: u64, word: Word },
    /// Who left long ago was let go.
    Upkeep { at: u64 },
}
