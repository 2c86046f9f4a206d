//! `advise`: what to close and what to keep.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::ValueEnum;
use fitness_actor::Archive;
use fitness_advice::{Advice, Evidence, OutlierSensitivity, PeerKind, Policy, Recommendation, advise};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use serde::Serialize;

use crate::each::{self, figure};
use crate::error::CliError;
use crate::help;
use crate::moment::rfc3339;
use crate::output::{available_width, grid, humanise};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Say what to close and what to keep, and why.

Peers with a channel, and watched ones, are judged by a window of their history, as of the last moment that \
the store knows. A peer is to be closed whose availability is at or below the threshold, that falls far behind \
the others (below Q1 - m * IQR, with m = 3 or, aggressively, 1.5), or that has not been online for a month; \
one whose connection changes all the time is to be looked at. Nobody is judged before 28 days of observed \
time: our own outages cost nothing. Phones and private peers are judged by long absence alone.

The score is what can be relied on, from 0 to 100: the lower confidence bound of the availability, times what \
disconnects and unusable channels leave of it. `at best` is what it may turn out to be.

Nothing is ever closed: this recommends.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness advise fitness.redb
  ldk-fitness advise fitness.redb --threshold 95% --style aggressive
  ldk-fitness advise fitness.redb --ignore 02ab… --mobile 03cd… --json";

/// Say what to close and what to keep, and why
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind by its name, as below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Judge only what this node observed; by default all that share the store are told
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// The window that peers are judged by: 24h, 7d, 30d, 90d or lifetime
    #[arg(long, default_value = "90d")]
    window: StandardWindow,

    /// At or below this availability a peer is to be closed, such as 80%; 0% for not at all
    #[arg(long, default_value = "80%", value_parser = parse_share)]
    threshold: f64,

    /// How far a peer has to fall behind the others to be closed
    #[arg(long, value_enum, default_value_t)]
    style: Fence,

    /// With more changes of its connection in 7 days a peer is to be looked at
    #[arg(long, default_value_t = 50, value_name = "CHANGES")]
    flapping: u64,

    /// Who was observed for less is not judged, such as 28d
    #[arg(long, default_value = "28d", value_parser = humantime::parse_duration, value_name = "TIME")]
    min_observed: std::time::Duration,

    /// Who has been offline for so long is to be closed, or looked at where it is not judged yet, such as 30d
    #[arg(long, default_value = "30d", value_parser = humantime::parse_duration, value_name = "TIME")]
    gone: std::time::Duration,

    /// Leave this peer alone; may be given several times
    #[arg(long, value_name = "NODE_ID")]
    ignore: Vec<NodeId>,

    /// This peer is a phone or the like; may be given several times
    #[arg(long, value_name = "NODE_ID")]
    mobile: Vec<NodeId>,

    /// All channels with this peer are unannounced; may be given several times
    #[arg(long, value_name = "NODE_ID")]
    private: Vec<NodeId>,

    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// How far from the others is too far.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Fence {
    /// Three interquartile ranges below the first quartile
    #[default]
    Careful,
    /// One and a half
    Aggressive,
    /// Peers are not compared
    Off,
}

fn parse_share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let share = text.strip_suffix('%').map_or_else(|| number(text), |percent| Some(number(percent)? / 100.0));
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a share such as 80% or 0.8".to_owned())
}

/// What is said of one observer's peers.
#[derive(Serialize)]
struct Judged {
    observer: NodeId,
    #[serde(rename = "at_ns")]
    at: Timestamp,
    advice: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    advice: Advice,
    /// Each reason in words.
    texts: Vec<String>,
}

/// Reads the store and prints the advice.
///
/// # Errors
///
/// A store that cannot be opened or read, an observer that it does not know, or an output that cannot be
/// written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let judged = each::judge(&args.store, args.observer, async |known| judge(known, args).await)?;
    each::print(&judged, args.json, print_table)
}

async fn judge(known: Archive, args: &Args) -> Result<Judged, CliError> {
    let handle = known.handle();
    let mut peers = Vec::new();
    for report in handle.peers() {
        // All of it: who is gone may have been for longer than the window.
        let Some(history) = handle.history(&report.node_id).await? else { continue };
        peers.push(Evidence::of(&report, &history, args.window).with_kind(args.kind(&report.node_id)));
    }
    let mut advice = advise(&peers, &args.policy());
    advice.sort_by(Advice::by_severity);
    let tell =
        |advice: Advice| Told { texts: advice.reasons.iter().map(ToString::to_string).collect(), advice };
    Ok(Judged {
        observer: handle.observer(),
        at: known.as_of(),
        advice: advice.into_iter().map(tell).collect(),
    })
}

impl Args {
    fn policy(&self) -> Policy {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Policy {
            window: self.window,
            min_observed_ns: nanos(self.min_observed),
            availability_threshold: (self.threshold > 0.0).then_some(self.threshold),
            outlier: match self.style {
                Fence::Careful => Some(OutlierSensitivity::Conservative),
                Fence::Aggressive => Some(OutlierSensitivity::Aggressive),
                Fence::Off => None,
            },
            max_flaps_7d: Some(self.flapping),
            long_offline_after_ns: Some(nanos(self.gone)),
            ignore: self.ignore.iter().copied().collect::<BTreeSet<_>>(),
            ..Policy::default()
        }
    }

    fn kind(&self, node_id: &NodeId) -> PeerKind {
        if self.mobile.contains(node_id) {
            PeerKind::Mobile
        } else if self.private.contains(node_id) {
            PeerKind::Private
        } else {
            PeerKind::Routing
        }
    }
}

fn print_table(out: &mut dyn Write, judged: &Judged) -> io::Result<()> {
    let Judged { observer, at, advice } = judged;
    let peers = fitness_words::pluralize(advice.len() as u64, "peer", "peers");
    writeln!(out, "{peers} of {observer}, as of {}\n", rfc3339(*at))?;
    let headings = ["peer", "advice", ">score", ">at best", ">availability", ">observed", "why"];
    writeln!(out, "{}", grid::lines(headings, advice.iter().map(row), available_width()))
}

fn row(told: &Told) -> [String; 7] {
    let Advice { node_id, recommendation: verdict, score, .. } = &told.advice;
    let figure = |of| figure(score.as_ref(), of);
    [
        humanise::short(&node_id.to_string(), 6, "…"),
        word(*verdict).to_owned(),
        figure(|score| format!("{:.1}", score.value)),
        figure(|score| format!("{:.1}", score.upper_bound)),
        figure(|score| fitness_words::ratio_percent(score.availability)),
        figure(|score| humanise::duration(score.observed_ns)),
        told.texts.join("; "),
    ]
}

const fn word(verdict: Recommendation) -> &'static str {
    match verdict {
        Recommendation::Close => "close",
        Recommendation::Review => "look at",
        Recommendation::InsufficientData => "too early",
        Recommendation::Keep => "keep",
        Recommendation::Ignored => "ignored",
        _ => "?",
    }
}
