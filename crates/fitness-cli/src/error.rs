//! Why a command did not do what it was asked, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use fitness_actor::{ShutdownError, StartError};
use fitness_core::NodeId;
use fitness_store::StoreError;
use fitness_store::copy::CopyError;
use fitness_top::{SourceError, TopError};
use fitness_watch::{TargetError, TargetListError};
use fitness_web::ServeError;

use crate::import::LndError;
use crate::replay::LineError;
use crate::store::StoreUrl;

/// Why a command failed. Each names the thing it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// A trace that cannot be opened.
    #[error("cannot read {file}: {source}")]
    Open {
        /// The file.
        file: String,
        source: io::Error,
    },

    /// A trace that cannot be read to its end.
    #[error("{file}, line {line}: {expected}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The line that was being read, from 1.
        line: u64,
        /// What should have been there.
        expected: &'static str,
        source: io::Error,
    },

    /// A line of a trace that is no event.
    #[error("{file}, line {line}: {source}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        source: LineError,
    },

    /// What lncli printed, and is not what it should be.
    #[error(transparent)]
    Lnd(#[from] LndError),

    /// A store that cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// A question about a past that a store at rest no longer knows.
    #[error(
        "{store}: --at {asked} is before {known_until}, the last moment of observer {observer}; \
         a store at rest answers for that moment (leave --at out) or a later one"
    )]
    BeforeLastMoment {
        /// The store.
        store: String,
        /// Whose history it is.
        observer: NodeId,
        /// The moment of the question.
        asked: String,
        /// The earliest moment that can be asked about.
        known_until: String,
    },

    /// A question about a future that the tracker takes for a broken clock.
    #[error("--at {asked} is more than ten years after {clock}, when the last event came; ask about less")]
    TooFarAhead {
        /// The moment of the question.
        asked: String,
        /// What the trace's clock reads.
        clock: String,
    },

    /// An observer that the store has nothing of.
    #[error("{store} knows no observer {observer}; it knows {known}")]
    UnknownObserver {
        /// The store.
        store: String,
        /// Who was asked for.
        observer: NodeId,
        /// Who is there.
        known: String,
    },

    /// A copy of a store to itself.
    #[error("{store} cannot be copied to itself; name another store to copy to")]
    SamePlace {
        /// The store.
        store: String,
    },

    /// A history that would be overwritten.
    #[error("{store} has another history of node {observer}; {way_out}")]
    Exists {
        /// The store.
        store: String,
        /// Whose history it is.
        observer: NodeId,
        /// What to do instead.
        way_out: &'static str,
    },

    /// A history that was written to while it was copied, so that the copy is not finished.
    #[error(
        "the history of node {observer} in {store} was written to while it was copied; stop its node, and copy again"
    )]
    WrittenMeanwhile {
        /// The store.
        store: String,
        /// Whose history it is.
        observer: NodeId,
    },

    /// A history that was written to while it was copied. The copy is what it was before.
    #[error(
        "the history of node {observer} in {store} has gone on, and the copy is what it was before; \
         stop its node, and copy again with --overwrite"
    )]
    MovedOn {
        /// The store.
        store: String,
        /// Whose history it is.
        observer: NodeId,
    },

    /// A copy that did not come out as it should.
    #[error("{store}: {source}")]
    Copy {
        /// The store that was copied to.
        store: String,
        source: CopyError,
    },

    /// The user had enough of it.
    #[error("interrupted; what was copied stays, and the same command goes on with it")]
    Interrupted,

    /// A peer that nobody knows.
    #[error("no peer begins with {asked}, of {known} that are known")]
    UnknownPeer {
        /// How its id begins.
        asked: String,
        /// How many there are.
        known: usize,
    },

    /// A part of an id that several peers have.
    #[error("{} peers begin with {asked}: {}; say more of the id", matching.len(), some(matching))]
    AmbiguousPeer {
        /// How the id begins.
        asked: String,
        /// Whose ids do.
        matching: Vec<NodeId>,
    },

    /// An order that needs numbers that nobody asked for.
    #[error("this --sort needs --window, such as --window lifetime")]
    SortNeedsWindow,

    /// What was given for a node to watch, and is none.
    #[error(
        "{text}: {source}; a node to watch is NODE@HOST:PORT, a file of such lines, or - for standard input"
    )]
    Target {
        /// What was typed.
        text: String,
        source: TargetError,
    },

    /// A list of nodes to watch with something else in it.
    #[error("{file}, {source}")]
    Targets {
        /// The file.
        file: String,
        source: TargetListError,
    },

    /// A list of nodes to watch that has none.
    #[error("{file} names no node to watch, as NODE@HOST:PORT")]
    NoTargets {
        /// The file.
        file: String,
    },

    /// A key that cannot be read, or be kept.
    #[error("cannot {task} the key {}: {source}", path.display())]
    Key {
        /// What was to be done.
        task: &'static str,
        /// The file.
        path: PathBuf,
        source: io::Error,
    },

    /// A file that is no key.
    #[error("{} is no key, which has 64 hexadecimal digits; give another file with --key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },

    /// A store that has no place for a key beside it.
    #[error("--store {store} needs --key FILE, to be the same observer each time")]
    KeyNeeded {
        /// The store.
        store: String,
    },

    /// Nodes that cannot be watched.
    #[error(transparent)]
    Watch(#[from] fitness_watch::StartError),

    /// A store in which several nodes have observed, or none, where one has to be shown.
    #[error("{} nodes have observed into {store}; name one with --observer: {}", known.len(), some(known))]
    WhichObserver {
        /// The store.
        store: String,
        /// Who they are.
        known: Vec<NodeId>,
    },

    /// An address that nothing can be served on.
    #[error(transparent)]
    Serve(#[from] ServeError),

    /// A token that is none.
    #[error("the token of --listen: {0}")]
    Token(#[from] fitness_web::TokenError),

    /// An option that means nothing here.
    #[error("{option} is for {meant}")]
    NotMeant {
        /// The option.
        option: &'static str,
        /// What it is for.
        meant: &'static str,
    },

    /// A terminal that cannot be drawn on, or a service that does not answer.
    #[error(transparent)]
    Top(#[from] TopError),

    /// An address or a token that is none.
    #[error(transparent)]
    Source(#[from] SourceError),

    /// A webhook that is none.
    #[error(transparent)]
    Webhook(#[from] fitness_webhook::WebhookError),

    /// A runtime that the system refuses.
    #[error("cannot start: {0}")]
    Runtime(io::Error),

    /// An answer that cannot be printed.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),

    /// No temporary directory for the demo's nodes.
    #[error("cannot make a temporary directory (TMPDIR names where): {0}")]
    Directory(io::Error),

    /// The demo's chain or nodes.
    #[error("the demo's network: {0}")]
    Network(#[from] fitness_regtest::Error),

    /// Channels that are open, and that the wallet's fitness does not know of.
    #[error("the demo's channels are open, and were not seen within {} s", patience.as_secs())]
    Unseen {
        /// How long it was waited.
        patience: Duration,
    },

    /// A demo that was measured otherwise than it happened.
    #[error("what was measured is not what happened")]
    Untrue,

    /// A service that does not start.
    #[error(transparent)]
    Start(#[from] StartError),

    /// A service that could not store all it knew before it ended.
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
}

impl CliError {
    /// An observer of whom a store has nothing, where it has something of those who are known.
    pub(crate) fn unknown_observer(store: &StoreUrl, observer: NodeId, known: &[NodeId]) -> Self {
        let names: Vec<String> = known.iter().map(NodeId::to_string).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Self::UnknownObserver { store: store.to_string(), observer, known }
    }

    /// Whether the reader of our output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// 2 where the input or the command line has to change, 1 where the world has to.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let bad_input = match self {
            Self::Open { .. } | Self::Read { .. } | Self::Line { .. } | Self::Lnd(_) => true,
            Self::BeforeLastMoment { .. } | Self::TooFarAhead { .. } | Self::UnknownObserver { .. } => true,
            Self::UnknownPeer { .. } | Self::AmbiguousPeer { .. } | Self::SortNeedsWindow => true,
            Self::SamePlace { .. } | Self::Exists { .. } => true,
            Self::WrittenMeanwhile { .. } | Self::MovedOn { .. } => false,
            Self::Copy { .. } | Self::Interrupted => false,
            Self::Store(
                StoreError::Locked { .. } | StoreError::Claimed { .. } | StoreError::Backend { .. },
            ) => false,
            Self::Store(_) => true,
            Self::Target { .. } | Self::Targets { .. } | Self::NoTargets { .. } => true,
            Self::Key { .. } | Self::NoKey { .. } | Self::KeyNeeded { .. } => true,
            Self::Watch(error) => matches!(error, fitness_watch::StartError::OnionWithoutProxy { .. }),
            Self::WhichObserver { .. } => true,
            Self::Serve(error) => matches!(error, ServeError::TokenNeeded { .. }),
            Self::Token(_) | Self::Webhook(_) => true,
            Self::NotMeant { .. } | Self::Source(_) | Self::Top(TopError::NotATerminal) => true,
            Self::Top(TopError::Source(failure)) => !matches!(failure, SourceError::Unreachable { .. }),
            Self::Top(_) => false,
            Self::Runtime(_) | Self::Output(_) | Self::Directory(_) => false,
            Self::Network(_) | Self::Unseen { .. } | Self::Untrue => false,
            Self::Start(_) | Self::Shutdown(_) => false,
        };
        ExitCode::from(if bad_input { 2 } else { 1 })
    }
}

/// The first few of many.
fn some(ids: &[NodeId]) -> String {
    const FEW: usize = 3;
    let named: Vec<String> = ids.iter().take(FEW).map(NodeId::to_string).collect();
    named.join(", ") + if ids.len() > FEW { ", …" } else { "" }
}
