//! `replay`: replays a recorded event trace through a tracker.
//!
//! `trace` reads the trace line by line, so that it is never held in memory, and `line` parses the lines.
//! docs/trace-format.md describes the format.

mod line;
mod object;
mod save;
mod trace;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fitness_core::{Event, HashSeed, Timestamp, Tracker, TrackerConfig};

pub(crate) use self::line::LineError;
use self::save::SaveArgs;
use self::trace::Trace;
use crate::error::CliError;
use crate::help;
use crate::listen::ListenArgs;
use crate::output::format;
use crate::output::{Document, OutputArgs, Section, print};
use crate::query::QueryArgs;
use crate::time::{parse_time, rfc3339};

const LONG_ABOUT: &str = "\
Replay a recorded event trace and report on its peers and channels.

A trace contains one JSON object per line, plain or gzipped. Each object is an event, with the time `at_ns` in \
nanoseconds since the Unix epoch and the kind `event`:

  {\"at_ns\": 1767225600000000000, \"event\": \"watch\", \"node_id\": \"02ab…\"}
  {\"at_ns\": 1767225600000000000, \"event\": \"peer_online\", \"node_id\": \"02ab…\"}
  {\"at_ns\": 1767229200000000000, \"event\": \"peer_offline\", \"node_id\": \"02ab…\"}

Events and their fields: peer_online, peer_offline (node_id); channel_opened (channel_id, node_id, optionally \
funding, online); channel_closed (channel_id); funding_changed (channel_id, funding); channel_usable \
(channel_id, usable); watch, unwatch (node_id); snapshot (channels, connected, optionally taken_at_ns); \
observation_paused, observation_resumed; unobserved (since_ns); clock_set (to_ns). docs/trace-format.md \
describes them.

With --listen, the dashboard shows the result as of the evaluation time. Peer aliases are read from a file \
beside the trace if there is one, such as month.aliases for month.jsonl.gz.

Times may decrease: the tracker treats that as a clock that was set back, and a note on standard error reports \
it.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness replay trace.jsonl
  ldk-fitness replay trace.jsonl.gz --at 2026-03-01T12:00:00Z --window 24h
  ldk-fitness replay trace.jsonl --preset lnd-0.19      show what lnd would have reported
  ldk-fitness replay examples/month.jsonl.gz --listen
  ldk-fitness replay trace.jsonl --store test.redb --observer 03ab…
  zcat *.jsonl.gz | ldk-fitness replay - --json";

/// Replay a recorded event trace
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
// The presets affect the table only: the dashboard does not show lnd's uptime.
#[command(group(clap::ArgGroup::new("output_mode").args(["preset", "listen"])))]
#[command(group(clap::ArgGroup::new("destination").args(["store", "listen"]).multiple(true)))]
pub(crate) struct Args {
    /// The trace, plain or gzipped; `-` for standard input
    file: PathBuf,

    /// Evaluate as of this time: RFC 3339, or nanoseconds since 1970
    ///
    /// Later events are ignored. The default is the time of the last event.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,

    /// Reproduce the behaviour of an lnd version, and add the uptime that lnd would have reported
    #[arg(long, value_enum)]
    preset: Option<Preset>,

    #[command(flatten)]
    save: SaveArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    query: QueryArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// The lnd version to reproduce.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// lnd 0.19, which tracks every peer
    #[value(name = "lnd-0.19")]
    Lnd019,
    /// lnd's master branch of August 2026, which tracks peers from their first channel on
    #[value(name = "lnd-master")]
    LndMaster,
}

impl Preset {
    const fn config(self) -> TrackerConfig {
        match self {
            Self::Lnd019 => TrackerConfig::lnd_0_19(),
            Self::LndMaster => TrackerConfig::lnd_master(),
        }
    }
}

/// Replays the trace and prints the report.
///
/// # Errors
///
/// Fails if the trace cannot be read or has an invalid line, if the evaluation time is too far ahead, if the
/// store cannot be opened or already has a history of the observer, or if standard output cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let server = args.listen.server(Some(&aliases_file(&args.file)))?;
    let mut trace = Trace::open(&args.file)?;
    let config = args.preset.map_or_else(TrackerConfig::default, Preset::config);
    let mut replay = Replay::new(config, args.at);
    while let Some((at, event)) = trace.next_event()? {
        replay.apply(at, &event);
    }
    replay.check_evaluation_time()?;
    replay.print_notes();
    let mut sections = vec![replay.section(args)];
    args.query.filter_peers(&mut sections)?;
    for section in &mut sections {
        replay.add_details(section, args);
    }
    let at = replay.evaluation_time();
    print(&mut Document { sections }, &args.output)?;
    args.save.save_and_serve(&mut replay.tracker, at, server)
}

/// Returns the path of the alias file beside a trace: `month.aliases` for `month.jsonl.gz`.
fn aliases_file(trace: &Path) -> PathBuf {
    let name = trace.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    trace.with_file_name(stem.strip_suffix(".jsonl").unwrap_or(stem).to_owned() + ".aliases")
}

/// A tracker and the state of its trace.
struct Replay {
    tracker: Tracker,
    /// The value of `--at`.
    at_arg: Option<Timestamp>,
    /// The current time of the trace's clock; `None` before the first event.
    clock: Option<Timestamp>,
    /// The number of events after `--at`.
    ignored_events: u64,
}

impl Replay {
    fn new(config: TrackerConfig, at_arg: Option<Timestamp>) -> Self {
        Self { tracker: Tracker::new(config, random_seed()), at_arg, clock: None, ignored_events: 0 }
    }

    fn apply(&mut self, at: Timestamp, event: &Event) {
        if self.at_arg.is_some_and(|at_arg| at > at_arg) {
            self.ignored_events += 1;
            return;
        }
        let reordered = self.tracker.clock_faults().reordered;
        self.tracker.apply(at, event);
        // A slightly reordered event does not set the clock back.
        if self.tracker.clock_faults().reordered == reordered {
            self.clock = Some(if let Event::ClockSet { to } = event { *to } else { at });
        }
    }

    /// Returns the evaluation time: `--at`, or the time of the last event. `None` if there is neither.
    fn evaluation_time(&self) -> Option<Timestamp> {
        self.at_arg.or(self.clock)
    }

    /// Returns the report as of the evaluation time.
    fn section(&mut self, args: &Args) -> Section {
        let Some(at) = self.evaluation_time() else { return Section::default() };
        // Ends reconnect grace periods that expire before then.
        self.tracker.advance(at);
        let mut section = if args.query.includes_untracked() {
            Section::new(Some(at), self.tracker.all_peers(at))
        } else {
            Section::new(Some(at), self.tracker.peers(at))
        };
        // lnd does not record monitoring gaps.
        if args.preset.is_none() && self.clock.is_some() {
            section.coverage = self.tracker.coverage(at);
            section.gaps = self.tracker.gaps(at, &[], Timestamp::EPOCH, Timestamp::MAX);
        }
        section
    }

    /// Adds the windows, timelines, buckets and strips that were requested.
    fn add_details(&self, section: &mut Section, args: &Args) {
        let Some(at) = section.at else { return };
        let query = args.query.as_of(at, args.output.json);
        let gaps = section.gaps.clone();
        query.prepare_section(section);
        let tracker = &self.tracker;
        for peer in section.peers.iter_mut().filter(|_| query.needs_histories()) {
            let Some(history) = tracker.history(at, &peer.report.node_id, &[]) else { continue };
            let channel_history = |channel_id: &_| tracker.channel_history(at, channel_id, &[]);
            query.fill_peer(peer, section.strips_from, &gaps, &history, channel_history);
        }
        if args.preset.is_some() {
            for channel in section.channels_mut() {
                channel.lnd_uptime_ns = tracker.lnd_uptime_ns(at, &channel.report.channel_id);
            }
        }
    }

    /// Prints notes on clock faults and ignored events to standard error.
    fn print_notes(&self) {
        let faults = self.tracker.clock_faults();
        if faults.steps_back > 0 {
            let longest = format::duration(faults.longest_step_back_ns);
            note(&format!(
                "clock set back {} time(s), by at most {longest}; no time is counted for these steps",
                faults.steps_back
            ));
        }
        if faults.reordered > 0 {
            note(&format!(
                "{} event(s) out of order by up to a second; applied at the time of the latest event",
                faults.reordered
            ));
        }
        if faults.implausible_jumps > 0 {
            note(&format!(
                "clock jumped ahead by more than ten years {} time(s); no time is counted for these jumps",
                faults.implausible_jumps
            ));
        }
        if self.ignored_events > 0 {
            note(&format!("ignored {} event(s) after --at", self.ignored_events));
        }
    }

    /// Checks that `--at` is not so far ahead that the tracker would ignore it.
    fn check_evaluation_time(&self) -> Result<(), CliError> {
        match (self.clock, self.at_arg) {
            (Some(clock), Some(at)) if is_implausible_jump(clock, at) => {
                Err(CliError::TooFarAhead { at: rfc3339(at), last_event: rfc3339(clock) })
            }
            _ => Ok(()),
        }
    }
}

/// Returns whether a tracker ignores a clock that jumps from `from` to `to`.
fn is_implausible_jump(from: Timestamp, to: Timestamp) -> bool {
    let mut probe = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    probe.apply(from, &Event::ObservationResumed);
    probe.apply(to, &Event::ObservationResumed);
    probe.clock_faults().implausible_jumps > 0
}

/// Returns a random seed, because the ids in a trace are untrusted.
fn random_seed() -> HashSeed {
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random(), random());
    HashSeed((u128::from(high) << 64 | u128::from(low)).to_ne_bytes())
}

fn note(text: &str) {
    // If standard error is closed, the note is dropped.
    let _ = writeln!(io::stderr(), "note: {text}");
}
