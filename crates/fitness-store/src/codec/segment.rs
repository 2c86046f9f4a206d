//! The encoding of a segment of a peer's log.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | position of the first entry within the segment, from 0: leading entries may be missing |
//! | 1 | number of entries |
//! | 24 each | an entry: time (8), online total (8), observed total with the presence in its two upper bits (8) |
//! | 4 | checksum |

use fitness_core::{LogEntry, LogSegment, NodeId, SEGMENT_ENTRIES, Totals};

use super::{RecordError, RecordKey, frame, rules};
use crate::StoreError;

const PRESENCE_SHIFT: u32 = 62;

/// Encodes a log segment and appends the value to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the segment violates a rule of the model; `out` is then unchanged.
pub fn encode_segment(segment: &LogSegment, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let key = RecordKey::Segment(&segment.node_id, segment.index());
    let invalid = |reason| rules::invalid(key, reason);
    rules::segment(segment).map_err(invalid)?;
    // Neither conversion fails: both values are at most `SEGMENT_ENTRIES`, which is far below 256.
    let too_large = |_| invalid(rules::TOO_MANY_ENTRIES);
    let start = u8::try_from(segment.first_number % SEGMENT_ENTRIES).map_err(too_large)?;
    let count = u8::try_from(segment.entries.len()).map_err(too_large)?;
    frame::write(key, out, |out| {
        out.extend_from_slice(&[start, count]);
        for entry in &segment.entries {
            let Totals { online_ns, observed_ns } = entry.totals();
            let presence = u64::from(rules::presence_code(entry.presence())) << PRESENCE_SHIFT;
            out.extend_from_slice(&entry.at_ns().to_le_bytes());
            out.extend_from_slice(&online_ns.to_le_bytes());
            out.extend_from_slice(&(observed_ns | presence).to_le_bytes());
        }
    });
    Ok(())
}

/// Decodes segment `index` of the log of the peer `node_id`.
///
/// # Errors
///
/// [`RecordError`] if the bytes are not a valid value of that segment.
pub fn decode_segment(node_id: &NodeId, index: u32, bytes: &[u8]) -> Result<LogSegment, RecordError> {
    let mut body = frame::open(RecordKey::Segment(node_id, index), bytes)?;
    let (start, count) = (u32::from(body.u8()?), usize::from(body.u8()?));
    if start >= SEGMENT_ENTRIES {
        return Err(RecordError::Invalid("start position is beyond the end of the segment"));
    }
    let first = index
        .checked_mul(SEGMENT_ENTRIES)
        .and_then(|first| first.checked_add(start))
        .ok_or(RecordError::Invalid("segment index out of range"))?;
    if count > rules::segment_capacity(first) {
        return Err(RecordError::Invalid(rules::TOO_MANY_ENTRIES));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (at_ns, online_ns, packed) = (body.u64()?, body.u64()?, body.u64()?);
        let totals = Totals { online_ns, observed_ns: packed & Totals::LIMIT_NS };
        // Validate the totals first, because `LogEntry::new` clamps invalid values.
        rules::totals(totals).map_err(RecordError::Invalid)?;
        let presence = rules::presence(packed >> PRESENCE_SHIFT).map_err(RecordError::Invalid)?;
        entries.push(LogEntry::new(at_ns, presence, totals));
    }
    body.end()?;
    rules::entries(&entries).map_err(RecordError::Invalid)?;
    Ok(LogSegment { node_id: *node_id, first_number: first, entries })
}
