//! The rows that are stored, and those that were written since they were last folded.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::codec::{decode_segment, encode_segment};

use crate::entry::Op;
use crate::frame::Broken;

/// What a row is called. Rows are stored in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Gap(u32),
    Peer(NodeId),
    Segment(NodeId, u32),
}

impl Row {
    pub(crate) const FIRST: Self = Self::Gap(0);

    /// All rows of a peer's log.
    pub(crate) const fn log(node_id: NodeId, from: u32) -> RangeInclusive<Self> {
        Self::Segment(node_id, from)..=Self::Segment(node_id, u32::MAX)
    }
}

/// An encoded record, as the port's codec wrote it.
pub(crate) type Record = Arc<[u8]>;

/// What is different from the pages: the sum of the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// Written since; `None` where deleted.
    pub(crate) rows: BTreeMap<Row, Option<Record>>,
    /// Segments of the peer with a smaller index than this are gone from the pages.
    cuts: BTreeMap<NodeId, u64>,
    /// Gaps with a smaller number than this are gone from the pages.
    gaps_from: u32,
    pub(crate) observer: Option<Record>,
}

impl Overlay {
    /// Does what a journal entry says.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), Broken> {
        match op {
            Op::Forget(node_id) => {
                self.rows.insert(Row::Peer(*node_id), None);
                self.cut(node_id, u64::from(u32::MAX) + 1);
            }
            Op::Cut(node_id, below) => self.cut(node_id, u64::from(*below)),
            Op::Put(row, record) => {
                self.rows.insert(*row, Some(Arc::clone(record)));
            }
            Op::Append(node_id, index, more) => {
                let row = Row::Segment(*node_id, *index);
                let Some(Some(known)) = self.rows.get(&row) else {
                    return Err("it goes on with a segment that is not there");
                };
                let joined = join(node_id, *index, known, more)?;
                self.rows.insert(row, Some(joined));
            }
            Op::GapsBefore(before) => {
                self.gaps_from = self.gaps_from.max(*before);
                self.rows.retain(|row, _| !matches!(row, Row::Gap(number) if number < before));
            }
            Op::Observer(record) => self.observer = Some(Arc::clone(record)),
        }
        Ok(())
    }

    fn cut(&mut self, node_id: &NodeId, below: u64) {
        if below == 0 {
            return;
        }
        let cut = self.cuts.entry(*node_id).or_default();
        *cut = below.max(*cut);
        let dead: Vec<Row> = self
            .rows
            .range(Row::log(*node_id, 0))
            .map(|(row, _)| *row)
            .take_while(|row| matches!(row, Row::Segment(_, index) if u64::from(*index) < below))
            .collect();
        for row in dead {
            self.rows.remove(&row);
        }
    }

    /// Whether a row of the pages is still there, or was not written or deleted since.
    pub(crate) fn leaves(&self, row: &Row) -> bool {
        let deleted = match row {
            Row::Gap(number) => *number < self.gaps_from,
            Row::Peer(_) => false,
            Row::Segment(node_id, index) => {
                self.cuts.get(node_id).is_some_and(|below| u64::from(*index) < *below)
            }
        };
        !deleted && !self.rows.contains_key(row)
    }

    /// Whether it says anything of a row from `first` on and before `end`.
    pub(crate) fn touches(&self, first: Row, end: Option<Row>) -> bool {
        let within = |row: &Row| *row >= first && end.is_none_or(|end| *row < end);
        self.rows.range(first..).next().is_some_and(|(row, _)| within(row))
            || (self.gaps_from > 0 && first < Row::Gap(self.gaps_from))
            || self.cuts_into(first, end)
    }

    fn cuts_into(&self, first: Row, end: Option<Row>) -> bool {
        let from = match first {
            Row::Segment(node_id, _) => node_id,
            _ => NodeId([0; 33]),
        };
        self.cuts.range(from..).take(2).any(|(node_id, below)| {
            let last = u32::try_from(below.saturating_sub(1)).unwrap_or(u32::MAX);
            Row::Segment(*node_id, last) >= first && end.is_none_or(|end| Row::Segment(*node_id, 0) < end)
        })
    }

    /// What it says of the rows of a range, and what remains to be asked of it about others.
    pub(crate) fn part(&self, range: RangeInclusive<Row>) -> Self {
        let rows = self.rows.range(range.clone()).map(|(row, record)| (*row, record.clone())).collect();
        let cuts = match *range.start() {
            Row::Segment(node_id, _) => self.cuts.get_key_value(&node_id).map(|(id, cut)| (*id, *cut)),
            _ => None,
        };
        let cuts = cuts.into_iter().collect();
        Self { rows, cuts, gaps_from: self.gaps_from, observer: None }
    }
}

/// A segment with what was added to it.
fn join(node_id: &NodeId, index: u32, known: &[u8], more: &[u8]) -> Result<Record, Broken> {
    let decode = |bytes| decode_segment(node_id, index, bytes).map_err(|_| "a segment in it is damaged");
    let (mut segment, more) = (decode(known)?, decode(more)?);
    let length = u32::try_from(segment.entries.len()).unwrap_or(u32::MAX);
    if segment.first_number.checked_add(length) != Some(more.first_number) {
        return Err("it does not go on where a segment ends");
    }
    segment.entries.extend(more.entries);
    let mut joined = Vec::new();
    encode_segment(&segment, &mut joined).map_err(|_| "it makes a segment too long")?;
    Ok(joined.into())
}
