//! An observer's record.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 8, 8 | started at, last heartbeat |
//! | 4 | checksum |

use fitness_core::{NodeId, ObserverRecord};

use super::{Record, RecordError, frame};

/// Appends the value of the record of `observer` to `out`.
pub fn encode_observer(observer: &NodeId, record: &ObserverRecord, out: &mut Vec<u8>) {
    frame::write(Record::Observer(observer), out, |out| {
        out.extend_from_slice(&record.started_at_ns.to_le_bytes());
        out.extend_from_slice(&record.heartbeat_ns.to_le_bytes());
    });
}

/// The record of `observer`, from its value.
///
/// # Errors
///
/// [`RecordError`] if these bytes are not the record of that observer.
pub fn decode_observer(observer: &NodeId, bytes: &[u8]) -> Result<ObserverRecord, RecordError> {
    let mut body = frame::open(Record::Observer(observer), bytes)?;
    let record = ObserverRecord { started_at_ns: body.u64()?, heartbeat_ns: body.u64()? };
    body.end()?;
    Ok(record)
}
