//! The encoding of a monitoring gap. Format 1 has no gaps.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | cause: 1 not running, 2 suspended, 3 network down, 4 paused |
//! | 8, 8 | start, end |
//! | 4 | checksum |

use fitness_core::GapRecord;

use super::{FORMAT_1, RecordError, RecordKey, frame, rules};
use crate::StoreError;

/// Encodes a gap and appends the value to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the gap violates a rule of the model; `out` is then unchanged.
pub fn encode_gap(gap: &GapRecord, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let key = RecordKey::Gap(gap.number);
    let invalid = |reason| rules::invalid(key, reason);
    rules::gap(gap).map_err(invalid)?;
    let cause = rules::cause_code(gap.cause).map_err(invalid)?;
    frame::write(key, out, |out| {
        out.push(cause);
        out.extend_from_slice(&gap.from_ns.to_le_bytes());
        out.extend_from_slice(&gap.to_ns.to_le_bytes());
    });
    Ok(())
}

/// Decodes the gap with the given number.
///
/// # Errors
///
/// [`RecordError`] if the bytes are not a valid value of that gap.
pub fn decode_gap(number: u32, bytes: &[u8]) -> Result<GapRecord, RecordError> {
    let mut body = frame::open(RecordKey::Gap(number), bytes)?;
    if body.format() == FORMAT_1 {
        return Err(RecordError::Invalid("format 1 has no gap records"));
    }
    let cause = rules::cause(body.u8()?).map_err(RecordError::Invalid)?;
    let gap = GapRecord { number, cause, from_ns: body.u64()?, to_ns: body.u64()? };
    body.end()?;
    rules::gap(&gap).map_err(RecordError::Invalid)?;
    Ok(gap)
}
