//! Stores a batch with one write.

use std::collections::HashSet;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::{Batch, StoreError};

use crate::fold::fold;
use crate::journal_entry;
use crate::read;
use crate::row::Row;
use crate::state::{Inner, State};

/// The bounds of the size at which a journal is folded.
const JOURNAL_BYTES: (u64, u64) = (64 * 1024, 8 * 1024 * 1024);

/// Stores the whole batch or nothing of it. Only the caller that has the turn may call this.
pub(crate) async fn commit(inner: Arc<Inner>, batch: Arc<Batch>) -> Result<(), StoreError> {
    inner.ensure_loaded().await?;
    inner.claim().await?;
    let stored = stored_peers(&inner, &batch).await?;
    let (ops, entry) = {
        let state = inner.state();
        let ops = journal_entry::ops(&inner.values.observer, &batch, &stored, &state.overlay)?;
        let key = state.session.slot(state.next % state.manifest.ring);
        let value = journal_entry::encode(&inner.values, &key, state.next, &ops)?;
        let fits = has_room(&state, value.len());
        (ops, fits.then_some((key, value)))
    };
    let Some((key, value)) = entry else { return fold(&inner, &ops).await };
    let bytes = value.len();
    // If this fails, the next entry overwrites it.
    inner.values.put("write a journal entry", &key, value).await?;
    inner.ensure_still_claimed().await?;
    let mut state = inner.state();
    for op in &ops {
        state.overlay.apply(op).map_err(|reason| inner.values.corrupt(&key, reason))?;
    }
    state.next += 1;
    state.journal_bytes += bytes;
    Ok(())
}

/// Whether the journal has room for an entry of so many bytes.
fn has_room(state: &State, bytes: usize) -> bool {
    let (min, max) = JOURNAL_BYTES;
    let limit = (state.manifest.bytes() / 8).clamp(min, max);
    let bytes = u64::try_from(state.journal_bytes + bytes).unwrap_or(u64::MAX);
    !state.must_fold && bytes <= limit && state.next - state.manifest.start < state.manifest.ring
}

/// Returns the peers with log replacements that have a record after this batch.
async fn stored_peers(inner: &Inner, batch: &Batch) -> Result<HashSet<NodeId>, StoreError> {
    let mut stored = HashSet::new();
    if batch.replacements.is_empty() {
        return Ok(stored);
    }
    let written: HashSet<NodeId> = batch.changes.peers.iter().map(|peer| peer.node_id).collect();
    let forgotten: HashSet<NodeId> = batch.changes.forgotten_peers.iter().copied().collect();
    for node_id in batch.replacements.iter().map(|replacement| replacement.node_id) {
        if written.contains(&node_id) {
            stored.insert(node_id);
        } else if !forgotten.contains(&node_id) && !stored.contains(&node_id) {
            let row = Row::Peer(node_id);
            if !read::rows(inner, row..=row, 1).await?.is_empty() {
                stored.insert(node_id);
            }
        }
    }
    Ok(stored)
}
