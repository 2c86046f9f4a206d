//! Rows of a range, from the journal and the pages.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fitness_store::StoreError;

use crate::manifest::PageRef;
use crate::page;
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
    // One page does for most questions.
    let mut at_once = 1;
    while !pages.is_empty() && !enough(&merged, &overlay, pages.first(), limit) {
        let (some, rest) = pages.split_at(at_once.min(pages.len()));
        let keys: Vec<String> = some.iter().map(|page| page.id.key()).collect();
        let read = inner.values.get_all(&keys).await.map_err(Miss::Failed)?;
        for (key, value) in keys.iter().zip(read) {
            let value = value.ok_or_else(|| missing(inner, key, generation))?;
            let rows = page::decode(&inner.values, key, &value).map_err(Miss::Failed)?;
            merged.extend(rows.into_iter().filter(|(row, _)| range.contains(row) && overlay.leaves(row)));
        }
        (pages, at_once) = (rest, AT_ONCE);
    }
    // Rows of pages that were not read come after all of these.
    let end = pages.first().map(|page| page.first);
    let written = overlay.rows.into_iter().take_while(|(row, _)| end.is_none_or(|end| *row < end));
    merged.extend(written.filter_map(|(row, record)| Some((row, record?))));
    Ok(merged.into_iter().take(limit).collect())
}

/// Whether there are as many rows before the next page as were asked for.
fn enough(merged: &BTreeMap<Row, Record>, overlay: &Overlay, next: Option<&PageRef>, limit: usize) -> bool {
    let end = next.map(|page| page.first);
    let before = overlay.rows.iter().take_while(|(row, _)| end.is_none_or(|end| **row < end));
    let written = before.filter(|(_, record)| record.is_some()).count();
    merged.len() + written >= limit
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
