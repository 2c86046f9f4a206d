//! What can be wrong with what lncli printed.

use fitness_core::{NodeId, ParseIdError};

/// Why nothing was taken over. Each names the file and the entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LndError {
    /// A file that is no JSON, or ends too early.
    #[error("{file} is not what lncli prints: {source}")]
    NotJson {
        /// The file.
        file: String,
        source: serde_json::Error,
    },

    /// A file without anything in it.
    #[error("{file} is empty; expected what `lncli listpeers` or `lncli listchannels` prints")]
    Empty {
        /// The file.
        file: String,
    },

    /// JSON of another kind.
    #[error(
        "{file} has no list of `peers` or `channels` at its top ({found}); \
         expected what `lncli listpeers` or `lncli listchannels` prints"
    )]
    Kind {
        /// The file.
        file: String,
        /// What is there.
        found: String,
    },

    /// An entry of a list.
    #[error("{file}, {entry}: {source}")]
    Entry {
        /// The file.
        file: String,
        /// Its place in the list and, where it says so, who it is about.
        entry: String,
        source: EntryError,
    },

    /// A moment that has not come.
    #[error("--at {asked} has not come: it is {now}; say when lncli was asked")]
    Future {
        /// The moment.
        asked: String,
        /// The present.
        now: String,
    },

    /// An observer whose history is told by a clock that was wrong by years.
    #[error(
        "the history of observer {observer} was noted by a clock that was wrong by years, and what lnd has \
         counted would begin before it; import into a new store"
    )]
    NoPlace {
        /// Whose history it is.
        observer: NodeId,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EntryError {
    /// It is no object.
    #[error("expected an object as `{command}` prints it")]
    NoObject {
        /// What prints such entries.
        command: &'static str,
    },

    /// A field is missing.
    #[error("it has no `{field}`; expected what `{command}` prints")]
    Missing {
        /// The field.
        field: &'static str,
        /// What prints such entries.
        command: &'static str,
    },

    /// A field is something else.
    #[error("`{field}` is {found}; expected {expected}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What it is, or how that begins.
        found: String,
        /// What it should be.
        expected: String,
    },

    /// A field is not the name that it should be.
    #[error("`{field}`: {source}")]
    Id {
        /// The field.
        field: &'static str,
        source: ParseIdError,
    },

    /// A funding output that no channel id can be made of.
    #[error("`channel_point` is output {vout}; that of a channel is 65535 at most")]
    Output {
        /// The output.
        vout: u32,
    },

    /// A channel that is older than time.
    #[error(
        "`lifetime` is {secs} s, which began before 1970, counted from {at}; say by --at when lncli was asked"
    )]
    TooLong {
        /// The lifetime.
        secs: u64,
        /// The moment that it ended.
        at: String,
    },

    /// A flap that had not happened yet.
    #[error("`last_flap_ns` is {flap}, which is after {at}; say by --at when lncli was asked")]
    Later {
        /// When the flap was.
        flap: String,
        /// The moment of the numbers.
        at: String,
    },

    /// An entry that was there before, and said something else.
    #[error("it was told before, with other numbers; give lists that were made at one moment")]
    Again,
}
