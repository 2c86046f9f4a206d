//! The encoding of records, which is the same in every backend.
//!
//! Every format, including future ones, has this frame: the first byte is the format number, and the
//! last four bytes are a CRC-32 (IEEE, little-endian) of the record's kind, its key and the value before
//! the checksum. A damaged record is therefore never mistaken for one of a later release, and a value
//! stored under another record's key is detected. The value does not repeat the key (the node id, the
//! segment's index, the gap's number); the caller passes the key when decoding.
//!
//! All numbers are little-endian. Decoding trusts no byte: it never panics, allocates at most a few times
//! the size of the value, and returns only records that satisfy the rules of the model (for example
//! `online <= observed`, and entries in chronological order). Encoding rejects every record that
//! decoding would reject, so a stored record can always be read back.
//!
//! Format 1 has no gaps, no channel usability, no imported values, and fewer fields in the observer's
//! record. Records of format 1 are still read; they are written in the current format.

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

/// The format that is written, and the latest format that is read.
pub const FORMAT_VERSION: u8 = 2;

/// The format before gaps, channel usability, imported values and the observer's gap statistics.
const FORMAT_1: u8 = 1;
