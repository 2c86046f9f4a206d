//! Rows of a range, from the journal and the pages.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fitness_store::StoreError;

use crate::manifest::PageRef;
use crate::page::{self, PAGE_BYTES};
use crate::row::{Overlay, Record, Row};
use crate::state::{AT_ONCE, Claim, Inner};

/// Why rows were not read.
enum Miss {
    /// A page of another manifest than the present one.
    Outdated,
    Failed(StoreError),
}

/// The first `limit` rows of a range. What is there was left by whole batches.
///
/// `Corrupt` where a page is missing; where that was loaded from another process, to load anew may
/// help.
pub(crate) async fn rows(
    inner: &Inner,
    range: RangeInclusive<Row>,
    limit: usize,
) -> Result<Vec<(Row, Record)>, StoreError> {
    loop {
        match try_rows(inner, range.clone(), limit).await {
            Ok(rows) => return Ok(rows),
            // It was folded meanwhile, which does not happen often.
            Err(Miss::Outdated) => {}
            Err(Miss::Failed(error)) => return Err(error),
        }
    }
}

async fn try_rows(
    inner: &Inner,
    range: RangeInclusive<Row>,
    limit: usize,
) -> Result<Vec<(Row, Record)>, Miss> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let (overlay, manifest, generation) = {
        let state = inner.state();
        (state.overlay.part(range.clone()), Arc::clone(&state.manifest), state.generation)
    };
    let mut merged = BTreeMap::new();
    let mut pages = manifest.covering(&range);
    let (mut read, mut at_once) = (0, usual_pages(range.start(), limit));
    loop {
        let found = found(&merged, &overlay, pages.first());
        if pages.is_empty() || found >= limit {
            break;
        }
        if read > 0 {
            // As many more as the rest takes, if its pages are like those before.
            at_once = (limit - found).saturating_mul(read).div_ceil(found.max(1)).clamp(1, AT_ONCE);
        }
        let (some, rest) = pages.split_at(at_once.min(pages.len()));
        let keys: Vec<String> = some.iter().map(|page| page.id.key()).collect();
        let values = inner.values.get_all(&keys).await.map_err(Miss::Failed)?;
        for (key, value) in keys.iter().zip(values) {
            let value = value.ok_or_else(|| missing(inner, key, generation))?;
            let rows = page::decode(&inner.values, key, &value).map_err(Miss::Failed)?;
            merged.extend(rows.into_iter().filter(|(row, _)| range.contains(row) && overlay.leaves(row)));
        }
        (pages, read) = (rest, read + some.len());
    }
    // Rows of pages that were not read come after all of these.
    let end = pages.first().map(|page| page.first);
    let written = overlay.rows.into_iter().take_while(|(row, _)| end.is_none_or(|end| *row < end));
    merged.extend(written.filter_map(|(row, record)| Some((row, record?))));
    Ok(merged.into_iter().take(limit).collect())
}

/// How many rows there are before the next page.
fn found(merged: &BTreeMap<Row, Record>, overlay: &Overlay, next: Option<&PageRef>) -> usize {
    let end = next.map(|page| page.first);
    let before = overlay.rows.iter().take_while(|(row, _)| end.is_none_or(|end| **row < end));
    merged.len() + before.filter(|(_, record)| record.is_some()).count()
}

/// In how many pages so many rows stand, if they are of the usual size; one for most questions.
fn usual_pages(first: &Row, limit: usize) -> usize {
    let usual_bytes = match first {
        Row::Gap(_) => 64,
        Row::Peer(_) => 224,
        Row::Segment(..) => 1_024,
    };
    let pages = limit.saturating_mul(usual_bytes).div_ceil(PAGE_BYTES);
    // Where they are several, the first is not theirs alone.
    (pages + usize::from(pages > 1)).clamp(1, AT_ONCE)
}

fn missing(inner: &Inner, key: &str, generation: u64) -> Miss {
    let state = inner.state();
    if state.generation != generation {
        return Miss::Outdated;
    }
    Miss::Failed(match state.claim {
        Claim::Lost => inner.values.locked(),
        Claim::None | Claim::Ours => inner.values.corrupt(key, "it is missing"),
    })
}
