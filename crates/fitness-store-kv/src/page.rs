//! A page: adjacent rows in one value that is never changed.

use fitness_store::StoreError;

use crate::envelope::{self, push_bytes, push_row};
use crate::keys::Values;
use crate::row::{Record, Row};

/// The target size of a page: about 150 peers.
pub(crate) const PAGE_BYTES: usize = 32 * 1024;

/// The maximum size of a row's key and length.
const ROW_BYTES: usize = 1 + 33 + 4 + 4;

/// Returns the size of a row in a page.
pub(crate) fn row_bytes(record: &Record) -> usize {
    ROW_BYTES + record.len()
}

pub(crate) fn encode(values: &Values, key: &str, rows: &[(Row, Record)]) -> Result<Vec<u8>, StoreError> {
    let mut written = Ok(());
    let value = envelope::seal(values, key, |out| {
        written = rows.iter().try_for_each(|(row, record)| {
            push_row(out, row);
            push_bytes(out, record)
        });
    });
    written.map(|()| value).map_err(|reason| StoreError::Invalid { item: values.name(key), reason })
}

pub(crate) fn decode(values: &Values, key: &str, value: &[u8]) -> Result<Vec<(Row, Record)>, StoreError> {
    envelope::open(values, key, value, |body| {
        let mut rows: Vec<(Row, Record)> = Vec::new();
        while !body.is_empty() {
            let row = (body.row()?, Record::from(body.bytes()?));
            if rows.last().is_some_and(|last| last.0 >= row.0) {
                return Err("the rows are not in order");
            }
            rows.push(row);
        }
        Ok(rows)
    })
}
