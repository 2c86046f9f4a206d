//! A segment of a peer's log.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | which entry of the segment the first one is, from 0: a segment may start late |
//! | 1 | number of entries |
//! | 24 each | an entry: at (8), online total (8), observed total with the presence in its two upper bits (8) |
//! | 4 | checksum |

use fitness_core::{LogEntry, LogSegment, NodeId, SEGMENT_ENTRIES, Totals};

use super::{RecordError, RecordKey, frame, rules};
use crate::StoreError;

const PRESENCE_SHIFT: u32 = 62;

/// Appends the value of a log segment to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the segment breaks a rule of the model; `out` is as it was.
pub fn encode_segment(segment: &LogSegment, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let name = RecordKey::Segment(&segment.node_id, segment.index());
    let invalid = |reason| rules::invalid(name, reason);
    rules::segment(segment).map_err(invalid)?;
    // Both are at most `SEGMENT_ENTRIES`, which is far below 256.
    let too_large = |_| invalid("it has more entries than a segment has room for");
    let start = u8::try_from(segment.first_number % SEGMENT_ENTRIES).map_err(too_large)?;
    let count = u8::try_from(segment.entries.len()).map_err(too_large)?;
    frame::write(name, out, |out| {
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

/// The segment `index` of the log of the peer `node_id`, from its value.
///
/// # Errors
///
/// [`RecordError`] if these bytes are not that segment.
pub fn decode_segment(node_id: &NodeId, index: u32, bytes: &[u8]) -> Result<LogSegment, RecordError> {
    let mut body = frame::open(RecordKey::Segment(node_id, index), bytes)?;
    let (start, count) = (u32::from(body.u8()?), usize::from(body.u8()?));
    if start >= SEGMENT_ENTRIES {
        return Err(RecordError::Invalid("it starts after its end"));
    }
    let first = index
        .checked_mul(SEGMENT_ENTRIES)
        .and_then(|first| first.checked_add(start))
        .ok_or(RecordError::Invalid("no log is long enough to have it"))?;
    if count > rules::room(first) {
        return Err(RecordError::Invalid("it has more entries than a segment has room for"));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (at_ns, online_ns, packed) = (body.u64()?, body.u64()?, body.u64()?);
        let totals = Totals { online_ns, observed_ns: packed & Totals::LIMIT_NS };
        // Before the entry is made: making it would clamp what is wrong.
        rules::totals(totals).map_err(RecordError::Invalid)?;
        let presence = rules::presence(packed >> PRESENCE_SHIFT).map_err(RecordError::Invalid)?;
        entries.push(LogEntry::new(at_ns, presence, totals));
    }
    body.end()?;
    rules::entries(&entries).map_err(RecordError::Invalid)?;
    Ok(LogSegment { node_id: *node_id, first_number: first, entries })
}
