//! Rows, and the rows that were written since the last fold.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::codec::{decode_segment, encode_segment};

use crate::envelope::InvalidReason;
use crate::journal_entry::Op;

/// The key of a row. Rows are stored in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Gap(u32),
    Peer(NodeId),
    Segment(NodeId, u32),
}

impl Row {
    pub(crate) const FIRST: Self = Self::Gap(0);

    /// Returns the range of a peer's log segments from this index on.
    pub(crate) const fn log(node_id: NodeId, from: u32) -> RangeInclusive<Self> {
        Self::Segment(node_id, from)..=Self::Segment(node_id, u32::MAX)
    }
}

/// A record as encoded by the codec of fitness-store.
pub(crate) type Record = Arc<[u8]>;

/// The changes of the journal relative to the pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// Written since; `None` where deleted.
    pub(crate) rows: BTreeMap<Row, Option<Record>>,
    /// Segments of the peer with a smaller index than this are gone from the pages.
    deleted_below: BTreeMap<NodeId, u64>,
    /// Gaps with a smaller number than this are gone from the pages.
    gaps_from: u32,
    pub(crate) observer: Option<Record>,
}

impl Overlay {
    /// Applies an operation of a journal entry.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), InvalidReason> {
        match op {
            Op::Forget(node_id) => {
                self.rows.insert(Row::Peer(*node_id), None);
                self.delete_segments_below(node_id, u64::from(u32::MAX) + 1);
            }
            Op::DeleteSegmentsBelow(node_id, below) => self.delete_segments_below(node_id, u64::from(*below)),
            Op::Put(row, record) => {
                self.rows.insert(*row, Some(Arc::clone(record)));
            }
            Op::Append(node_id, index, more) => {
                let row = Row::Segment(*node_id, *index);
                let Some(Some(known)) = self.rows.get(&row) else {
                    return Err("it appends to a segment that does not exist");
                };
                let joined = append_entries(node_id, *index, known, more)?;
                self.rows.insert(row, Some(joined));
            }
            Op::PruneGaps(before) => {
                self.gaps_from = self.gaps_from.max(*before);
                self.rows.retain(|row, _| !matches!(row, Row::Gap(number) if number < before));
            }
            Op::Observer(record) => self.observer = Some(Arc::clone(record)),
        }
        Ok(())
    }

    fn delete_segments_below(&mut self, node_id: &NodeId, below: u64) {
        if below == 0 {
            return;
        }
        let cut = self.deleted_below.entry(*node_id).or_default();
        *cut = below.max(*cut);
        let deleted: Vec<Row> = self
            .rows
            .range(Row::log(*node_id, 0))
            .map(|(row, _)| *row)
            .take_while(|row| matches!(row, Row::Segment(_, index) if u64::from(*index) < below))
            .collect();
        for row in deleted {
            self.rows.remove(&row);
        }
    }

    /// Whether a row of the pages is unchanged.
    pub(crate) fn leaves(&self, row: &Row) -> bool {
        let deleted = match row {
            Row::Gap(number) => *number < self.gaps_from,
            Row::Peer(_) => false,
            Row::Segment(node_id, index) => {
                self.deleted_below.get(node_id).is_some_and(|below| u64::from(*index) < *below)
            }
        };
        !deleted && !self.rows.contains_key(row)
    }

    /// Whether a row from `first` to `end`, exclusive, has changed.
    pub(crate) fn touches(&self, first: Row, end: Option<Row>) -> bool {
        let within = |row: &Row| *row >= first && end.is_none_or(|end| *row < end);
        self.rows.range(first..).next().is_some_and(|(row, _)| within(row))
            || (self.gaps_from > 0 && first < Row::Gap(self.gaps_from))
            || self.deletes_segments_in(first, end)
    }

    fn deletes_segments_in(&self, first: Row, end: Option<Row>) -> bool {
        let from = match first {
            Row::Segment(node_id, _) => node_id,
            _ => NodeId([0; 33]),
        };
        self.deleted_below.range(from..).take(2).any(|(node_id, below)| {
            let last = u32::try_from(below.saturating_sub(1)).unwrap_or(u32::MAX);
            Row::Segment(*node_id, last) >= first && end.is_none_or(|end| Row::Segment(*node_id, 0) < end)
        })
    }

    /// Returns the changes of the rows in a range.
    pub(crate) fn part(&self, range: RangeInclusive<Row>) -> Self {
        let rows = self.rows.range(range.clone()).map(|(row, record)| (*row, record.clone())).collect();
        let deleted_below = match *range.start() {
            Row::Segment(node_id, _) => {
                self.deleted_below.get_key_value(&node_id).map(|(id, cut)| (*id, *cut))
            }
            _ => None,
        };
        let deleted_below = deleted_below.into_iter().collect();
        Self { rows, deleted_below, gaps_from: self.gaps_from, observer: None }
    }
}

/// Appends entries to a segment.
fn append_entries(node_id: &NodeId, index: u32, known: &[u8], more: &[u8]) -> Result<Record, InvalidReason> {
    let decode = |bytes| decode_segment(node_id, index, bytes).map_err(|_| "a segment is damaged");
    let (mut segment, more) = (decode(known)?, decode(more)?);
    let length = u32::try_from(segment.entries.len()).unwrap_or(u32::MAX);
    if segment.first_number.checked_add(length) != Some(more.first_number) {
        return Err("appended entries do not start at the end of the segment");
    }
    segment.entries.extend(more.entries);
    let mut joined = Vec::new();
    encode_segment(&segment, &mut joined).map_err(|_| "the segment becomes too long")?;
    Ok(joined.into())
}
