//! A gap of our own observation. Format 1 has none.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | cause: 1 down, 2 suspended, 3 network out, 4 paused |
//! | 8, 8 | from, to |
//! | 4 | checksum |

use fitness_core::GapRecord;

use super::{FORMAT_1, RecordError, RecordKey, frame, rules};
use crate::StoreError;

/// Appends the value of a gap to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the gap breaks a rule of the model; `out` is as it was.
pub fn encode_gap(gap: &GapRecord, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let name = RecordKey::Gap(gap.number);
    let invalid = |reason| rules::invalid(name, reason);
    rules::gap(gap).map_err(invalid)?;
    let cause = rules::cause_code(gap.cause).map_err(invalid)?;
    frame::write(name, out, |out| {
        out.push(cause);
        out.extend_from_slice(&gap.from_ns.to_le_bytes());
        out.extend_from_slice(&gap.to_ns.to_le_bytes());
    });
    Ok(())
}

/// The gap of that number, from its value.
///
/// # Errors
///
/// [`RecordError`] if these bytes are not that gap.
pub fn decode_gap(number: u32, bytes: &[u8]) -> Result<GapRecord, RecordError> {
    let mut body = frame::open(RecordKey::Gap(number), bytes)?;
    if body.format() == FORMAT_1 {
        return Err(RecordError::Invalid("there are no gaps in format 1"));
    }
    let cause = rules::cause(body.u8()?).map_err(RecordError::Invalid)?;
    let gap = GapRecord { number, cause, from_ns: body.u64()?, to_ns: body.u64()? };
    body.end()?;
    rules::gap(&gap).map_err(RecordError::Invalid)?;
    Ok(gap)
}
