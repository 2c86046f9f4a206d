//! Fetches a snapshot, changed peers, strips and pages, and sends them as updates.

use std::collections::VecDeque;

use fitness_core::{NodeId, StandardWindow};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::{Feed, POLL_INTERVAL, SNAPSHOT_INTERVAL, Stop};
use crate::api::{Buckets, Gaps, Health, Interval, Peer, PeerDetail, PeerList, Timeline, Windows};
use crate::model::{FeedUpdate, HOUR_NS, PageData, ServiceStatus, Strip};
use crate::source::SourceError;

/// The number of peers per request, and the number of concurrent requests.
const PEERS_PER_REQUEST: usize = 1_000;
const CONCURRENT_REQUESTS: usize = 8;

/// The longest strip in hours, and the most strips that are remembered as fetched.
const MAX_STRIP_HOURS: u16 = 72;
const MAX_STRIPS: usize = 1_000;

/// The most intervals of a timeline that are kept. Older ones are dropped.
const MAX_INTERVALS: usize = 50_000;

impl Feed {
    pub(super) async fn fetch_snapshot(&mut self) -> Result<(), Stop> {
        let began = Instant::now();
        let mut peers: Vec<Peer> = Vec::new();
        // Later changes may not be included in the snapshot.
        self.take_changed();
        loop {
            let path = format!("peers?limit={PEERS_PER_REQUEST}&offset={}", peers.len());
            let mut page: PeerList = self.source.get(&path).await?;
            page.peers.iter_mut().for_each(|peer| peer.as_of = page.at_ns);
            let is_last = page.peers.is_empty() || peers.len() + page.peers.len() >= page.total;
            peers.append(&mut page.peers);
            if is_last {
                break;
            }
        }
        let health: Health = self.source.get("health").await?;
        let at = health.now_ns;
        let from = at.before_nanos(u64::from(MAX_STRIP_HOURS) * HOUR_NS);
        let path = format!("coverage?from_ns={}&limit=10000", from.as_nanos());
        let Gaps { gaps } = self.source.get(&path).await?;
        let ended = Instant::now();
        self.clock = (at, ended);
        (self.is_archive, self.is_running) = (health.archived, health.running);
        self.snapshot_due =
            ended + self.interval(if self.is_streaming { SNAPSHOT_INTERVAL } else { POLL_INTERVAL });
        // Limits snapshots to a fifth of the time.
        self.snapshot_not_before = ended + (ended - began) * 4;
        let service = Box::new(ServiceStatus { health, gaps });
        self.send(FeedUpdate::Snapshot { at, peers, service }).await
    }

    pub(super) async fn fetch_changed_peers(&mut self) -> Result<(), Stop> {
        let changed = self.take_changed();
        let requests = changed.into_iter().map(|node_id| {
            let source = &self.source;
            async move { (node_id, source.get::<PeerDetail>(&format!("peers/{node_id}")).await) }
        });
        let mut responses = stream::iter(requests).buffer_unordered(CONCURRENT_REQUESTS);
        while let Some((node_id, response)) = responses.next().await {
            let update = match response {
                // An untracked peer still has a history but is not listed.
                Ok(detail) if detail.peer.untracked_at_ns.is_some() => {
                    FeedUpdate::Peer { at: detail.at_ns, node_id, peer: None }
                }
                Ok(detail) => {
                    FeedUpdate::Peer { at: detail.at_ns, node_id, peer: Some(Box::new(peer_from(&detail))) }
                }
                Err(error) if error.is_not_found() => {
                    FeedUpdate::Peer { at: self.now(), node_id, peer: None }
                }
                Err(error) => return Err(error.into()),
            };
            self.send(update).await?;
        }
        Ok(())
    }

    pub(super) async fn fetch_strips(&mut self, node_ids: Vec<NodeId>, hours: u16) -> Result<(), Stop> {
        let now = self.now();
        // The start of the first hour.
        let first = (now.as_nanos() / HOUR_NS).saturating_sub(u64::from(hours.saturating_sub(1))) * HOUR_NS;
        let requests = node_ids.into_iter().map(|node_id| {
            let path = format!("peers/{node_id}/buckets?width=hour&from_ns={first}&limit=1000");
            let source = &self.source;
            async move { (node_id, source.get::<Buckets>(&path).await) }
        });
        let responses: Vec<_> = stream::iter(requests).buffer_unordered(CONCURRENT_REQUESTS).collect().await;
        for (node_id, response) in responses {
            let totals = match response {
                Ok(Buckets { buckets }) => buckets,
                // A peer without history has an empty strip.
                Err(SourceError::HttpStatus { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            self.strips.insert(node_id, (hours, Instant::now()));
            self.send(FeedUpdate::Strip { node_id, strip: Strip { fetched_at: now, hours: totals } }).await?;
        }
        // The model keeps a limited number of strips, so invisible ones have to be fetched again.
        if self.strips.len() > MAX_STRIPS {
            let visible = &self.needs.borrow().strips;
            self.strips.retain(|node_id, _| visible.contains(node_id));
        }
        Ok(())
    }

    pub(super) async fn fetch_page(&mut self, node_id: NodeId, window: StandardWindow) -> Result<(), Stop> {
        let result = match self.page_data(node_id, window).await {
            Ok(data) => Ok(Box::new(data)),
            Err(SourceError::HttpStatus { detail, .. }) => Err(detail),
            Err(error) => return Err(error.into()),
        };
        self.page = Some(((node_id, window), Instant::now()));
        self.send(FeedUpdate::Page { node_id, result }).await
    }

    async fn page_data(&self, node_id: NodeId, window: StandardWindow) -> Result<PageData, SourceError> {
        let detail: PeerDetail = self.source.get(&format!("peers/{node_id}")).await?;
        let windows: Windows = self.source.get(&format!("peers/{node_id}/windows")).await?;
        let timeline = self.timeline(node_id, window).await?;
        Ok(PageData::new(peer_from(&detail), detail.channels, windows, window, detail.at_ns, timeline))
    }

    /// Returns the timeline, and whether older intervals were dropped.
    async fn timeline(
        &self,
        node_id: NodeId,
        window: StandardWindow,
    ) -> Result<(Vec<Interval>, bool), SourceError> {
        let mut kept: VecDeque<Interval> = VecDeque::new();
        let (mut start, mut is_truncated) = (format!("window={window}"), false);
        loop {
            let path = format!("peers/{node_id}/timeline?{start}&limit=10000");
            let Timeline { next_from_ns, timeline } = self.source.get(&path).await?;
            let has_more = !timeline.is_empty();
            kept.extend(timeline);
            while kept.len() > MAX_INTERVALS {
                kept.pop_front();
                is_truncated = true;
            }
            match next_from_ns {
                Some(next) if has_more => start = format!("from_ns={}", next.as_nanos()),
                _ => return Ok((kept.into(), is_truncated)),
            }
        }
    }
}

fn peer_from(detail: &PeerDetail) -> Peer {
    Peer { as_of: detail.at_ns, channel_count: detail.channels.len(), ..detail.peer.clone() }
}
