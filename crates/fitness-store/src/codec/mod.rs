//! Records as bytes: the same in every backend.
//!
//! Every format, present and future, has this frame: the first byte is its number, the last four
//! are a CRC-32 (IEEE, little-endian) over the kind of the record, its key and the value before
//! them. So a damaged record is never taken for one of a later release, and a value that stands
//! under another peer's key is found as well. The key itself (the node id, the segment's index, the
//! gap's number) is not repeated in the value; decoding is told it.
//!
//! All numbers are little-endian. Decoding takes no byte on trust: it never panics, never
//! allocates more than a few times the size of the value, and what it returns has kept the rules
//! of the model (`online <= observed`, entries in order of time, and so on). Encoding refuses what
//! decoding would, so that nothing is ever stored that cannot be read back.
//!
//! Format 1 knew no gaps, nothing of whether a channel was usable, nothing that was taken over from
//! another program, and less of an observer; what it wrote is read, and written again in the present
//! format.

mod error;
mod frame;
mod gap;
mod observer;
mod peer;
mod rules;
mod segment;

pub use error::{RecordError, RecordKey};
pub use gap::{decode_gap, encode_gap};
pub use observer::{decode_observer, encode_observer};
pub use peer::{decode_peer, encode_peer};
pub use rules::validate_batch;
pub use segment::{decode_segment, encode_segment};

/// The format that is written, and the latest that is read.
pub const FORMAT_VERSION: u8 = 2;

/// Before there were gaps, accounts of usable time, and an observer's past.
const FORMAT_1: u8 = 1;
