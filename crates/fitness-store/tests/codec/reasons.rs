//! The reasons that the codec reports, each written once.

use fitness_store::codec::RecordError;

pub(crate) const INVALID_PRESENCE: RecordError = RecordError::Invalid("invalid presence code");
pub(crate) const UNKNOWN_FLAGS: RecordError = RecordError::Invalid("unknown flags");
pub(crate) const UNKNOWN_CHANNEL_FLAGS: RecordError = RecordError::Invalid("unknown flags in a channel");
pub(crate) const INVALID_USABILITY: RecordError = RecordError::Invalid("invalid usability code of a channel");
pub(crate) const USABLE_BEFORE_OPENED: RecordError =
    RecordError::Invalid("usability of a channel starts before the channel was opened");
pub(crate) const ONLINE_EXCEEDS_OBSERVED: RecordError =
    RecordError::Invalid("online time exceeds observed time");
pub(crate) const OBSERVED_EXCEEDS_LIMIT: RecordError =
    RecordError::Invalid("observed time exceeds the limit of 2^62 - 1 ns");
pub(crate) const CHANNEL_COUNT: RecordError =
    RecordError::Invalid("channel count exceeds the length of the record");
pub(crate) const START_BEYOND_END: RecordError =
    RecordError::Invalid("start position is beyond the end of the segment");
pub(crate) const TOO_MANY_ENTRIES: RecordError = RecordError::Invalid("more entries than fit in the segment");
pub(crate) const UNEXPECTED_END: RecordError = RecordError::Invalid("unexpected end of record");
pub(crate) const UNEXPECTED_BYTES: RecordError = RecordError::Invalid("unexpected bytes after the record");
pub(crate) const NOT_CHRONOLOGICAL: RecordError = RecordError::Invalid(ENTRIES_NOT_CHRONOLOGICAL);
pub(crate) const INVALID_IMPORT_SOURCE: RecordError = RecordError::Invalid("invalid import source code");
pub(crate) const INVALID_CAUSE: RecordError = RecordError::Invalid("invalid gap cause code");
pub(crate) const ENDS_BEFORE_START: RecordError = RecordError::Invalid("the gap ends before it starts");
pub(crate) const NO_GAPS_IN_FORMAT_1: RecordError = RecordError::Invalid("format 1 has no gap records");
pub(crate) const INVALID_FORMAT_0: RecordError = RecordError::Invalid("invalid format 0");

/// The reason inside [`NOT_CHRONOLOGICAL`].
pub(crate) const ENTRIES_NOT_CHRONOLOGICAL: &str = "entries are not in chronological order";
pub(crate) const NOT_BELOW_INDEX: &str = "replacement segment has an index that is not below below_index";
pub(crate) const NOT_ASCENDING: &str = "replacement segments are not in strictly ascending order";
pub(crate) const OTHER_PEER: &str = "replacement segment belongs to another peer";
