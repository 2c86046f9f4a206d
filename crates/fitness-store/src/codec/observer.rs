//! An observer's record.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 8, 8 | started at, last heartbeat |
//! | 8 | when the first process started |
//! | 4 | number of starts |
//! | 8 | how far the clock is ahead (signed) |
//! | 4 | number of gaps |
//! | 4 times 4, 8 | the gaps that were down, suspended, network out, paused: how many, how long |
//! | 1 | the gap that had not ended: 0 for none, or its cause as a gap has it |
//! | 8 | since when, where there is one |
//! | 4 | checksum |
//!
//! In format 1 the checksum follows the heartbeat: the first process is then taken to be the one
//! that wrote it.

use fitness_core::{GapTotals, NodeId, ObserverRecord};

use super::frame::{self, Body};
use super::{FORMAT_1, RecordError, RecordKey, rules};
use crate::StoreError;

const NO_GAP: u8 = 0;

/// Appends the value of the record of `observer` to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the record breaks a rule of the model; `out` is as it was.
pub fn encode_observer(
    observer: &NodeId,
    record: &ObserverRecord,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let name = RecordKey::Observer(observer);
    let ongoing_gap = match record.ongoing_gap {
        None => None,
        Some((cause, since_ns)) => {
            Some((rules::cause_code(cause).map_err(|reason| rules::invalid(name, reason))?, since_ns))
        }
    };
    // Another cause would be another format; this does not compile where there is one.
    let [down, suspended, network_out, paused] = record.gap_totals;
    frame::write(name, out, |out| {
        out.extend_from_slice(&record.started_at_ns.to_le_bytes());
        out.extend_from_slice(&record.last_heartbeat_ns.to_le_bytes());
        out.extend_from_slice(&record.first_started_at_ns.to_le_bytes());
        out.extend_from_slice(&record.starts.to_le_bytes());
        out.extend_from_slice(&record.clock_ahead_ns.to_le_bytes());
        out.extend_from_slice(&record.gap_count.to_le_bytes());
        for sums in [down, suspended, network_out, paused] {
            out.extend_from_slice(&sums.count.to_le_bytes());
            out.extend_from_slice(&sums.length_ns.to_le_bytes());
        }
        match ongoing_gap {
            None => out.push(NO_GAP),
            Some((cause, since_ns)) => {
                out.push(cause);
                out.extend_from_slice(&since_ns.to_le_bytes());
            }
        }
    });
    Ok(())
}

/// The record of `observer`, from its value.
///
/// # Errors
///
/// [`RecordError`] if these bytes are not the record of that observer.
pub fn decode_observer(observer: &NodeId, bytes: &[u8]) -> Result<ObserverRecord, RecordError> {
    let mut body = frame::open(RecordKey::Observer(observer), bytes)?;
    let (started_at_ns, heartbeat_ns) = (body.u64()?, body.u64()?);
    let record = if body.format() == FORMAT_1 {
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns: heartbeat_ns,
            first_started_at_ns: started_at_ns,
            starts: 1,
            ..ObserverRecord::default()
        }
    } else {
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns: heartbeat_ns,
            first_started_at_ns: body.u64()?,
            starts: body.u32()?,
            clock_ahead_ns: body.i64()?,
            gap_count: body.u32()?,
            gap_totals: [sums(&mut body)?, sums(&mut body)?, sums(&mut body)?, sums(&mut body)?],
            ongoing_gap: match body.u8()? {
                NO_GAP => None,
                code => Some((rules::cause(code).map_err(RecordError::Invalid)?, body.u64()?)),
            },
        }
    };
    body.end()?;
    Ok(record)
}

fn sums(body: &mut Body<'_>) -> Result<GapTotals, RecordError> {
    Ok(GapTotals { count: body.u32()?, length_ns: body.u64()? })
}
