//! The model's rules that a record must keep, on its way in and on its way out.

use fitness_core::{LogEntry, LogSegment, PeerRecord, Presence, SEGMENT_ENTRIES, Totals};

use super::Record;
use crate::{Batch, StoreError};

/// A rule, in the words that an error uses.
type Broken = &'static str;

/// Whether every record of a batch can be stored.
///
/// # Errors
///
/// [`StoreError::Invalid`] names the first one that cannot: it breaks a rule of the model, and no
/// store could read it back.
pub fn check(batch: &Batch) -> Result<(), StoreError> {
    for record in &batch.changes.peers {
        peer(record).map_err(|reason| invalid(Record::Peer(&record.node_id), reason))?;
    }
    for record in &batch.changes.segments {
        segment(record)
            .map_err(|reason| invalid(Record::Segment(&record.node_id, record.index()), reason))?;
    }
    Ok(())
}

pub(super) fn invalid(record: Record<'_>, reason: Broken) -> StoreError {
    StoreError::Invalid { what: record.to_string(), reason }
}

pub(super) fn peer(record: &PeerRecord) -> Result<(), Broken> {
    if u32::try_from(record.channels.len()).is_err() {
        return Err("it has more channels than can be counted");
    }
    totals(record.totals)?;
    record.channels.iter().try_for_each(|channel| totals(channel.opened_totals))
}

pub(super) fn segment(record: &LogSegment) -> Result<(), Broken> {
    if record.entries.len() > room(record.first) {
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
