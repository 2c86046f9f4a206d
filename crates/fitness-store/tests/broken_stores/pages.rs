//! Stores that read on from the wrong place, or in the wrong order.

use fitness_core::{LogSegment, NodeId, PeerRecord};
use fitness_store::{MemoryStore, Store, StoreError};

use super::{Fault, assert_fails, case, passes};

/// A page starts with the peer that it is to start after.
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
fn pages_that_overlap_are_noticed() {
    // Pages of one would repeat the first peer for ever, so the whole suite cannot be run.
    assert!(!passes::<PagesOverlap>(&case("a_short_page_is_the_last")));
}

/// Segments are sorted as text is.
#[derive(Default)]
struct SortsAsText;
impl Fault for SortsAsText {
    fn segments(&self, mut segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments.sort_by_key(|segment| segment.index().to_string());
        segments
    }
}

#[test]
fn numbers_sorted_as_text_are_noticed() {
    assert_fails::<SortsAsText>(&["order_is_that_of_the_numbers"]);
}
