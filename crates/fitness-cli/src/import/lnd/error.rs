//! The errors of invalid lncli output.

use fitness_core::{NodeId, ParseIdError};

/// The reason why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LndError {
    /// A file is not valid JSON, or is truncated.
    #[error("invalid JSON in {file}")]
    NotJson {
        /// The file.
        file: String,
        source: serde_json::Error,
    },

    /// A file is empty.
    #[error("{file} is empty; expected the output of `lncli listpeers` or `lncli listchannels`")]
    Empty {
        /// The file.
        file: String,
    },

    /// A JSON document has no `peers` or `channels` list.
    #[error(
        "no list `peers` or `channels` at the top level of {file}, found {found}; \
         expected the output of `lncli listpeers` or `lncli listchannels`"
    )]
    Kind {
        /// The file.
        file: String,
        /// What the document is instead.
        found: String,
    },

    /// An entry of a list is invalid.
    #[error("{file}: invalid entry {entry}")]
    Entry {
        /// The file.
        file: String,
        /// The entry's place in the list, and its id if it has one.
        entry: String,
        source: EntryError,
    },

    /// `--at` is in the future.
    #[error("--at {at} is in the future (now: {now}); give the time at which lncli was run")]
    Future {
        /// The value of `--at`.
        at: String,
        /// The current time.
        now: String,
    },

    /// The observer's history was recorded by a clock that was years behind, so the imported history would
    /// start before that clock's epoch.
    #[error(
        "cannot import into the history of observer {observer}: its clock was wrong by years, and lnd's \
         statistics would start before that clock's zero; import into a new store"
    )]
    BeforeClockEpoch {
        /// The observer of the history.
        observer: NodeId,
    },
}

/// The reason why an entry is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EntryError {
    /// The entry is not an object.
    #[error("expected an object from `{command}`")]
    NotAnObject {
        /// The command that prints such entries.
        command: &'static str,
    },

    /// A field is missing.
    #[error("missing field `{field}`; expected the output of `{command}`")]
    MissingField {
        /// The field.
        field: &'static str,
        /// The command that prints such entries.
        command: &'static str,
    },

    /// A field has an invalid value.
    #[error("invalid `{field}` {found}: expected {expected}")]
    InvalidValue {
        /// The field.
        field: &'static str,
        /// The value, shortened if it is long.
        found: String,
        /// The expected kind of value.
        expected: String,
    },

    /// A field is not a valid id.
    #[error("invalid `{field}`")]
    InvalidId {
        /// The field.
        field: &'static str,
        source: ParseIdError,
    },

    /// The output index of a funding outpoint is too large to derive a channel id from it.
    #[error("invalid `channel_point` output index {vout}: expected at most 65535")]
    OutputIndex {
        /// The output index.
        vout: u32,
    },

    /// A channel is so old that it would have opened before 1970.
    #[error(
        "invalid `lifetime` {secs} s: the channel would have opened before 1970, counted back from {at}; \
         give the time at which lncli was run with --at"
    )]
    LifetimeTooLong {
        /// The lifetime.
        secs: u64,
        /// The time of the statistics.
        at: String,
    },

    /// A flap is later than the time of the statistics.
    #[error(
        "invalid `last_flap_ns` {flap}: it is after the time of the statistics, {at}; \
         give the time at which lncli was run with --at"
    )]
    FlapAfterImport {
        /// The time of the flap.
        flap: String,
        /// The time of the statistics.
        at: String,
    },

    /// A peer or a channel occurs twice with different values.
    #[error("duplicate entry with different values; give lists that lncli printed at the same time")]
    Duplicate,
}
