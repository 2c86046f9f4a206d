//! Stores that continue reading at the wrong place, or read in the wrong order.

use fitness_core::{LogSegment, NodeId, PeerRecord};
use fitness_store::{MemoryStore, Store, StoreError};

use super::{Fault, assert_fails, case, passes};

/// Starts a page at the given peer instead of after it.
#[derive(Default)]
struct PagesOverlap;
#[async_trait::async_trait]
impl Fault for PagesOverlap {
    async fn peers(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let mut page = store.peers(observer, after, limit).await?;
        if let Some(after) = after {
            page.splice(0..0, store.peer(observer, after).await?);
            page.truncate(limit);
        }
        Ok(page)
    }
}

#[test]
fn overlapping_pages_are_detected() {
    // Reading in pages of one peer would never end, so the whole suite cannot run.
    assert!(!passes::<PagesOverlap>(&case("short_page_is_the_last_page")));
}

/// Sorts segments by their index as text.
#[derive(Default)]
struct SortsSegmentsAsText;
impl Fault for SortsSegmentsAsText {
    fn segments(&self, mut segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments.sort_by_key(|segment| segment.index().to_string());
        segments
    }
}

#[test]
fn segments_sorted_as_text_are_detected() {
    assert_fails::<SortsSegmentsAsText>(&["segments_are_ordered_by_index"]);
}
