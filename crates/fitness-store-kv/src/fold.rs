//! Folds the journal into pages, so that a new journal can begin.
//!
//! Pages are never changed. Pages with changed rows are written again under new keys, and then a new manifest
//! replaces the old one. Nothing takes effect before the manifest is written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fitness_store::StoreError;

use crate::journal_entry::Op;
use crate::manifest::{Manifest, PageRef};
use crate::page::{self, PAGE_BYTES, row_bytes};
use crate::row::{Overlay, Record, Row};
use crate::session::{PageId, Session};
use crate::state::{Inner, MAX_CONCURRENT_REQUESTS};

/// Stores the rows of the journal and the changes of `ops` in pages.
pub(crate) async fn fold(inner: &Inner, ops: &[Op]) -> Result<(), StoreError> {
    let (session, old, mut overlay, next, has_manifest) = {
        let state = inner.state();
        // Page numbers are never reused: a failed write of a manifest may have taken effect.
        let has_manifest =
            state.found.manifest.as_ref().is_some_and(|(session, _)| *session == state.session);
        (state.session, Arc::clone(&state.manifest), state.overlay.clone(), state.next, has_manifest)
    };
    let key = session.manifest();
    for op in ops {
        overlay.apply(op).map_err(|reason| StoreError::Invalid { item: inner.values.name(&key), reason })?;
    }
    let mut pages = PageWriter {
        inner,
        session,
        done: Vec::new(),
        read_ahead: ReadAhead::default(),
        unwritten: Vec::new(),
        rows: Vec::new(),
        bytes: 0,
    };
    pages.rewrite(&old, &overlay).await?;
    let ring = Manifest::ring_for(pages.done.len()).max(if has_manifest { old.ring } else { 0 });
    let manifest = Manifest {
        // The write of an entry that failed may have taken effect, and must be ignored. The next journal starts
        // at the first slot again, so that old slots are overwritten.
        start: (next / ring + 1) * ring,
        ring,
        observer: overlay.observer.or_else(|| old.observer.clone()),
        pages: pages.done,
    };
    let value = manifest.encode(&inner.values, &key)?;
    inner.state().must_fold = true;
    inner.values.put("write the manifest", &key, value).await?;
    inner.ensure_still_claimed().await?;
    install_manifest(inner, manifest, &old);
    collect_garbage(inner).await;
    Ok(())
}

/// Makes the new manifest the current one.
fn install_manifest(inner: &Inner, manifest: Manifest, old: &Manifest) {
    let used: BTreeSet<PageId> = manifest.pages.iter().map(|page| page.id).collect();
    let mut state = inner.state();
    let dropped = old.pages.iter().map(|page| page.id).filter(|id| !used.contains(id));
    state.garbage.extend(dropped.map(PageId::key));
    for id in used {
        state.garbage.remove(&id.key());
    }
    let session = state.session;
    state.found.manifest = Some((session, Vec::new()));
    state.next = manifest.start;
    state.journal_bytes = 0;
    state.overlay = Overlay::default();
    state.must_fold = false;
    state.generation += 1;
    state.manifest = Arc::new(manifest);
}

/// Removes values that are no longer needed. Failed removals are repeated after the next fold.
async fn collect_garbage(inner: &Inner) {
    let (session, garbage_listed, manifest) = {
        let state = inner.state();
        (state.session, state.garbage_listed, Arc::clone(&state.manifest))
    };
    if !garbage_listed {
        match inner.values.list().await {
            Ok(keys) => {
                let used: BTreeSet<String> = manifest.pages.iter().map(|page| page.id.key()).collect();
                // Keys of this session are known already, and those of a later session must not be removed.
                let old = |key: &String| Session::epoch_of(key).is_some_and(|epoch| epoch < session.epoch);
                let garbage = keys.into_iter().filter(|key| old(key) && !used.contains(key));
                let mut state = inner.state();
                state.garbage.extend(garbage);
                state.garbage_listed = true;
            }
            Err(error) => tracing::warn!(%error, "cannot list values of earlier sessions"),
        }
    }
    let garbage: Vec<String> = std::mem::take(&mut inner.state().garbage).into_iter().collect();
    for keys in garbage.chunks(MAX_CONCURRENT_REQUESTS) {
        let left = inner.values.remove_all(keys.to_vec()).await;
        if !left.is_empty() {
            tracing::warn!(keys = left.len(), "old values could not be removed and use space, will retry");
            inner.state().garbage.extend(left);
        }
    }
}

/// Writes the pages of the next manifest.
struct PageWriter<'a> {
    inner: &'a Inner,
    session: Session,
    done: Vec<PageRef>,
    read_ahead: ReadAhead,
    unwritten: Vec<(String, Vec<u8>)>,
    /// Rows that are not in a page yet.
    rows: Vec<(Row, Record)>,
    bytes: usize,
}

/// Reads pages before they are needed, several at a time.
#[derive(Default)]
struct ReadAhead {
    /// Pages that will be needed and have not been read, in order.
    needed: VecDeque<PageId>,
    read: BTreeMap<PageId, Option<Vec<u8>>>,
}

impl ReadAhead {
    async fn value(&mut self, inner: &Inner, id: PageId) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.read.remove(&id) {
            return Ok(value);
        }
        if self.needed.front() != Some(&id) {
            return inner.values.get(&id.key()).await;
        }
        let some: Vec<PageId> = self.needed.drain(..MAX_CONCURRENT_REQUESTS.min(self.needed.len())).collect();
        let keys: Vec<String> = some.iter().map(|id| id.key()).collect();
        self.read.extend(some.into_iter().zip(inner.values.get_all(&keys).await?));
        Ok(self.read.remove(&id).flatten())
    }
}

impl PageWriter<'_> {
    async fn rewrite(&mut self, old: &Manifest, overlay: &Overlay) -> Result<(), StoreError> {
        if old.pages.is_empty() {
            self.merge(Vec::new(), overlay, Row::FIRST, None).await?;
        }
        let bounds = |index: usize, page: &PageRef| {
            let first = if index == 0 { Row::FIRST } else { page.first };
            (first, old.pages.get(index + 1).map(|next| next.first))
        };
        let touched = old.pages.iter().enumerate().filter(|(index, page)| {
            let (first, end) = bounds(*index, page);
            overlay.touches(first, end)
        });
        self.read_ahead.needed = touched.map(|(_, page)| page.id).collect();
        for (index, page) in old.pages.iter().enumerate() {
            let (first, end) = bounds(index, page);
            // A small remainder joins the next page instead of becoming a page of its own.
            let joins = self.bytes > 0 && self.bytes < PAGE_BYTES / 4;
            if joins || overlay.touches(first, end) {
                let rows = self.read(page.id).await?;
                self.merge(rows, overlay, first, end).await?;
            } else {
                self.close(0).await?;
                self.done.push(*page);
            }
        }
        self.close(0).await?;
        self.write().await
    }

    async fn read(&mut self, id: PageId) -> Result<Vec<(Row, Record)>, StoreError> {
        let (values, key) = (&self.inner.values, id.key());
        let Some(value) = self.read_ahead.value(self.inner, id).await? else {
            self.inner.ensure_still_claimed().await?;
            return Err(values.corrupt(&key, "the value is missing"));
        };
        page::decode(values, &key, &value)
    }

    /// Adds the rows of a page with their changes.
    async fn merge(
        &mut self,
        rows: Vec<(Row, Record)>,
        overlay: &Overlay,
        first: Row,
        end: Option<Row>,
    ) -> Result<(), StoreError> {
        let mut merged: BTreeMap<Row, Record> =
            rows.into_iter().filter(|(row, _)| overlay.leaves(row)).collect();
        let written = overlay.rows.range(first..).take_while(|(row, _)| end.is_none_or(|end| **row < end));
        merged.extend(written.filter_map(|(row, record)| Some((*row, record.clone()?))));
        for (row, record) in merged {
            self.bytes += row_bytes(&record);
            self.rows.push((row, record));
            if self.bytes >= 4 * PAGE_BYTES {
                self.close(2 * PAGE_BYTES).await?;
            }
        }
        Ok(())
    }

    /// Forms pages of about equal size from the rows until at most so many bytes are left.
    async fn close(&mut self, left: usize) -> Result<(), StoreError> {
        let bytes = self.bytes.saturating_sub(left);
        let pages = (bytes + PAGE_BYTES / 2) / PAGE_BYTES;
        let target = bytes.div_ceil(pages.max(1));
        let mut rows = std::mem::take(&mut self.rows).into_iter().peekable();
        while self.bytes > left && rows.peek().is_some() {
            let (mut some, mut size) = (Vec::new(), 0);
            while let Some((_, record)) = rows.peek() {
                if size >= target {
                    break;
                }
                size += row_bytes(record);
                some.extend(rows.next());
            }
            self.bytes = self.bytes.saturating_sub(size);
            self.add(&some, size)?;
            if self.unwritten.len() >= MAX_CONCURRENT_REQUESTS {
                self.write().await?;
            }
        }
        self.rows = rows.collect();
        Ok(())
    }

    fn add(&mut self, rows: &[(Row, Record)], size: usize) -> Result<(), StoreError> {
        let Some((first, _)) = rows.first() else { return Ok(()) };
        let id = {
            let mut state = self.inner.state();
            let id = PageId { session: self.session, number: state.next_page };
            state.next_page = state.next_page.wrapping_add(1);
            // Garbage until a manifest refers to it.
            state.garbage.insert(id.key());
            id
        };
        let key = id.key();
        let value = page::encode(&self.inner.values, &key, rows)?;
        self.unwritten.push((key, value));
        self.done.push(PageRef { id, first: *first, bytes: u32::try_from(size).unwrap_or(u32::MAX) });
        Ok(())
    }

    async fn write(&mut self) -> Result<(), StoreError> {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.inner.values.put_all(unwritten).await
    }
}
