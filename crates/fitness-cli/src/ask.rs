//! What can be asked of histories, by every command that has some.

use clap::ValueEnum;
use fitness_core::{
    BucketWidth, ChannelId, Gap, NodeId, PeerHistory, StandardWindow, Timestamp, WindowStats,
};

use crate::error::CliError;
use crate::moment::Window;
use crate::output::{PeerEntry, Section, Strip};

/// How many hours or days of a peer are told at most: ten years of days, and over a year of hours.
const MOST_BUCKETS: usize = 10_000;

/// What to tell of peers and channels.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AskArgs {
    /// Show the numbers of this stretch of time before the moment of the question: 24h, 7d, lifetime
    ///
    /// Any duration such as `90m` or `1d 12h`. Beside uptime it tells how often each peer was lost, the
    /// uptime for each loss (between), and the median and the worst time to return.
    #[arg(long, value_name = "DURATION")]
    window: Option<Window>,

    /// Tell only of this peer, and more of it; the beginning of its id is enough
    #[arg(long, value_name = "NODE_ID", value_parser = parse_prefix)]
    peer: Option<String>,

    /// Tell what each peer was when, and where that is not known, why
    #[arg(long)]
    timeline: bool,

    /// Tell each hour or day of each peer, as they begin in UTC
    #[arg(long, value_enum, value_name = "WIDTH")]
    buckets: Option<BucketArg>,

    /// List all gaps of our own observation, and not the latest alone
    #[arg(long)]
    gaps: bool,

    /// Tell of peers that were let go, too: their last channel was closed
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BucketArg {
    /// Hours
    Hour,
    /// Days
    Day,
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let is_hex = !text.is_empty() && text.len() <= 66 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "expected a node id of 66 hexadecimal digits, or how one begins".to_owned())
}

/// A question at a moment, to one observer.
pub(crate) struct Question<'a> {
    args: &'a AskArgs,
    at: Timestamp,
    /// Whether people are going to look at the answer.
    to_look_at: bool,
}

impl AskArgs {
    pub(crate) const fn question(&self, at: Timestamp, json: bool) -> Question<'_> {
        Question { args: self, at, to_look_at: !json }
    }

    /// Whether peers that were let go are asked about, too.
    pub(crate) const fn asks_for_closed(&self) -> bool {
        self.all || self.peer.is_some()
    }

    /// Whether more gaps are asked for than the latest ones.
    pub(crate) const fn asks_for_gaps(&self, json: bool) -> bool {
        self.gaps || self.timeline || json
    }

    /// Leaves out the peers that were not asked for. At most one is left where one was.
    ///
    /// # Errors
    ///
    /// [`CliError::UnknownPeer`] or [`CliError::AmbiguousPeer`].
    pub(crate) fn choose(&self, sections: &mut Vec<Section>) -> Result<(), CliError> {
        let Some(prefix) = &self.peer else { return Ok(()) };
        let all = || sections.iter().flat_map(|section| &section.peers).map(|peer| peer.report.node_id);
        let mut matching: Vec<NodeId> = all().filter(|id| id.to_string().starts_with(prefix)).collect();
        matching.sort_unstable();
        matching.dedup();
        let chosen = match matching[..] {
            [chosen] => chosen,
            [] => return Err(CliError::UnknownPeer { asked: prefix.clone(), known: all().count() }),
            _ => return Err(CliError::AmbiguousPeer { asked: prefix.clone(), matching }),
        };
        for section in &mut *sections {
            section.peers.retain(|peer| peer.report.node_id == chosen);
        }
        sections.retain(|section| !section.peers.is_empty());
        Ok(())
    }
}

impl Question<'_> {
    /// The moment from which on things are asked.
    fn from(&self) -> Timestamp {
        self.args.window.as_ref().map_or(Timestamp::EPOCH, |window| window.before(self.at))
    }

    /// Whether histories are needed to answer it.
    pub(crate) fn needs_histories(&self) -> bool {
        let AskArgs { window, peer, timeline, buckets, .. } = self.args;
        self.to_look_at || window.is_some() || peer.is_some() || *timeline || buckets.is_some()
    }

    /// Says in the section what was asked, before its peers are told more of.
    pub(crate) fn begin(&self, section: &mut Section) {
        section.window.clone_from(&self.args.window);
        section.all_gaps = self.args.gaps;
        section.gaps.retain(|gap| gap.to >= self.from());
        let tracked_since = section.peers.iter().map(|peer| peer.report.tracked_since).min();
        section.strips_from = tracked_since.map(|at| at.max(self.from())).filter(|_| self.to_look_at);
    }

    /// Tells of one peer what was asked, from its history and those of its channels. `gaps` are all
    /// there were.
    pub(crate) fn answer(
        &self,
        peer: &mut PeerEntry,
        strips_from: Option<Timestamp>,
        gaps: &[Gap],
        history: &PeerHistory,
        of_channel: impl Fn(&ChannelId) -> Option<PeerHistory>,
    ) {
        let (from, to) = (self.from(), self.at);
        let AskArgs { window, peer: named, timeline, buckets, .. } = self.args;
        let (online, since) = (peer.report.presence, peer.report.presence_since);
        let as_reported = |history: &PeerHistory, stats: WindowStats| {
            // A history at rest ends with nothing known; the report says what was, until then.
            let mut stats = stats;
            (stats.presence, stats.presence_since) = (online, since.max(history.start()));
            stats
        };
        let ask = |history: &PeerHistory| {
            let in_window = window.as_ref().map(|_| as_reported(history, history.stats(from, to)));
            let spans = StandardWindow::ALL.into_iter().filter(|_| named.is_some());
            let spans = spans.map(|span| (span, as_reported(history, history.stats_over(span))));
            (in_window, spans.collect())
        };
        (peer.window, peer.spans) = ask(history);
        for channel in &mut peer.channels {
            if let Some(history) = of_channel(&channel.report.channel_id) {
                (channel.window, channel.spans) = ask(&history);
            }
        }
        peer.timeline = timeline.then(|| history.timeline_with_gaps(from, to, gaps));
        peer.buckets = buckets.map(|width| {
            let bucket = match width {
                BucketArg::Hour => BucketWidth::Hour,
                BucketArg::Day => BucketWidth::Day,
            };
            (bucket, history.calendar_buckets(from, to, bucket, MOST_BUCKETS))
        });
        if let Some(strips_from) = strips_from {
            peer.strip = Strip::of(history, strips_from, to);
        }
    }
}
