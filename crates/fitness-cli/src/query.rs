//! The query options that commands with histories share: window, peer, timeline, buckets and gaps.

use clap::ValueEnum;
use fitness_core::{
    BucketWidth, ChannelId, Gap, NodeId, PeerHistory, StandardWindow, Timestamp, WindowStats,
};

use crate::error::CliError;
use crate::output::{PeerEntry, Section, Strip};
use crate::time::Window;

/// The maximum number of buckets per peer: 27 years of days, or more than a year of hours.
const MAX_BUCKETS: usize = 10_000;

/// Which peers to report, and what to report about them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// Report the statistics of this window, such as 24h, 7d or lifetime
    ///
    /// The window is any duration, such as `90m` or `1d 12h`, and ends at the time of the report. The table
    /// then also shows disconnects, the mean time between disconnects (MTBD), and the median and longest
    /// recovery, which are the times that peers took to come back online.
    #[arg(long, value_name = "DURATION")]
    window: Option<Window>,

    /// Report on this peer only, in more detail; a unique prefix of its id is enough
    #[arg(long, value_name = "NODE_ID", value_parser = parse_prefix)]
    peer: Option<String>,

    /// Show when each peer was online, offline or unobserved, and the cause of unobserved time
    #[arg(long)]
    timeline: bool,

    /// Show the statistics of each hour or day (UTC) of each peer
    #[arg(long, value_enum, value_name = "WIDTH")]
    buckets: Option<BucketArg>,

    /// List all monitoring gaps instead of only the latest
    #[arg(long)]
    gaps: bool,

    /// Include peers that are no longer tracked because their last channel was closed
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BucketArg {
    /// One bucket per hour
    Hour,
    /// One bucket per day
    Day,
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let is_hex = !text.is_empty() && text.len() <= 66 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "expected a node id of 66 hexadecimal digits, or a prefix of one".to_owned())
}

/// A query of one observer's peers as of one time.
pub(crate) struct Query<'a> {
    args: &'a QueryArgs,
    at: Timestamp,
    /// Whether the output is a table, which has strips.
    with_strips: bool,
}

impl QueryArgs {
    /// Creates the query as of `at`. JSON output has no strips.
    pub(crate) const fn as_of(&self, at: Timestamp, json: bool) -> Query<'_> {
        Query { args: self, at, with_strips: !json }
    }

    /// Returns whether untracked peers are included.
    pub(crate) const fn includes_untracked(&self) -> bool {
        self.all || self.peer.is_some()
    }

    /// Returns whether all monitoring gaps are needed instead of only the latest.
    pub(crate) const fn needs_all_gaps(&self, json: bool) -> bool {
        self.gaps || self.timeline || json
    }

    /// Removes all peers except the one given with `--peer`, if any.
    ///
    /// # Errors
    ///
    /// [`CliError::UnknownPeer`] or [`CliError::AmbiguousPeer`].
    pub(crate) fn filter_peers(&self, sections: &mut Vec<Section>) -> Result<(), CliError> {
        let Some(prefix) = &self.peer else { return Ok(()) };
        let all = || sections.iter().flat_map(|section| &section.peers).map(|peer| peer.report.node_id);
        let mut matching: Vec<NodeId> = all().filter(|id| id.to_string().starts_with(prefix)).collect();
        matching.sort_unstable();
        matching.dedup();
        let selected = match matching[..] {
            [selected] => selected,
            [] => return Err(CliError::UnknownPeer { prefix: prefix.clone(), known: all().count() }),
            _ => return Err(CliError::AmbiguousPeer { prefix: prefix.clone(), matching }),
        };
        for section in &mut *sections {
            section.peers.retain(|peer| peer.report.node_id == selected);
        }
        sections.retain(|section| !section.peers.is_empty());
        Ok(())
    }
}

impl Query<'_> {
    /// Returns the start of the queried window.
    fn window_start(&self) -> Timestamp {
        self.args.window.as_ref().map_or(Timestamp::EPOCH, |window| window.start(self.at))
    }

    /// Returns whether the query needs the peers' histories.
    pub(crate) fn needs_histories(&self) -> bool {
        let QueryArgs { window, peer, timeline, buckets, .. } = self.args;
        self.with_strips || window.is_some() || peer.is_some() || *timeline || buckets.is_some()
    }

    /// Sets what concerns the whole section: its window, gaps and strips.
    pub(crate) fn prepare_section(&self, section: &mut Section) {
        section.window.clone_from(&self.args.window);
        section.all_gaps = self.args.gaps;
        section.gaps.retain(|gap| gap.to >= self.window_start());
        let tracked_since = section.peers.iter().map(|peer| peer.report.tracked_since).min();
        section.strips_from =
            tracked_since.map(|at| at.max(self.window_start())).filter(|_| self.with_strips);
    }

    /// Fills in a peer from its history and those of its channels. `gaps` are all monitoring gaps.
    pub(crate) fn fill_peer(
        &self,
        peer: &mut PeerEntry,
        strips_from: Option<Timestamp>,
        gaps: &[Gap],
        history: &PeerHistory,
        channel_history: impl Fn(&ChannelId) -> Option<PeerHistory>,
    ) {
        let (from, to) = (self.window_start(), self.at);
        let QueryArgs { window, peer: peer_arg, timeline, buckets, .. } = self.args;
        let (presence, presence_since) = (peer.report.presence, peer.report.presence_since);
        let with_reported_presence = |history: &PeerHistory, mut stats: WindowStats| {
            // An archived history ends unobserved; the report has the presence up to that time.
            (stats.presence, stats.presence_since) = (presence, presence_since.max(history.start()));
            stats
        };
        let stats = |history: &PeerHistory| {
            let window = window.as_ref().map(|_| with_reported_presence(history, history.stats(from, to)));
            let standard_windows = StandardWindow::ALL
                .into_iter()
                .filter(|_| peer_arg.is_some())
                .map(|window| (window, with_reported_presence(history, history.stats_over(window))))
                .collect();
            (window, standard_windows)
        };
        (peer.window, peer.standard_windows) = stats(history);
        for channel in &mut peer.channels {
            if let Some(history) = channel_history(&channel.report.channel_id) {
                (channel.window, channel.standard_windows) = stats(&history);
            }
        }
        peer.timeline = timeline.then(|| history.timeline_with_gaps(from, to, gaps));
        peer.buckets = buckets.map(|bucket| {
            let width = match bucket {
                BucketArg::Hour => BucketWidth::Hour,
                BucketArg::Day => BucketWidth::Day,
            };
            (width, history.calendar_buckets(from, to, width, MAX_BUCKETS))
        });
        if let Some(strips_from) = strips_from {
            peer.strip = Strip::new(history, strips_from, to);
        }
    }
}
