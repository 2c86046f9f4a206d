//! Bringing the pages up to date, so that the journal can begin anew.
//!
//! Pages are never changed: those that rows were written to are written anew, under new keys, and
//! then one manifest takes the place of the other. Until that is written, nothing has happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fitness_store::StoreError;

use crate::entry::Op;
use crate::manifest::{Manifest, PageRef};
use crate::names::{PageId, Session};
use crate::page::{self, PAGE_BYTES, row_bytes};
use crate::row::{Overlay, Record, Row};
use crate::state::{AT_ONCE, Inner};

/// Stores the journal's rows and what `ops` do, all in pages.
pub(crate) async fn fold(inner: &Inner, ops: &[Op]) -> Result<(), StoreError> {
    let (session, old, mut overlay, next, begun) = {
        let state = inner.state();
        // A page number is never used twice: a manifest that failed may have landed.
        let begun = state.found.manifest.as_ref().is_some_and(|(session, _)| *session == state.session);
        (state.session, Arc::clone(&state.manifest), state.overlay.clone(), state.next, begun)
    };
    let key = session.manifest();
    for op in ops {
        overlay.apply(op).map_err(|reason| StoreError::Invalid { item: inner.values.name(&key), reason })?;
    }
    let mut pages = Pages {
        inner,
        session,
        done: Vec::new(),
        ahead: Ahead::default(),
        unwritten: Vec::new(),
        rows: Vec::new(),
        bytes: 0,
    };
    pages.rewrite(&old, &overlay).await?;
    let ring = Manifest::ring_for(pages.done.len()).max(if begun { old.ring } else { 0 });
    let manifest = Manifest {
        // An entry that failed may have landed, and must not count any more. The first slot comes next,
        // so that what a journal leaves behind takes no more room than a journal.
        start: (next / ring + 1) * ring,
        ring,
        observer: overlay.observer.or_else(|| old.observer.clone()),
        pages: pages.done,
    };
    let value = manifest.encode(&inner.values, &key)?;
    inner.state().must_fold = true;
    inner.values.put("write the manifest", &key, value).await?;
    inner.still_ours().await?;
    take_over(inner, manifest, &old);
    sweep(inner).await;
    Ok(())
}

/// The new manifest counts from here on.
fn take_over(inner: &Inner, manifest: Manifest, old: &Manifest) {
    let used: BTreeSet<PageId> = manifest.pages.iter().map(|page| page.id).collect();
    let mut state = inner.state();
    let dropped = old.pages.iter().map(|page| page.id).filter(|id| !used.contains(id));
    state.litter.extend(dropped.map(PageId::key));
    for id in used {
        state.litter.remove(&id.key());
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

/// Removes what nobody needs any more. What cannot be removed is tried again after the next fold.
async fn sweep(inner: &Inner) {
    let (session, swept, manifest) = {
        let state = inner.state();
        (state.session, state.swept, Arc::clone(&state.manifest))
    };
    if !swept {
        match inner.values.list().await {
            Ok(keys) => {
                let used: BTreeSet<String> = manifest.pages.iter().map(|page| page.id.key()).collect();
                // Those of our own session are known, and those of a later one are not ours to touch.
                let old = |key: &String| Session::epoch_of(key).is_some_and(|epoch| epoch < session.epoch);
                let litter = keys.into_iter().filter(|key| old(key) && !used.contains(key));
                let mut state = inner.state();
                state.litter.extend(litter);
                state.swept = true;
            }
            Err(error) => tracing::warn!(%error, "cannot look for what earlier sessions left"),
        }
    }
    let litter: Vec<String> = std::mem::take(&mut inner.state().litter).into_iter().collect();
    for keys in litter.chunks(AT_ONCE) {
        let left = inner.values.remove_all(keys.to_vec()).await;
        if !left.is_empty() {
            tracing::warn!(keys = left.len(), "some old values could not be removed; they take up space");
            inner.state().litter.extend(left);
        }
    }
}

/// The pages of the manifest to come.
struct Pages<'a> {
    inner: &'a Inner,
    session: Session,
    done: Vec<PageRef>,
    ahead: Ahead,
    unwritten: Vec<(String, Vec<u8>)>,
    /// Rows that are in no page yet.
    rows: Vec<(Row, Record)>,
    bytes: usize,
}

/// Values of pages, some of which were read before they are needed.
#[derive(Default)]
struct Ahead {
    /// Those that are sure to be needed and were not read yet, in their order.
    needed: VecDeque<PageId>,
    read: BTreeMap<PageId, Option<Vec<u8>>>,
}

impl Ahead {
    async fn value(&mut self, inner: &Inner, id: PageId) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.read.remove(&id) {
            return Ok(value);
        }
        if self.needed.front() != Some(&id) {
            return inner.values.get(&id.key()).await;
        }
        let some: Vec<PageId> = self.needed.drain(..AT_ONCE.min(self.needed.len())).collect();
        let keys: Vec<String> = some.iter().map(|id| id.key()).collect();
        self.read.extend(some.into_iter().zip(inner.values.get_all(&keys).await?));
        Ok(self.read.remove(&id).flatten())
    }
}

impl Pages<'_> {
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
        self.ahead.needed = touched.map(|(_, page)| page.id).collect();
        for (index, page) in old.pages.iter().enumerate() {
            let (first, end) = bounds(index, page);
            // A small rest joins the page after it, rather than be a page of its own.
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
        let Some(value) = self.ahead.value(self.inner, id).await? else {
            self.inner.still_ours().await?;
            return Err(values.corrupt(&key, "it is missing"));
        };
        page::decode(values, &key, &value)
    }

    /// Adds the rows of a page, and what became of them.
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

    /// Makes pages of the rows, all of about the same size, until so many bytes are left.
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
            if self.unwritten.len() >= AT_ONCE {
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
            // It is, until a manifest has it.
            state.litter.insert(id.key());
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
