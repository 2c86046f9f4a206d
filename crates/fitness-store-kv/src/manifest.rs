//! The root, which names the current session, and the manifest, which lists the stored data.

use std::ops::RangeInclusive;

use fitness_store::StoreError;

use crate::envelope::{self, InvalidReason, push_bytes, push_row, push_session};
use crate::keys::{ROOTS, Values};
use crate::row::{Record, Row};
use crate::session::{PageId, Session};

/// The only value that sessions overwrite for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// The session that may write.
    pub(crate) session: Session,
    /// The session whose manifest is used until the current session has written its own.
    pub(crate) parent: Option<Session>,
}

impl Root {
    pub(crate) fn encode(&self, values: &Values) -> Vec<u8> {
        envelope::seal(values, ROOTS, |out| {
            push_session(out, self.session);
            out.push(u8::from(self.parent.is_some()));
            if let Some(parent) = self.parent {
                push_session(out, parent);
            }
        })
    }

    pub(crate) fn decode(values: &Values, value: &[u8]) -> Result<Self, StoreError> {
        envelope::open(values, ROOTS, value, |body| {
            let session = body.session()?;
            let parent = if body.flag()? { Some(body.session()?) } else { None };
            Ok(Self { session, parent })
        })
    }
}

/// Everything that is stored, except the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The number of the first journal entry that is not in the pages.
    pub(crate) start: u64,
    /// The number of journal slots: entry `n` is in slot `n % ring`.
    pub(crate) ring: u64,
    pub(crate) observer: Option<Record>,
    /// In the order of their rows.
    pub(crate) pages: Vec<PageRef>,
}

/// A page and its first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRef {
    pub(crate) id: PageId,
    pub(crate) first: Row,
    /// The size of its rows.
    pub(crate) bytes: u32,
}

impl Manifest {
    /// The bounds of the number of journal slots.
    const RING: RangeInclusive<u64> = 32..=1_024;

    pub(crate) fn empty() -> Self {
        Self { start: 0, ring: *Self::RING.start(), observer: None, pages: Vec::new() }
    }

    /// Returns the number of slots for so many pages. A fold rewrites all pages at worst, so this adds at most
    /// two writes to three commits.
    pub(crate) fn ring_for(pages: usize) -> u64 {
        let slots = u64::try_from(pages.saturating_mul(3) / 2).unwrap_or(u64::MAX);
        slots.clamp(*Self::RING.start(), *Self::RING.end())
    }

    /// Returns the size of all pages.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().map(|page| u64::from(page.bytes)).sum()
    }

    /// Returns the pages that may contain rows of a range.
    pub(crate) fn covering(&self, range: &RangeInclusive<Row>) -> &[PageRef] {
        let from = self.pages.partition_point(|page| page.first <= *range.start()).saturating_sub(1);
        let end = self.pages.partition_point(|page| page.first <= *range.end());
        self.pages.get(from..end).unwrap_or_default()
    }

    pub(crate) fn encode(&self, values: &Values, key: &str) -> Result<Vec<u8>, StoreError> {
        let mut written = Ok(());
        let value = envelope::seal(values, key, |out| written = self.push(out));
        written.map(|()| value).map_err(|reason| StoreError::Invalid { item: values.name(key), reason })
    }

    fn push(&self, out: &mut Vec<u8>) -> Result<(), InvalidReason> {
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.ring.to_le_bytes());
        out.push(u8::from(self.observer.is_some()));
        if let Some(observer) = &self.observer {
            push_bytes(out, observer)?;
        }
        for page in &self.pages {
            push_session(out, page.id.session);
            out.extend_from_slice(&page.id.number.to_le_bytes());
            push_row(out, &page.first);
            out.extend_from_slice(&page.bytes.to_le_bytes());
        }
        Ok(())
    }

    pub(crate) fn decode(values: &Values, key: &str, value: &[u8]) -> Result<Self, StoreError> {
        envelope::open(values, key, value, |body| {
            let (start, ring) = (body.u64()?, body.u64()?);
            if !Self::RING.contains(&ring) {
                return Err("invalid number of journal slots");
            }
            let observer = if body.flag()? { Some(body.bytes()?.into()) } else { None };
            let mut pages: Vec<PageRef> = Vec::new();
            while !body.is_empty() {
                let id = PageId { session: body.session()?, number: body.u32()? };
                let page = PageRef { id, first: body.row()?, bytes: body.u32()? };
                if pages.last().is_some_and(|last| last.first >= page.first) {
                    return Err("the pages are not in order");
                }
                pages.push(page);
            }
            Ok(Self { start, ring, observer, pages })
        })
    }
}
