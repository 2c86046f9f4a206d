//! The questions: all there is, those that changed, strips, a page.

use std::collections::VecDeque;

use fitness_core::{NodeId, StandardWindow};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::{ALL_EVERY, Feed, POLL_EVERY, Stopped};
use crate::api::{Buckets, Gaps, Health, Interval, Peer, PeerDetail, PeerList, Timeline, Windows};
use crate::model::{HOUR_NS, Hours, News, Service, Told};
use crate::source::SourceError;

/// How many peers one answer lists, and how many questions are asked at the same time.
const PART: usize = 1_000;
const AT_A_TIME: usize = 8;

/// The longest strip, and how many are remembered.
const MOST_HOURS: u16 = 72;
const STRIPS: usize = 1_000;

/// The most stretches of a timeline that are kept, the latest.
const MOST_INTERVALS: usize = 50_000;

impl Feed {
    pub(super) async fn tell_all(&mut self) -> Result<(), Stopped> {
        let began = Instant::now();
        let mut peers: Vec<Peer> = Vec::new();
        // What changes from now on may not be in it.
        self.take_changed();
        loop {
            let path = format!("peers?limit={PART}&offset={}", peers.len());
            let mut part: PeerList = self.source.get(&path).await?;
            part.peers.iter_mut().for_each(|peer| peer.as_of = part.at_ns);
            let is_last = part.peers.is_empty() || peers.len() + part.peers.len() >= part.total;
            peers.append(&mut part.peers);
            if is_last {
                break;
            }
        }
        let health: Health = self.source.get("health").await?;
        let at = health.now_ns;
        let from = at.before_nanos(u64::from(MOST_HOURS) * HOUR_NS);
        let path = format!("coverage?from_ns={}&limit=10000", from.as_nanos());
        let Gaps { gaps } = self.source.get(&path).await?;
        let done = Instant::now();
        self.clock = (at, done);
        (self.at_rest, self.is_running) = (health.archived, health.running);
        self.all_due = done + self.every(if self.is_streamed { ALL_EVERY } else { POLL_EVERY });
        self.all_from = done + (done - began) * 4;
        let service = Box::new(Service { health, gaps });
        self.tell(News::All { at, peers, service }).await
    }

    pub(super) async fn tell_changed(&mut self) -> Result<(), Stopped> {
        let changed = self.take_changed();
        let asked = changed.into_iter().map(|node_id| {
            let source = &self.source;
            async move { (node_id, source.get::<PeerDetail>(&format!("peers/{node_id}")).await) }
        });
        let mut answers = stream::iter(asked).buffer_unordered(AT_A_TIME);
        while let Some((node_id, answer)) = answers.next().await {
            let news = match answer {
                // It was let go: there is a history of it, and it is followed no more.
                Ok(detail) if detail.peer.untracked_at_ns.is_some() => {
                    News::Peer { at: detail.at_ns, node_id, peer: None }
                }
                Ok(detail) => {
                    News::Peer { at: detail.at_ns, node_id, peer: Some(Box::new(peer_of(&detail))) }
                }
                Err(failure) if failure.is_not_found() => News::Peer { at: self.now(), node_id, peer: None },
                Err(failure) => return Err(failure.into()),
            };
            self.tell(news).await?;
        }
        Ok(())
    }

    pub(super) async fn tell_strips(&mut self, node_ids: Vec<NodeId>, hours: u16) -> Result<(), Stopped> {
        let now = self.now();
        // As hours begin.
        let first = (now.as_nanos() / HOUR_NS).saturating_sub(u64::from(hours.saturating_sub(1))) * HOUR_NS;
        let asked = node_ids.into_iter().map(|node_id| {
            let path = format!("peers/{node_id}/buckets?width=hour&from_ns={first}&limit=1000");
            let source = &self.source;
            async move { (node_id, source.get::<Buckets>(&path).await) }
        });
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
        for (node_id, answer) in answers {
            let sums = match answer {
                Ok(Buckets { buckets }) => buckets,
                // Without a history there is no strip.
                Err(SourceError::HttpStatus { .. }) => Vec::new(),
                Err(failure) => return Err(failure.into()),
            };
            self.strips.insert(node_id, (hours, Instant::now()));
            self.tell(News::Hours { node_id, hours: Hours { at: now, sums } }).await?;
        }
        // Those that are not seen any more may be let go there, too.
        if self.strips.len() > STRIPS {
            let seen = &self.wants.borrow().strips;
            self.strips.retain(|node_id, _| seen.contains(node_id));
        }
        Ok(())
    }

    pub(super) async fn tell_page(&mut self, node_id: NodeId, span: StandardWindow) -> Result<(), Stopped> {
        let told = match self.page_of(node_id, span).await {
            Ok(told) => Ok(Box::new(told)),
            Err(SourceError::HttpStatus { detail, .. }) => Err(detail),
            Err(failure) => return Err(failure.into()),
        };
        self.page = Some(((node_id, span), Instant::now()));
        self.tell(News::Page { node_id, told }).await
    }

    async fn page_of(&self, node_id: NodeId, span: StandardWindow) -> Result<Told, SourceError> {
        let detail: PeerDetail = self.source.get(&format!("peers/{node_id}")).await?;
        let windows: Windows = self.source.get(&format!("peers/{node_id}/windows")).await?;
        let timeline = self.timeline(node_id, span).await?;
        Ok(Told::new(peer_of(&detail), detail.channels, windows, span, detail.at_ns, timeline))
    }

    /// The timeline, and whether older stretches are left out of it.
    async fn timeline(
        &self,
        node_id: NodeId,
        span: StandardWindow,
    ) -> Result<(Vec<Interval>, bool), SourceError> {
        let mut kept: VecDeque<Interval> = VecDeque::new();
        let (mut from, mut is_cut) = (format!("window={span}"), false);
        loop {
            let path = format!("peers/{node_id}/timeline?{from}&limit=10000");
            let Timeline { next_ns, timeline } = self.source.get(&path).await?;
            let goes_on = !timeline.is_empty();
            kept.extend(timeline);
            while kept.len() > MOST_INTERVALS {
                kept.pop_front();
                is_cut = true;
            }
            match next_ns {
                Some(next) if goes_on => from = format!("from_ns={}", next.as_nanos()),
                _ => return Ok((kept.into(), is_cut)),
            }
        }
    }
}

fn peer_of(detail: &PeerDetail) -> Peer {
    Peer { as_of: detail.at_ns, channel_count: detail.channels.len(), ..detail.peer.clone() }
}
