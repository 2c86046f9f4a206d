//! The encoding of an observer's record.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 8, 8 | started at, last heartbeat |
//! | 8 | start of the first process |
//! | 4 | number of starts |
//! | 8 | nanoseconds by which the clock is ahead (signed) |
//! | 4 | number of gaps |
//! | 4 times 4, 8 | gap count and total length, for each cause: not running, suspended, network down, paused |
//! | 1 | cause of the ongoing gap, encoded as in a gap record; 0 if there is none |
//! | 8 | start of the ongoing gap; absent if there is none |
//! | 4 | checksum |
//!
//! In format 1 the checksum follows the last heartbeat. Decoding then assumes that the process that wrote
//! the record was the first one.

use fitness_core::{GapTotals, NodeId, ObserverRecord};

use super::frame::{self, Body};
use super::{FORMAT_1, RecordError, RecordKey, rules};
use crate::StoreError;

const NO_ONGOING_GAP: u8 = 0;

/// Encodes the record of `observer` and appends the value to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the record violates a rule of the model; `out` is then unchanged.
pub fn encode_observer(
    observer: &NodeId,
    record: &ObserverRecord,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let key = RecordKey::Observer(observer);
    let ongoing_gap = match record.ongoing_gap {
        None => None,
        Some((cause, since_ns)) => {
            Some((rules::cause_code(cause).map_err(|reason| rules::invalid(key, reason))?, since_ns))
        }
    };
    // A new cause requires a new format; this line then no longer compiles.
    let [not_running, suspended, network_down, paused] = record.gap_totals;
    frame::write(key, out, |out| {
        out.extend_from_slice(&record.started_at_ns.to_le_bytes());
        out.extend_from_slice(&record.last_heartbeat_ns.to_le_bytes());
        out.extend_from_slice(&record.first_started_at_ns.to_le_bytes());
        out.extend_from_slice(&record.starts.to_le_bytes());
        out.extend_from_slice(&record.clock_ahead_ns.to_le_bytes());
        out.extend_from_slice(&record.gap_count.to_le_bytes());
        for totals in [not_running, suspended, network_down, paused] {
            out.extend_from_slice(&totals.count.to_le_bytes());
            out.extend_from_slice(&totals.length_ns.to_le_bytes());
        }
        match ongoing_gap {
            None => out.push(NO_ONGOING_GAP),
            Some((cause, since_ns)) => {
                out.push(cause);
                out.extend_from_slice(&since_ns.to_le_bytes());
            }
        }
    });
    Ok(())
}

/// Decodes the record of `observer`.
///
/// # Errors
///
/// [`RecordError`] if the bytes are not a valid record of that observer.
pub fn decode_observer(observer: &NodeId, bytes: &[u8]) -> Result<ObserverRecord, RecordError> {
    let mut body = frame::open(RecordKey::Observer(observer), bytes)?;
    let (started_at_ns, last_heartbeat_ns) = (body.u64()?, body.u64()?);
    let record = if body.format() == FORMAT_1 {
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns,
            first_started_at_ns: started_at_ns,
            starts: 1,
            ..ObserverRecord::default()
        }
    } else {
        ObserverRecord {
            started_at_ns,
            last_heartbeat_ns,
            first_started_at_ns: body.u64()?,
            starts: body.u32()?,
            clock_ahead_ns: body.i64()?,
            gap_count: body.u32()?,
            gap_totals: [
                decode_gap_totals(&mut body)?,
                decode_gap_totals(&mut body)?,
                decode_gap_totals(&mut body)?,
                decode_gap_totals(&mut body)?,
            ],
            ongoing_gap: match body.u8()? {
                NO_ONGOING_GAP => None,
                code => Some((rules::cause(code).map_err(RecordError::Invalid)?, body.u64()?)),
            },
        }
    };
    body.end()?;
    Ok(record)
}

fn decode_gap_totals(body: &mut Body<'_>) -> Result<GapTotals, RecordError> {
    Ok(GapTotals { count: body.u32()?, length_ns: body.u64()? })
}
