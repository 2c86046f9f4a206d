//! Rows that are neighbours, in one value that is never changed.

use fitness_store::StoreError;

use crate::frame::{self, push_bytes, push_row};
use crate::keys::Values;
use crate::row::{Record, Row};

/// The size that a page is made with; some 150 peers.
pub(crate) const PAGE_BYTES: usize = 32 * 1024;

/// What a row's name and length take at most.
const ROW_BYTES: usize = 1 + 33 + 4 + 4;

/// What a row takes of a page.
pub(crate) fn row_bytes(record: &Record) -> usize {
    ROW_BYTES + record.len()
}

pub(crate) fn encode(values: &Values, key: &str, rows: &[(Row, Record)]) -> Result<Vec<u8>, StoreError> {
    let mut written = Ok(());
    let value = frame::seal(values, key, |out| {
        written = rows.iter().try_for_each(|(row, record)| {
            push_row(out, row);
            push_bytes(out, record)
        });
    });
    written.map(|()| value).map_err(|reason| StoreError::Invalid { item: values.name(key), reason })
}

pub(crate) fn decode(values: &Values, key: &str, value: &[u8]) -> Result<Vec<(Row, Record)>, StoreError> {
    frame::open(values, key, value, |body| {
        let mut rows: Vec<(Row, Record)> = Vec::new();
        while !body.is_empty() {
            let row = (body.row()?, Record::from(body.bytes()?));
            if rows.last().is_some_and(|last| last.0 >= row.0) {
                return Err("its rows are not in order");
            }
            rows.push(row);
        }
        Ok(rows)
    })
}
