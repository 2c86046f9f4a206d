//! `replay`: a recorded trace of events, put through a tracker.
//!
//! The trace is read line by line and never held: what stays in memory is the tracker. Reading is
//! `trace`'s business, what a line may say `line`'s; the format stands in docs/TRACE.md.

mod keep;
mod line;
mod object;
mod trace;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fitness_core::{Event, HashSeed, Timestamp, Tracker, TrackerConfig};

use self::keep::KeepArgs;
pub(crate) use self::line::LineError;
use self::trace::Trace;
use crate::ask::AskArgs;
use crate::error::CliError;
use crate::help;
use crate::listen::ListenArgs;
use crate::moment::{parse_moment, rfc3339};
use crate::output::humanise;
use crate::output::{Document, OutputArgs, Section, print};

const LONG_ABOUT: &str = "\
Put a recorded trace of events through the tracker, and print what it makes of them.

A trace is JSON lines, plain or gzipped: one event a line, each with `at_ns`, the nanoseconds since the \
Unix epoch at which it happened, and `event`, what happened:

  {\"at_ns\": 1767225600000000000, \"event\": \"watch\", \"node_id\": \"02ab…\"}
  {\"at_ns\": 1767225600000000000, \"event\": \"peer_online\", \"node_id\": \"02ab…\"}
  {\"at_ns\": 1767229200000000000, \"event\": \"peer_offline\", \"node_id\": \"02ab…\"}

Events: peer_online, peer_offline (node_id); channel_opened (channel_id, node_id, and where known \
funding, online); channel_closed (channel_id); funding_changed (channel_id, funding); channel_usable \
(channel_id, usable); watch, unwatch (node_id); snapshot (channels, connected, and where known \
taken_at_ns); observation_paused, observation_resumed; unobserved (since_ns); clock_set (to_ns). \
docs/TRACE.md has all of it.

With --listen the dashboard shows it, in a browser, as of the moment of the question. A file with the trace's \
name that ends in .names says what its peers are called.

Times may go back: the tracker takes a step back as a clock that was set, and says so on standard error.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness replay trace.jsonl
  ldk-fitness replay trace.jsonl.gz --at 2026-03-01T12:00:00Z --window 24h
  ldk-fitness replay trace.jsonl --preset lnd-0.19      what lnd would have said
  ldk-fitness replay examples/month.jsonl.gz --listen
  ldk-fitness replay trace.jsonl --store test.redb --observer 03ab…
  zcat *.jsonl.gz | ldk-fitness replay - --json";

/// Put a recorded trace of events through the tracker
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
// What lnd would say is for the table: the dashboard shows what we say.
#[command(group(clap::ArgGroup::new("shown").args(["preset", "listen"])))]
#[command(group(clap::ArgGroup::new("kept").args(["store", "listen"]).multiple(true)))]
pub(crate) struct Args {
    /// The trace: JSON lines, plain or gzipped; `-` for standard input
    file: PathBuf,

    /// The moment of the question: RFC 3339, or nanoseconds since 1970
    ///
    /// Events after it are left out. By default it is the time of the last event.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,

    /// Behave like lnd, quirks and all, and show the uptime that lnd would have told
    #[arg(long, value_enum)]
    preset: Option<Preset>,

    #[command(flatten)]
    keep: KeepArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Whose behaviour to take.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// lnd 0.19: every peer is tracked
    #[value(name = "lnd-0.19")]
    Lnd019,
    /// lnd's master branch of August 2026: peers are tracked from their first channel on
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

/// Replays the trace and prints the answer.
///
/// # Errors
///
/// A trace that cannot be read, a line that is no event, a moment too far ahead, a store that cannot be
/// opened or has that history already, or an output that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let front = args.listen.front(Some(&names_beside(&args.file)))?;
    let mut trace = Trace::open(&args.file)?;
    let config = args.preset.map_or_else(TrackerConfig::default, Preset::config);
    let mut replay = Replay::new(config, args.at);
    while let Some((at, event)) = trace.next_event()? {
        replay.take(at, &event);
    }
    replay.check_moment()?;
    replay.say_what_is_odd();
    let mut sections = vec![replay.section(args)];
    args.ask.choose(&mut sections)?;
    for section in &mut sections {
        replay.tell(section, args);
    }
    let at = replay.moment();
    print(&mut Document { sections }, &args.output)?;
    args.keep.keep(&mut replay.tracker, at, front)
}

/// Where the names of a trace's peers are, if anywhere: `month.names` for `month.jsonl.gz`.
fn names_beside(trace: &Path) -> PathBuf {
    let name = trace.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    trace.with_file_name(stem.strip_suffix(".jsonl").unwrap_or(stem).to_owned() + ".names")
}

/// A tracker, and the clock of its trace.
struct Replay {
    tracker: Tracker,
    /// The moment that was asked about, where one was.
    asked: Option<Timestamp>,
    /// What the trace's clock reads.
    clock: Option<Timestamp>,
    /// How many events came after the moment that was asked about.
    left_out: u64,
}

impl Replay {
    fn new(config: TrackerConfig, asked: Option<Timestamp>) -> Self {
        Self { tracker: Tracker::new(config, random_seed()), asked, clock: None, left_out: 0 }
    }

    fn take(&mut self, at: Timestamp, event: &Event) {
        if self.asked.is_some_and(|asked| at > asked) {
            self.left_out += 1;
            return;
        }
        let reordered = self.tracker.clock_faults().reordered;
        self.tracker.apply(at, event);
        // What came out of order by a moment does not set the clock back.
        if self.tracker.clock_faults().reordered == reordered {
            self.clock = Some(if let Event::ClockSet { to } = event { *to } else { at });
        }
    }

    /// The moment of the question; `None` where there is no moment at all.
    fn moment(&self) -> Option<Timestamp> {
        self.asked.or(self.clock)
    }

    /// What there is to say at the moment that was asked about.
    fn section(&mut self, args: &Args) -> Section {
        let Some(at) = self.moment() else { return Section::default() };
        // Who had time to come back until then had it.
        self.tracker.advance(at);
        let mut section = if args.ask.asks_for_closed() {
            Section::new(Some(at), self.tracker.all_peers(at))
        } else {
            Section::new(Some(at), self.tracker.peers(at))
        };
        // lnd knows nothing of its own absence.
        if args.preset.is_none() && self.clock.is_some() {
            section.coverage = self.tracker.coverage(at);
            section.gaps = self.tracker.gaps(at, &[], Timestamp::EPOCH, Timestamp::MAX);
        }
        section
    }

    /// Tells more of a section's peers.
    fn tell(&self, section: &mut Section, args: &Args) {
        let Some(at) = section.at else { return };
        let question = args.ask.question(at, args.output.json);
        let gaps = section.gaps.clone();
        question.begin(section);
        let tracker = &self.tracker;
        for peer in section.peers.iter_mut().filter(|_| question.needs_histories()) {
            let Some(history) = tracker.history(at, &peer.report.node_id, &[]) else { continue };
            let of_channel = |channel_id: &_| tracker.channel_history(at, channel_id, &[]);
            question.answer(peer, section.strips_from, &gaps, &history, of_channel);
        }
        if args.preset.is_some() {
            for channel in section.channels_mut() {
                channel.lnd_uptime_ns = tracker.lnd_uptime_ns(at, &channel.report.channel_id);
            }
        }
    }

    /// Tells on standard error what the numbers alone would hide.
    fn say_what_is_odd(&self) {
        let faults = self.tracker.clock_faults();
        if faults.steps_back > 0 {
            let longest = humanise::duration(faults.longest_step_back_ns);
            note(&format!(
                "times went back {} time(s), by {longest} at most; taken as a clock that was set, \
                 while which no time passed",
                faults.steps_back
            ));
        }
        if faults.reordered > 0 {
            note(&format!(
                "{} event(s) came up to a second out of order; taken as simultaneous with the one before",
                faults.reordered
            ));
        }
        if faults.implausible_jumps > 0 {
            note(&format!(
                "{} step(s) ahead of more than ten years; taken as no time",
                faults.implausible_jumps
            ));
        }
        if self.left_out > 0 {
            note(&format!("{} event(s) after --at were left out", self.left_out));
        }
    }

    /// Makes sure that the tracker believes the moment that was asked about.
    fn check_moment(&self) -> Result<(), CliError> {
        match (self.clock, self.asked) {
            (Some(clock), Some(asked)) if is_absurd_jump(clock, asked) => {
                Err(CliError::TooFarAhead { asked: rfc3339(asked), clock: rfc3339(clock) })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a tracker would disbelieve a clock that went from `from` to `to`.
fn is_absurd_jump(from: Timestamp, to: Timestamp) -> bool {
    let mut probe = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    probe.apply(from, &Event::ObservationResumed);
    probe.apply(to, &Event::ObservationResumed);
    probe.clock_faults().implausible_jumps > 0
}

/// Traces come from anywhere, and their ids with them.
fn random_seed() -> HashSeed {
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random(), random());
    HashSeed((u128::from(high) << 64 | u128::from(low)).to_ne_bytes())
}

fn note(text: &str) {
    // A note that nobody can read is no reason to fail.
    let _ = writeln!(io::stderr(), "note: {text}");
}
