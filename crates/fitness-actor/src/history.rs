//! Questions that reach back further than memory: the older part of their answers is in the store.

use fitness_core::{
    ChannelId, Gap, GapRecord, LogSegment, NodeId, PeerHistory, PresenceInterval, SEGMENT_ENTRIES,
    StandardWindow, Timestamp, Tracker, WindowStats,
};
use fitness_store::StoreError;

use crate::Handle;

/// How many segments are looked for first, back from the newest; then twice as many, and so on, so
/// that little is read for a day, and a hole or a year takes few goes.
const FIRST_STEP: u32 = 8;

/// How many segments are read at a time.
const PAGE: u32 = 256;

/// How many gaps are read at a time.
const GAPS: u32 = 1_024;

/// What is `async` here reads from the store what is not in memory. Where that fails, the error is
/// what the store says; after the service has stopped, the store cannot be asked unless its owner
/// keeps it open.
///
/// What is recorded while the store is read is seen, too: an answer is of the moment at which it is
/// returned.
impl Handle {
    /// A peer's whole history, as a value that goes on answering by itself: windows, the timeline,
    /// buckets for drawing, outages; `None` where the peer is not known. Exact wherever the log's rate
    /// limit and its thinning dropped nothing.
    ///
    /// For a peer that was let go, too. O(n) in what was logged of it.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn history(&self, node_id: &NodeId) -> Result<Option<PeerHistory>, StoreError> {
        self.reach_back(node_id, Timestamp::EPOCH, |tracker, now, older| tracker.history(now, node_id, older))
            .await
    }

    /// A peer's history from `from` on: as [`Handle::history`], but no more of the store is read than
    /// that takes, and the history is cut there. `None` where the peer is not known.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn history_since(
        &self,
        node_id: &NodeId,
        from: Timestamp,
    ) -> Result<Option<PeerHistory>, StoreError> {
        let answer = |tracker: &Tracker, now, older: &[LogSegment]| {
            Some(tracker.history(now, node_id, older)?.starting_at(from))
        };
        self.reach_back(node_id, from, answer).await
    }

    /// What the peer of a channel has been through since that opened: the history that the channel's
    /// windows, timeline and outages are in. `None` where the channel is not open.
    ///
    /// Over the lifetime it says what [`Handle::channel`] says.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn channel_history(&self, channel_id: &ChannelId) -> Result<Option<PeerHistory>, StoreError> {
        self.channel_history_since(channel_id, Timestamp::EPOCH).await
    }

    async fn channel_history_since(
        &self,
        channel_id: &ChannelId,
        from: Timestamp,
    ) -> Result<Option<PeerHistory>, StoreError> {
        let Some(channel) = self.channel(channel_id) else { return Ok(None) };
        let answer =
            |tracker: &Tracker, now, older: &[LogSegment]| tracker.channel_history(now, channel_id, older);
        self.reach_back(&channel.node_id, from.max(channel.opened_at), answer).await
    }

    /// All there is to say of a peer over one of the usual windows; `None` where it is not known.
    ///
    /// For other windows, and for several of one peer, ask its [`Handle::history`].
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn peer_stats(
        &self,
        node_id: &NodeId,
        span: StandardWindow,
    ) -> Result<Option<WindowStats>, StoreError> {
        let history = self.history_since(node_id, span.start(self.now())).await?;
        Ok(history.map(|history| history.stats_over(span)))
    }

    /// All there is to say of a channel over one of the usual windows, cut to its lifetime; `None` where
    /// it is not open.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn channel_stats(
        &self,
        channel_id: &ChannelId,
        span: StandardWindow,
    ) -> Result<Option<WindowStats>, StoreError> {
        let history = self.channel_history_since(channel_id, span.start(self.now())).await?;
        Ok(history.map(|history| history.stats_over(span)))
    }

    /// What a peer was when within `[from, to)`, and where we could not tell, why; `None` where the
    /// peer is not known. See [`PeerHistory::timeline_with_gaps`].
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn timeline(
        &self,
        node_id: &NodeId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Vec<PresenceInterval>>, StoreError> {
        let older_gaps = self.older_gaps(from).await?;
        let answer = |tracker: &Tracker, now, older: &[LogSegment]| {
            let gaps = tracker.gaps(now, &older_gaps, from, to);
            Some(tracker.history(now, node_id, older)?.timeline_with_gaps(from, to, &gaps))
        };
        self.reach_back(node_id, from, answer).await
    }

    /// Our own gaps that touch `[from, to)`, when and why we could not tell, oldest first, the one
    /// that lasts included.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked.
    pub async fn gaps(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Gap>, StoreError> {
        loop {
            let held_from = self.ask(|tracker, _| tracker.first_gap_number());
            let older = self.older_gaps(from).await?;
            let (now_from, gaps) =
                self.ask(|tracker, now| (tracker.first_gap_number(), tracker.gaps(now, &older, from, to)));
            if now_from <= held_from {
                return Ok(gaps);
            }
        }
    }

    /// Asks about a peer from `from` on, with the part of its log that is not in memory.
    async fn reach_back<T>(
        &self,
        node_id: &NodeId,
        from: Timestamp,
        answer: impl Fn(&Tracker, Timestamp, &[LogSegment]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let held = self.ask(|tracker, _| {
                let log = tracker.event_log(node_id)?;
                let oldest = log.committed().first().map(|entry| tracker.to_wall_clock(entry.at_ns()));
                Some((log.first_number(), oldest))
            });
            let Some((held_from, oldest)) = held else { return Ok(None) };
            let older = if oldest.is_some_and(|oldest| oldest < from) {
                Vec::new()
            } else {
                self.older_segments(node_id, from, held_from).await?
            };
            let (now_from, answer) = self.ask(|tracker, now| {
                (tracker.event_log(node_id).map(|log| log.first_number()), answer(tracker, now, &older))
            });
            // What left memory while we were reading is in the store by now, or soon.
            if now_from.is_none_or(|now_from| now_from <= held_from) {
                return Ok(answer);
            }
        }
    }

    /// Stored segments of a peer with entries before number `end`: back to one that begins before
    /// `from`, so that what was at `from` is known.
    async fn older_segments(
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
                let limit = PAGE.min(end - index) as usize;
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
                if self.ask(|tracker, _| tracker.to_wall_clock(oldest.at_ns())) < from {
                    break;
                }
            }
            (end, step) = (start, step.saturating_mul(2));
        }
        Ok(segments)
    }

    /// Our gaps that are in the store alone, back to one that ended before `from`.
    async fn older_gaps(&self, from: Timestamp) -> Result<Vec<GapRecord>, StoreError> {
        let (mut end, oldest) = self.ask(|tracker, now| {
            let first = tracker.first_gap_number();
            let held = (first > 0).then(|| tracker.gaps(now, &[], Timestamp::EPOCH, Timestamp::MAX));
            (first, held.and_then(|gaps| Some(gaps.first()?.to)))
        });
        let mut gaps = Vec::new();
        if oldest.is_some_and(|oldest| oldest <= from) {
            return Ok(gaps);
        }
        while end > 0 {
            let start = end.saturating_sub(GAPS);
            let mut page = self.store()?.gaps(&self.shared.observer, start, GAPS as usize).await?;
            page.retain(|gap| gap.number < end);
            let oldest = page.first().map(|gap| self.ask(|tracker, _| tracker.to_wall_clock(gap.to_ns)));
            page.append(&mut gaps);
            gaps = page;
            // The oldest ones are deleted after a time: where there are none, there are none before.
            if oldest.is_none_or(|oldest| oldest <= from) {
                break;
            }
            end = start;
        }
        Ok(gaps)
    }
}
