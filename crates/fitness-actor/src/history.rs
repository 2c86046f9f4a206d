//! Queries that reach further back than memory and read older data from the store.

use fitness_core::{
    ChannelId, Gap, GapRecord, LogSegment, NodeId, PeerHistory, PresenceInterval, SEGMENT_ENTRIES,
    StandardWindow, Timestamp, Tracker, WindowStats,
};
use fitness_store::StoreError;

use crate::Handle;

/// The number of log segments in the first step back from the newest one. Each further step doubles it, so
/// that a day reads little, and a hole in the log or a year needs few steps.
const FIRST_STEP: u32 = 8;

/// The number of log segments to read at once.
const SEGMENTS_PER_READ: u32 = 256;

/// The number of monitoring gaps to read at once.
const GAPS_PER_READ: u32 = 1_024;

/// # Queries on the stored history
///
/// These methods are `async` because they read the part of the history that is not in memory from the store.
/// They include everything that is recorded until they return.
///
/// They return the error of the store if it cannot be read. After the service has stopped, the store can be
/// read only while the caller keeps it open.
impl Handle {
    /// Returns the whole history of a peer, tracked or not: a value that computes windows, the timeline,
    /// buckets for charts and outages without the service. `None` if the peer is not known. O(n) in the
    /// peer's log.
    ///
    /// The history is exact except where the rate limit of the log or downsampling has dropped details.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn history(&self, node_id: &NodeId) -> Result<Option<PeerHistory>, StoreError> {
        self.query_with_stored_log(node_id, Timestamp::EPOCH, |tracker, now, older| {
            tracker.history(now, node_id, older)
        })
        .await
    }

    /// Returns the history of a peer from `from` on; `None` if the peer is not known. Like
    /// [`Handle::history`], but reads only as much from the store as needed.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn history_since(
        &self,
        node_id: &NodeId,
        from: Timestamp,
    ) -> Result<Option<PeerHistory>, StoreError> {
        let query = |tracker: &Tracker, now, older: &[LogSegment]| {
            Some(tracker.history(now, node_id, older)?.starting_at(from))
        };
        self.query_with_stored_log(node_id, from, query).await
    }

    /// Returns the history of a channel's peer since the channel was opened, for the channel's windows,
    /// timeline and outages. `None` if the channel is not open.
    ///
    /// Over the channel's lifetime, the history agrees with [`Handle::channel`].
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn channel_history(&self, channel_id: &ChannelId) -> Result<Option<PeerHistory>, StoreError> {
        self.channel_history_since(channel_id, Timestamp::EPOCH).await
    }

    async fn channel_history_since(
        &self,
        channel_id: &ChannelId,
        from: Timestamp,
    ) -> Result<Option<PeerHistory>, StoreError> {
        let Some(channel) = self.channel(channel_id) else { return Ok(None) };
        let query =
            |tracker: &Tracker, now, older: &[LogSegment]| tracker.channel_history(now, channel_id, older);
        self.query_with_stored_log(&channel.node_id, from.max(channel.opened_at), query).await
    }

    /// Returns the statistics of a peer over a standard window; `None` if the peer is not known.
    ///
    /// For other windows, or for several windows of one peer, use [`Handle::history`].
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn peer_stats(
        &self,
        node_id: &NodeId,
        window: StandardWindow,
    ) -> Result<Option<WindowStats>, StoreError> {
        let history = self.history_since(node_id, window.start(self.now())).await?;
        Ok(history.map(|history| history.stats_over(window)))
    }

    /// Returns the statistics of a channel over a standard window, cut to the channel's lifetime; `None` if
    /// the channel is not open.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn channel_stats(
        &self,
        channel_id: &ChannelId,
        window: StandardWindow,
    ) -> Result<Option<WindowStats>, StoreError> {
        let history = self.channel_history_since(channel_id, window.start(self.now())).await?;
        Ok(history.map(|history| history.stats_over(window)))
    }

    /// Returns the presence of a peer within `[from, to)`, with the causes of unobserved intervals; `None` if
    /// the peer is not known. See [`PeerHistory::timeline_with_gaps`].
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn timeline(
        &self,
        node_id: &NodeId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Vec<PresenceInterval>>, StoreError> {
        let older_gaps = self.stored_gaps(from).await?;
        let query = |tracker: &Tracker, now, older: &[LogSegment]| {
            let gaps = tracker.gaps(now, &older_gaps, from, to);
            Some(tracker.history(now, node_id, older)?.timeline_with_gaps(from, to, &gaps))
        };
        self.query_with_stored_log(node_id, from, query).await
    }

    /// Returns the monitoring gaps that overlap `[from, to)`, oldest first, including one that has not ended.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn gaps(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Gap>, StoreError> {
        loop {
            let first_in_memory = self.query(|tracker, _| tracker.first_gap_number());
            let older = self.stored_gaps(from).await?;
            let (first_now, gaps) =
                self.query(|tracker, now| (tracker.first_gap_number(), tracker.gaps(now, &older, from, to)));
            if first_now <= first_in_memory {
                return Ok(gaps);
            }
        }
    }

    /// Runs a query on a peer from `from` on, with the log segments that are not in memory.
    async fn query_with_stored_log<T>(
        &self,
        node_id: &NodeId,
        from: Timestamp,
        query: impl Fn(&Tracker, Timestamp, &[LogSegment]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let in_memory = self.query(|tracker, _| {
                let log = tracker.event_log(node_id)?;
                let oldest = log.committed().first().map(|entry| tracker.to_wall_clock(entry.at_ns()));
                Some((log.first_number(), oldest))
            });
            let Some((first_in_memory, oldest)) = in_memory else { return Ok(None) };
            let older = if oldest.is_some_and(|oldest| oldest < from) {
                Vec::new()
            } else {
                self.stored_segments(node_id, from, first_in_memory).await?
            };
            let (first_now, result) = self.query(|tracker, now| {
                (tracker.event_log(node_id).map(|log| log.first_number()), query(tracker, now, &older))
            });
            // Retry if entries have left memory during the read: they are in the store now, or will be soon.
            if first_now.is_none_or(|first_now| first_now <= first_in_memory) {
                return Ok(result);
            }
        }
    }

    /// Reads the stored segments of a peer with entries before number `end`, back to a segment that begins
    /// before `from`, so that the presence at `from` is known.
    async fn stored_segments(
        &self,
        node_id: &NodeId,
        from: Timestamp,
        end: u32,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let mut segments = Vec::new();
        let (mut end, mut step) = (end.div_ceil(SEGMENT_ENTRIES), FIRST_STEP);
        while end > 0 {
            let mut index = end.saturating_sub(step);
            let (start, read_before) = (index, segments.len());
            while index < end {
                let limit = SEGMENTS_PER_READ.min(end - index) as usize;
                let page = self.store()?.segments(&self.shared.observer, node_id, index, limit).await?;
                let is_last = page.len() < limit;
                let Some(last) = page.last() else { break };
                index = last.index().saturating_add(1);
                segments.extend(page.into_iter().filter(|segment| segment.index() < end));
                if is_last {
                    break;
                }
            }
            let oldest = segments.get(read_before).and_then(|segment: &LogSegment| segment.entries.first());
            if let Some(oldest) = oldest {
                if self.query(|tracker, _| tracker.to_wall_clock(oldest.at_ns())) < from {
                    break;
                }
            }
            (end, step) = (start, step.saturating_mul(2));
        }
        Ok(segments)
    }

    /// Reads the monitoring gaps that are not in memory, back to one that ended before `from`.
    async fn stored_gaps(&self, from: Timestamp) -> Result<Vec<GapRecord>, StoreError> {
        let (mut end, oldest_end) = self.query(|tracker, now| {
            let first = tracker.first_gap_number();
            let in_memory = (first > 0).then(|| tracker.gaps(now, &[], Timestamp::EPOCH, Timestamp::MAX));
            (first, in_memory.and_then(|gaps| Some(gaps.first()?.to)))
        });
        let mut gaps = Vec::new();
        if oldest_end.is_some_and(|oldest_end| oldest_end <= from) {
            return Ok(gaps);
        }
        while end > 0 {
            let start = end.saturating_sub(GAPS_PER_READ);
            let mut page = self.store()?.gaps(&self.shared.observer, start, GAPS_PER_READ as usize).await?;
            page.retain(|gap| gap.number < end);
            let oldest_end =
                page.first().map(|gap| self.query(|tracker, _| tracker.to_wall_clock(gap.to_ns)));
            page.append(&mut gaps);
            gaps = page;
            // Maintenance prunes the oldest gaps. An empty page means that there are no older ones.
            if oldest_end.is_none_or(|oldest_end| oldest_end <= from) {
                break;
            }
            end = start;
        }
        Ok(gaps)
    }
}
