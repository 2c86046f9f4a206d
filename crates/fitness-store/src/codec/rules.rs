//! The model's rules that a record must keep, on its way in and on its way out.

use fitness_core::{
    ChannelRecord, GapCause, GapRecord, ImportSource, LogEntry, LogSegment, NodeId, PeerRecord, Presence,
    SEGMENT_ENTRIES, Totals,
};

use super::RecordKey;
use crate::{Batch, LogReplacement, StoreError};

/// A rule, in the words that an error uses.
type Broken = &'static str;

/// Whether every record of a batch of `observer` can be stored, and every replacement be done.
///
/// A store calls it before it does anything else.
///
/// # Errors
///
/// [`StoreError::Invalid`] names the first one that cannot: it breaks a rule of the model, and no
/// store could read it back.
pub fn validate_batch(observer: &NodeId, batch: &Batch) -> Result<(), StoreError> {
    for record in &batch.changes.peers {
        peer(record).map_err(|reason| invalid(RecordKey::Peer(&record.node_id), reason))?;
    }
    for record in &batch.changes.segments {
        segment(record).map_err(|reason| invalid(segment_name(record), reason))?;
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
    let mut from = 0;
    for record in &replacement.segments {
        let index = record.index();
        let checked = if record.node_id != replacement.node_id {
            Err("it is to replace a part of another peer's log")
        } else if index >= replacement.below_index {
            Err("it is to replace a part of the log that it does not belong to")
        } else if index < from {
            Err("it is to replace a part of the log out of order")
        } else {
            segment(record)
        };
        checked.map_err(|reason| invalid(segment_name(record), reason))?;
        from = index + 1;
    }
    Ok(())
}

const fn segment_name(segment: &LogSegment) -> RecordKey<'_> {
    RecordKey::Segment(&segment.node_id, segment.index())
}

pub(super) fn invalid(record: RecordKey<'_>, reason: Broken) -> StoreError {
    StoreError::Invalid { item: record.to_string(), reason }
}

pub(super) fn peer(record: &PeerRecord) -> Result<(), Broken> {
    if u32::try_from(record.channels.len()).is_err() {
        return Err("it has more channels than can be counted");
    }
    totals(record.totals)?;
    if let Some(taken) = &record.imported {
        source_code(taken.source)?;
        totals(taken.totals)?;
    }
    record.channels.iter().try_for_each(channel)
}

pub(super) fn channel(record: &ChannelRecord) -> Result<(), Broken> {
    totals(record.opened_totals)?;
    totals(record.usable_ledger.totals())?;
    if record.usable_ledger.presence_since_ns() < record.opened_at_ns {
        return Err("a channel of it was usable before it was opened");
    }
    Ok(())
}

pub(super) fn gap(record: &GapRecord) -> Result<(), Broken> {
    if record.from_ns > record.to_ns {
        return Err("it ends before it begins");
    }
    cause_code(record.cause).map(drop)
}

pub(super) fn segment(record: &LogSegment) -> Result<(), Broken> {
    if record.entries.len() > room(record.first_number) {
        return Err("it has more entries than a segment has room for");
    }
    entries(&record.entries)
}

pub(super) fn entries(entries: &[LogEntry]) -> Result<(), Broken> {
    if !entries.is_sorted_by_key(LogEntry::at_ns) {
        return Err("its entries are not in order of time");
    }
    entries.iter().try_for_each(|entry| totals(entry.totals()))
}

pub(super) const fn totals(totals: Totals) -> Result<(), Broken> {
    if totals.online_ns > totals.observed_ns {
        return Err("it counts more time online than observed");
    }
    if totals.observed_ns > Totals::LIMIT_NS {
        return Err("it counts more time than there is");
    }
    Ok(())
}

/// How many entries a segment has room for, from the entry numbered `first` on.
pub(super) const fn room(first: u32) -> usize {
    (SEGMENT_ENTRIES - first % SEGMENT_ENTRIES) as usize
}

/// The presence of a code of two bits.
pub(super) const fn presence(code: u64) -> Result<Presence, Broken> {
    match code {
        0 => Ok(Presence::Unobserved),
        1 => Ok(Presence::Offline),
        2 => Ok(Presence::Online),
        _ => Err("it has a presence that does not exist"),
    }
}

/// The code of a presence, which must never change: it is not the enum's own numbering.
pub(super) const fn presence_code(presence: Presence) -> u8 {
    match presence {
        Presence::Unobserved => 0,
        Presence::Offline => 1,
        Presence::Online => 2,
    }
}

/// What a node said of a channel, from a code of two bits.
pub(super) const fn ready(code: u8) -> Result<Option<bool>, Broken> {
    match code {
        0 => Ok(None),
        1 => Ok(Some(false)),
        2 => Ok(Some(true)),
        _ => Err("a channel of it is neither ready nor not"),
    }
}

pub(super) const fn ready_code(ready: Option<bool>) -> u8 {
    match ready {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }
}

/// From whom something was taken over, from a code that is never 0.
pub(super) const fn source(code: u8) -> Result<ImportSource, Broken> {
    match code {
        1 => Ok(ImportSource::Lnd),
        _ => Err("it was taken over from a program that does not exist"),
    }
}

/// The code of a source, which must never change.
pub(super) const fn source_code(source: ImportSource) -> Result<u8, Broken> {
    match source {
        ImportSource::Lnd => Ok(1),
        _ => Err("it was taken over from a program that has no code"),
    }
}

/// The cause of a code, which is never 0.
pub(super) const fn cause(code: u8) -> Result<GapCause, Broken> {
    match code {
        1 => Ok(GapCause::NotRunning),
        2 => Ok(GapCause::Suspended),
        3 => Ok(GapCause::NetworkDown),
        4 => Ok(GapCause::Paused),
        _ => Err("it has a cause that does not exist"),
    }
}

/// The code of a cause, which must never change.
pub(super) const fn cause_code(cause: GapCause) -> Result<u8, Broken> {
    match cause {
        GapCause::NotRunning => Ok(1),
        GapCause::Suspended => Ok(2),
        GapCause::NetworkDown => Ok(3),
        GapCause::Paused => Ok(4),
        _ => Err("it has a cause that has no code"),
    }
}
