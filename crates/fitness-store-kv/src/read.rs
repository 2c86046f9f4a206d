//! Reads a range of rows from the journal and the pages.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fitness_store::StoreError;

use crate::manifest::PageRef;
use crate::page::{self, PAGE_BYTES};
use crate::row::{Overlay, Record, Row};
use crate::state::{Claim, Inner, MAX_CONCURRENT_REQUESTS};

/// Why a read failed.
enum ReadFailure {
    /// A page is missing because the manifest has changed.
    Outdated,
    Failed(StoreError),
}

/// Returns the first `limit` rows of a range, as of a complete batch.
///
/// Returns `Corrupt` if a page is missing. If another process has folded the journal, loading again may help.
pub(crate) async fn rows(
    inner: &Inner,
    range: RangeInclusive<Row>,
    limit: usize,
) -> Result<Vec<(Row, Record)>, StoreError> {
    loop {
        match try_rows(inner, range.clone(), limit).await {
            Ok(rows) => return Ok(rows),
            // The journal was folded meanwhile, which is rare.
            Err(ReadFailure::Outdated) => {}
            Err(ReadFailure::Failed(error)) => return Err(error),
        }
    }
}

async fn try_rows(
    inner: &Inner,
    range: RangeInclusive<Row>,
    limit: usize,
) -> Result<Vec<(Row, Record)>, ReadFailure> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let (overlay, manifest, generation) = {
        let state = inner.state();
        (state.overlay.part(range.clone()), Arc::clone(&state.manifest), state.generation)
    };
    let mut merged = BTreeMap::new();
    let mut pages = manifest.covering(&range);
    let (mut read, mut batch_size) = (0, expected_pages(range.start(), limit));
    loop {
        let found = found(&merged, &overlay, pages.first());
        if pages.is_empty() || found >= limit {
            break;
        }
        if read > 0 {
            // Estimated from the number of rows in the pages so far.
            batch_size =
                (limit - found).saturating_mul(read).div_ceil(found.max(1)).clamp(1, MAX_CONCURRENT_REQUESTS);
        }
        let (some, rest) = pages.split_at(batch_size.min(pages.len()));
        let keys: Vec<String> = some.iter().map(|page| page.id.key()).collect();
        let values = inner.values.get_all(&keys).await.map_err(ReadFailure::Failed)?;
        for (key, value) in keys.iter().zip(values) {
            let value = value.ok_or_else(|| missing(inner, key, generation))?;
            let rows = page::decode(&inner.values, key, &value).map_err(ReadFailure::Failed)?;
            merged.extend(rows.into_iter().filter(|(row, _)| range.contains(row) && overlay.leaves(row)));
        }
        (pages, read) = (rest, read + some.len());
    }
    // Rows of unread pages come after all of these.
    let end = pages.first().map(|page| page.first);
    let written = overlay.rows.into_iter().take_while(|(row, _)| end.is_none_or(|end| *row < end));
    merged.extend(written.filter_map(|(row, record)| Some((row, record?))));
    Ok(merged.into_iter().take(limit).collect())
}

/// Returns the number of rows before the next page.
fn found(merged: &BTreeMap<Row, Record>, overlay: &Overlay, next: Option<&PageRef>) -> usize {
    let end = next.map(|page| page.first);
    let before = overlay.rows.iter().take_while(|(row, _)| end.is_none_or(|end| **row < end));
    merged.len() + before.filter(|(_, record)| record.is_some()).count()
}

/// Estimates the number of pages with so many rows; one for most reads.
fn expected_pages(first: &Row, limit: usize) -> usize {
    let typical_bytes = match first {
        Row::Gap(_) => 64,
        Row::Peer(_) => 224,
        Row::Segment(..) => 1_024,
    };
    let pages = limit.saturating_mul(typical_bytes).div_ceil(PAGE_BYTES);
    // If there are several, the first one also has other rows.
    (pages + usize::from(pages > 1)).clamp(1, MAX_CONCURRENT_REQUESTS)
}

fn missing(inner: &Inner, key: &str, generation: u64) -> ReadFailure {
    let state = inner.state();
    if state.generation != generation {
        return ReadFailure::Outdated;
    }
    ReadFailure::Failed(match state.claim {
        Claim::Lost => inner.values.locked(),
        Claim::None | Claim::Ours => inner.values.corrupt(key, "the value is missing"),
    })
}
