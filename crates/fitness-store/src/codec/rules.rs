//! The rules of the model that every record must satisfy, when it is encoded and when it is decoded.

use fitness_core::{
    ChannelRecord, GapCause, GapRecord, ImportSource, LogEntry, LogSegment, NodeId, PeerRecord, Presence,
    SEGMENT_ENTRIES, Totals,
};

use super::RecordKey;
use crate::{Batch, LogReplacement, StoreError};

/// The rule that a record violates, as error messages print it.
type Violation = &'static str;

pub(super) const TOO_MANY_CHANNELS: Violation = "more than 4294967295 channels";
pub(super) const TOO_MANY_ENTRIES: Violation = "more entries than fit in the segment";

/// Checks that every record and every log replacement in a batch of `observer` is valid.
///
/// A store calls this first in [`Store::commit`](crate::Store::commit), before it changes anything.
///
/// # Errors
///
/// [`StoreError::Invalid`] for the first record or replacement that violates a rule of the model. No store
/// could read such a record back.
pub fn validate_batch(observer: &NodeId, batch: &Batch) -> Result<(), StoreError> {
    for record in &batch.changes.peers {
        peer(record).map_err(|reason| invalid(RecordKey::Peer(&record.node_id), reason))?;
    }
    for record in &batch.changes.segments {
        segment(record).map_err(|reason| invalid(segment_key(record), reason))?;
    }
    for record in &batch.changes.gaps {
        gap(record).map_err(|reason| invalid(RecordKey::Gap(record.number), reason))?;
    }
    batch.replacements.iter().try_for_each(replacement)?;
    if let Some((cause, _)) = batch.observer.and_then(|record| record.ongoing_gap) {
        cause_code(cause).map_err(|reason| invalid(RecordKey::Observer(observer), reason))?;
    }
    Ok(())
}

fn replacement(replacement: &LogReplacement) -> Result<(), StoreError> {
    let mut next_index = 0;
    for record in &replacement.segments {
        let index = record.index();
        let checked = if record.node_id != replacement.node_id {
            Err("replacement segment belongs to another peer")
        } else if index >= replacement.below_index {
            Err("replacement segment has an index that is not below below_index")
        } else if index < next_index {
            Err("replacement segments are not in strictly ascending order")
        } else {
            segment(record)
        };
        checked.map_err(|reason| invalid(segment_key(record), reason))?;
        next_index = index + 1;
    }
    Ok(())
}

const fn segment_key(segment: &LogSegment) -> RecordKey<'_> {
    RecordKey::Segment(&segment.node_id, segment.index())
}

pub(super) fn invalid(record: RecordKey<'_>, reason: Violation) -> StoreError {
    StoreError::Invalid { item: record.to_string(), reason }
}

pub(super) fn peer(record: &PeerRecord) -> Result<(), Violation> {
    if u32::try_from(record.channels.len()).is_err() {
        return Err(TOO_MANY_CHANNELS);
    }
    totals(record.totals)?;
    if let Some(imported) = &record.imported {
        source_code(imported.source)?;
        totals(imported.totals)?;
    }
    record.channels.iter().try_for_each(channel)
}

pub(super) fn channel(record: &ChannelRecord) -> Result<(), Violation> {
    totals(record.opened_totals)?;
    totals(record.usable_ledger.totals())?;
    if record.usable_ledger.presence_since_ns() < record.opened_at_ns {
        return Err("usability of a channel starts before the channel was opened");
    }
    Ok(())
}

pub(super) fn gap(record: &GapRecord) -> Result<(), Violation> {
    if record.from_ns > record.to_ns {
        return Err("the gap ends before it starts");
    }
    cause_code(record.cause).map(drop)
}

pub(super) fn segment(record: &LogSegment) -> Result<(), Violation> {
    if record.entries.len() > segment_capacity(record.first_number) {
        return Err(TOO_MANY_ENTRIES);
    }
    entries(&record.entries)
}

pub(super) fn entries(entries: &[LogEntry]) -> Result<(), Violation> {
    if !entries.is_sorted_by_key(LogEntry::at_ns) {
        return Err("entries are not in chronological order");
    }
    entries.iter().try_for_each(|entry| totals(entry.totals()))
}

pub(super) const fn totals(totals: Totals) -> Result<(), Violation> {
    if totals.online_ns > totals.observed_ns {
        return Err("online time exceeds observed time");
    }
    if totals.observed_ns > Totals::LIMIT_NS {
        return Err("observed time exceeds the limit of 2^62 - 1 ns");
    }
    Ok(())
}

/// Returns how many entries fit in a segment whose first entry has the number `first`.
pub(super) const fn segment_capacity(first: u32) -> usize {
    (SEGMENT_ENTRIES - first % SEGMENT_ENTRIES) as usize
}

/// Decodes a presence from its two-bit code.
pub(super) const fn presence(code: u64) -> Result<Presence, Violation> {
    match code {
        0 => Ok(Presence::Unobserved),
        1 => Ok(Presence::Offline),
        2 => Ok(Presence::Online),
        _ => Err("invalid presence code"),
    }
}

/// Returns the code of a presence. Codes never change and are independent of the enum's discriminants.
pub(super) const fn presence_code(presence: Presence) -> u8 {
    match presence {
        Presence::Unobserved => 0,
        Presence::Offline => 1,
        Presence::Online => 2,
    }
}

/// Decodes whether the node reported a channel as usable, from its two-bit code.
pub(super) const fn reported_usable(code: u8) -> Result<Option<bool>, Violation> {
    match code {
        0 => Ok(None),
        1 => Ok(Some(false)),
        2 => Ok(Some(true)),
        _ => Err("invalid usability code of a channel"),
    }
}

/// Returns the code of a reported usability. Codes never change.
pub(super) const fn reported_usable_code(reported: Option<bool>) -> u8 {
    match reported {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }
}

/// Decodes the source of an import. The code is never 0.
pub(super) const fn source(code: u8) -> Result<ImportSource, Violation> {
    match code {
        1 => Ok(ImportSource::Lnd),
        _ => Err("invalid import source code"),
    }
}

/// Returns the code of an import source. Codes never change.
pub(super) const fn source_code(source: ImportSource) -> Result<u8, Violation> {
    match source {
        ImportSource::Lnd => Ok(1),
        _ => Err("import source has no code in this format"),
    }
}

/// Decodes the cause of a gap. The code is never 0.
pub(super) const fn cause(code: u8) -> Result<GapCause, Violation> {
    match code {
        1 => Ok(GapCause::NotRunning),
        2 => Ok(GapCause::Suspended),
        3 => Ok(GapCause::NetworkDown),
        4 => Ok(GapCause::Paused),
        _ => Err("invalid gap cause code"),
    }
}

/// Returns the code of a gap cause. Codes never change.
pub(super) const fn cause_code(cause: GapCause) -> Result<u8, Violation> {
    match cause {
        GapCause::NotRunning => Ok(1),
        GapCause::Suspended => Ok(2),
        GapCause::NetworkDown => Ok(3),
        GapCause::Paused => Ok(4),
        _ => Err("gap cause has no code in this format"),
    }
}
