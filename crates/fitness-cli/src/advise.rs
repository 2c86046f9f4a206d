//! The `advise` command: recommends which channels to close and which to keep.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use clap::ValueEnum;
use fitness_actor::Archive;
use fitness_advice::{Advice, Evidence, OutlierSensitivity, PeerKind, Policy, Recommendation, advise};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use serde::Serialize;

use crate::error::CliError;
use crate::help;
use crate::output::{available_width, format, grid};
use crate::per_observer::{evaluate_observers, print, score_cell};
use crate::store::StoreUrl;
use crate::time::rfc3339;

const LONG_ABOUT: &str = "\
Recommend which channels to close and which to keep, with reasons.

Each tracked peer is evaluated over a window of its history, up to the last heartbeat in the store. Closing \
is recommended for a peer

  - whose availability is at or below --availability-threshold,
  - whose availability is far below that of the others (--outliers), or
  - that has been offline for at least --long-offline-after.

Review is recommended for a peer whose connection changes more often than --max-flaps. Peers with less than \
--min-observed of observed time are not evaluated; if they have been offline for long, review is \
recommended. Monitoring gaps do not count as observed time. Mobile and private peers are not compared with \
other peers and are evaluated for long outages only.

An outlier is below Q1 - m * IQR of the compared peers, where Q1 is the first quartile, IQR the \
interquartile range, and m is 3 (conservative) or 1.5 (aggressive).

The score, from 0 to 100, is the lower confidence bound of the availability, reduced for disconnects and \
for time in which channels were unusable. `upper bound` is the same for the upper confidence bound.

These are recommendations only: no channel is ever closed.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness advise fitness.redb
  ldk-fitness advise fitness.redb --availability-threshold 95% --outliers aggressive
  ldk-fitness advise fitness.redb --ignore 02ab… --mobile 03cd… --json";

/// Recommend which channels to close and which to keep
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind of store as listed below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Evaluate only the peers of this observer; by default those of all observers in the store
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// The window to evaluate: 24h, 7d, 30d, 90d or lifetime
    #[arg(long, default_value = "90d")]
    window: StandardWindow,

    /// Recommend closing peers at or below this availability, such as 80%; 0% disables the rule
    #[arg(long, default_value = "80%", value_name = "PERCENT", value_parser = parse_fraction)]
    availability_threshold: f64,

    /// Recommend closing peers whose availability is an outlier
    #[arg(long, value_enum, default_value_t)]
    outliers: OutlierArg,

    /// Recommend reviewing peers with more connection changes than this in 7 days
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    max_flaps: u64,

    /// Evaluate only peers with at least this much observed time, such as 28d
    #[arg(long, default_value = "28d", value_parser = humantime::parse_duration, value_name = "DURATION")]
    min_observed: Duration,

    /// Recommend closing peers that have been offline for at least this long, such as 30d
    ///
    /// Peers with less observed time than --min-observed are recommended for review instead.
    #[arg(long, default_value = "30d", value_parser = humantime::parse_duration, value_name = "DURATION")]
    long_offline_after: Duration,

    /// Do not evaluate this peer; can be repeated
    #[arg(long, value_name = "NODE_ID")]
    ignore: Vec<NodeId>,

    /// Treat this peer as a mobile node; can be repeated
    #[arg(long, value_name = "NODE_ID")]
    mobile: Vec<NodeId>,

    /// Treat this peer as private (unannounced channels only); can be repeated
    #[arg(long, value_name = "NODE_ID")]
    private: Vec<NodeId>,

    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// The outlier rule.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum OutlierArg {
    /// More than 3 interquartile ranges below the first quartile
    #[default]
    Conservative,
    /// More than 1.5 interquartile ranges below the first quartile
    Aggressive,
    /// Do not compare peers
    Off,
}

fn parse_fraction(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let fraction =
        text.strip_suffix('%').map_or_else(|| number(text), |percent| Some(number(percent)? / 100.0));
    fraction
        .filter(|fraction| (0.0..=1.0).contains(fraction))
        .ok_or_else(|| "expected a percentage such as 80% or a fraction such as 0.8".to_owned())
}

/// The recommendations for one observer's peers.
#[derive(Serialize)]
struct ObserverAdvice {
    observer: NodeId,
    #[serde(rename = "at_ns")]
    at: Timestamp,
    advice: Vec<AdviceEntry>,
}

#[derive(Serialize)]
struct AdviceEntry {
    #[serde(flatten)]
    advice: Advice,
    /// The text of each reason, in the order of `advice.reasons`.
    reason_texts: Vec<String>,
}

/// Reads the store and prints the recommendations.
///
/// # Errors
///
/// Fails if the store cannot be opened or read, if it has no such observer, or if the output cannot be
/// written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let observers =
        evaluate_observers(&args.store, args.observer, async |archive| evaluate(archive, args).await)?;
    print(&observers, args.json, print_table)
}

async fn evaluate(archive: Archive, args: &Args) -> Result<ObserverAdvice, CliError> {
    let handle = archive.handle();
    let mut peers = Vec::new();
    for report in handle.peers() {
        // The whole history: an outage can be longer than the window.
        let Some(history) = handle.history(&report.node_id).await? else { continue };
        let kind = args.peer_kind(&report.node_id);
        peers.push(Evidence::of(&report, &history, args.window).with_kind(kind));
    }
    let mut advice = advise(&peers, &args.policy());
    advice.sort_by(Advice::by_severity);
    let entry = |advice: Advice| AdviceEntry {
        reason_texts: advice.reasons.iter().map(ToString::to_string).collect(),
        advice,
    };
    Ok(ObserverAdvice {
        observer: handle.observer(),
        at: archive.as_of(),
        advice: advice.into_iter().map(entry).collect(),
    })
}

impl Args {
    fn policy(&self) -> Policy {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Policy {
            window: self.window,
            min_observed_ns: nanos(self.min_observed),
            availability_threshold: (self.availability_threshold > 0.0)
                .then_some(self.availability_threshold),
            outlier: match self.outliers {
                OutlierArg::Conservative => Some(OutlierSensitivity::Conservative),
                OutlierArg::Aggressive => Some(OutlierSensitivity::Aggressive),
                OutlierArg::Off => None,
            },
            max_flaps_7d: Some(self.max_flaps),
            long_offline_after_ns: Some(nanos(self.long_offline_after)),
            ignore: self.ignore.iter().copied().collect::<BTreeSet<_>>(),
            ..Policy::default()
        }
    }

    fn peer_kind(&self, node_id: &NodeId) -> PeerKind {
        if self.mobile.contains(node_id) {
            PeerKind::Mobile
        } else if self.private.contains(node_id) {
            PeerKind::Private
        } else {
            PeerKind::Routing
        }
    }
}

fn print_table(out: &mut dyn Write, observer_advice: &ObserverAdvice) -> io::Result<()> {
    let ObserverAdvice { observer, at, advice } = observer_advice;
    let peers = fitness_words::pluralize(advice.len() as u64, "peer", "peers");
    writeln!(out, "{peers} of {observer}, as of {}\n", rfc3339(*at))?;
    let headings = ["peer", "advice", ">score", ">upper bound", ">availability", ">observed", "reasons"];
    writeln!(out, "{}", grid::lines(headings, advice.iter().map(cells), available_width()))
}

fn cells(entry: &AdviceEntry) -> [String; 7] {
    let Advice { node_id, recommendation, score, .. } = &entry.advice;
    let score_cell = |format| score_cell(score.as_ref(), format);
    [
        format::short(&node_id.to_string(), 6, "…"),
        recommendation_label(*recommendation).to_owned(),
        score_cell(|score| format!("{:.1}", score.value)),
        score_cell(|score| format!("{:.1}", score.upper_bound)),
        score_cell(|score| fitness_words::ratio_percent(score.availability)),
        score_cell(|score| format::duration(score.observed_ns)),
        entry.reason_texts.join("; "),
    ]
}

const fn recommendation_label(recommendation: Recommendation) -> &'static str {
    match recommendation {
        Recommendation::Close => "close",
        Recommendation::Review => "review",
        Recommendation::InsufficientData => "insufficient data",
        Recommendation::Keep => "keep",
        Recommendation::Ignored => "ignored",
        _ => "unknown",
    }
}
