//! The error of every command, and its exit code.

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

/// The reason why a command failed.
///
/// `Display` does not include the source: `main` prints the whole chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// An input file cannot be opened or read.
    #[error("cannot read {file}")]
    ReadFile {
        /// The file.
        file: String,
        source: io::Error,
    },

    /// A line of an input file cannot be read.
    #[error("{file}, line {line}: {problem}")]
    ReadLine {
        /// The file.
        file: String,
        /// The line number, from 1.
        line: u64,
        /// The problem with the line.
        problem: &'static str,
        source: io::Error,
    },

    /// A line of a trace is not a valid event.
    #[error("{file}, line {line}: invalid event")]
    InvalidEvent {
        /// The file.
        file: String,
        /// The line number, from 1.
        line: u64,
        source: LineError,
    },

    /// `import lnd` rejected its input.
    #[error(transparent)]
    Lnd(#[from] LndError),

    /// A store cannot be opened, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// `--at` is before the last recorded time of an archived history.
    #[error(
        "cannot report on {store} as of {at}: the history of observer {observer} ends at {history_end}, \
         and an archive has no earlier state; omit --at or choose a later time"
    )]
    BeforeHistoryEnd {
        /// The store.
        store: String,
        /// The observer of the history.
        observer: NodeId,
        /// The value of `--at`.
        at: String,
        /// The earliest time that can be reported on.
        history_end: String,
    },

    /// `--at` is so far after the last event that the tracker would ignore it as an implausible jump.
    #[error("--at {at} is more than ten years after the last event ({last_event}); choose an earlier time")]
    TooFarAhead {
        /// The value of `--at`.
        at: String,
        /// The time of the last event in the trace.
        last_event: String,
    },

    /// The store has no history of the requested observer.
    #[error("no history of observer {observer} in {store}; available observers: {available}")]
    UnknownObserver {
        /// The store.
        store: String,
        /// The requested observer.
        observer: NodeId,
        /// The observers in the store, or `none`.
        available: String,
    },

    /// The source and the target of a copy are the same store.
    #[error("cannot copy {store} to itself; choose a different target")]
    SamePlace {
        /// The store.
        store: String,
    },

    /// The target already has a history of the observer, which would be overwritten.
    #[error("{store} already has a history of observer {observer}; {hint}")]
    HistoryExists {
        /// The store.
        store: String,
        /// The observer of the history.
        observer: NodeId,
        /// What to do instead.
        hint: &'static str,
    },

    /// The source changed while it was read, so the copy is incomplete.
    #[error(
        "the history of observer {observer} in {store} changed during the copy, which is incomplete; \
         stop its node and copy again"
    )]
    CopyIncomplete {
        /// The source.
        store: String,
        /// The observer of the history.
        observer: NodeId,
    },

    /// The source changed after it was opened. The copy has its earlier state.
    #[error(
        "the history of observer {observer} in {store} changed during the copy, which has the earlier state; \
         stop its node and copy again with --overwrite"
    )]
    CopyOutdated {
        /// The source.
        store: String,
        /// The observer of the history.
        observer: NodeId,
    },

    /// A copy failed for another reason.
    #[error("cannot copy to {store}")]
    Copy {
        /// The target.
        store: String,
        source: CopyError,
    },

    /// The user interrupted a copy.
    #[error("interrupted; the records copied so far are kept: run the same command again to continue")]
    Interrupted,

    /// No peer has an id that starts with the requested prefix.
    #[error("no peer matches {prefix} ({known} known)")]
    UnknownPeer {
        /// The prefix.
        prefix: String,
        /// The number of peers.
        known: usize,
    },

    /// Several peers have ids that start with the requested prefix.
    #[error("{prefix} matches {} peers: {}; use a longer prefix", matching.len(), first_few(matching))]
    AmbiguousPeer {
        /// The prefix.
        prefix: String,
        /// The matching peers.
        matching: Vec<NodeId>,
    },

    /// The sort key is a statistic of a window, and there is no `--window`.
    #[error("this --sort key requires --window, such as --window lifetime")]
    SortNeedsWindow,

    /// An argument of `watch` is not a target.
    #[error(
        "invalid target {text:?} (expected NODE_ID@HOST:PORT, a file with one target per line, \
         or - for standard input)"
    )]
    InvalidTarget {
        /// The argument.
        text: String,
        source: TargetError,
    },

    /// A line of a target list is not a target.
    #[error("invalid target list {file}")]
    InvalidTargetList {
        /// The file.
        file: String,
        source: TargetListError,
    },

    /// A target list is empty.
    #[error("{file} contains no targets; add one NODE_ID@HOST:PORT per line")]
    NoTargets {
        /// The file.
        file: String,
    },

    /// A key file cannot be created or read.
    #[error("cannot {operation} the key file {}", path.display())]
    KeyFile {
        /// What failed, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        source: io::Error,
    },

    /// A file does not contain a key.
    #[error(
        "invalid key file {}: expected 64 hexadecimal digits; choose another file with --key-file",
        path.display()
    )]
    InvalidKeyFile {
        /// The file.
        path: PathBuf,
    },

    /// The store is a database, so there is no default path for a key file.
    #[error("--store {store} requires --key-file FILE, because a database has no default key file")]
    KeyFileRequired {
        /// The store.
        store: String,
    },

    /// The watcher cannot be started.
    #[error(transparent)]
    Watch(#[from] fitness_watch::StartError),

    /// One observer has to be chosen, and the store has several, or none.
    #[error("{}", one_observer_expected(store, available))]
    AmbiguousObserver {
        /// The store.
        store: String,
        /// The observers in the store.
        available: Vec<NodeId>,
    },

    /// The dashboard cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),

    /// The access token of `--listen` is invalid.
    #[error("invalid access token for --listen")]
    Token(#[from] fitness_web::TokenError),

    /// An option does not apply to the other arguments.
    #[error("{option} is only for {applies_to}")]
    OptionNotApplicable {
        /// The option.
        option: &'static str,
        /// What the option is for.
        applies_to: &'static str,
    },

    /// `top` failed.
    #[error(transparent)]
    Top(#[from] TopError),

    /// The URL or the token of `top` is invalid.
    #[error(transparent)]
    Source(#[from] SourceError),

    /// The webhook configuration is invalid.
    #[error(transparent)]
    Webhook(#[from] fitness_webhook::WebhookError),

    /// The async runtime, or its signal handling, cannot be set up.
    #[error("cannot set up the async runtime")]
    Runtime(#[source] io::Error),

    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),

    /// The demo cannot create a temporary directory for its nodes.
    #[error("cannot create a temporary directory; set TMPDIR to a writable directory")]
    Directory(#[source] io::Error),

    /// The demo's chain or one of its nodes failed.
    #[error("the demo network failed")]
    Network(#[from] fitness_regtest::Error),

    /// The demo's channels are open, and the wallet's service did not report them in time.
    #[error(
        "the demo's channels are open, but the service did not report them within {} s; run the demo again",
        timeout.as_secs()
    )]
    ChannelsNotReported {
        /// The timeout.
        timeout: Duration,
    },

    /// The demo measured something other than what happened.
    #[error("demo verification failed: the measured values differ from the actual events")]
    VerificationFailed,

    /// The service cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),

    /// The service could not store all changes at shutdown.
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
}

impl CliError {
    /// Creates a [`CliError::UnknownObserver`]. `available` are the observers in the store.
    pub(crate) fn unknown_observer(store: &StoreUrl, observer: NodeId, available: &[NodeId]) -> Self {
        let ids: Vec<String> = available.iter().map(NodeId::to_string).collect();
        let available = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        Self::UnknownObserver { store: store.to_string(), observer, available }
    }

    /// Returns whether the reader of standard output closed the pipe.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns 2 for bad usage or bad input, and 1 for any other failure.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let is_bad_input = match self {
            Self::ReadFile { .. } | Self::ReadLine { .. } | Self::InvalidEvent { .. } | Self::Lnd(_) => true,
            Self::BeforeHistoryEnd { .. } | Self::TooFarAhead { .. } | Self::UnknownObserver { .. } => true,
            Self::UnknownPeer { .. } | Self::AmbiguousPeer { .. } | Self::SortNeedsWindow => true,
            Self::SamePlace { .. } | Self::HistoryExists { .. } => true,
            Self::CopyIncomplete { .. } | Self::CopyOutdated { .. } => false,
            Self::Copy { .. } | Self::Interrupted => false,
            Self::Store(
                StoreError::Locked { .. } | StoreError::Claimed { .. } | StoreError::Backend { .. },
            ) => false,
            Self::Store(_) => true,
            Self::InvalidTarget { .. } | Self::InvalidTargetList { .. } | Self::NoTargets { .. } => true,
            Self::KeyFile { .. } | Self::InvalidKeyFile { .. } | Self::KeyFileRequired { .. } => true,
            Self::Watch(error) => matches!(error, fitness_watch::StartError::OnionWithoutProxy { .. }),
            Self::AmbiguousObserver { .. } => true,
            Self::Serve(error) => matches!(error, ServeError::TokenNeeded { .. }),
            Self::Token(_) | Self::Webhook(_) => true,
            Self::OptionNotApplicable { .. } | Self::Source(_) | Self::Top(TopError::NotATerminal) => true,
            Self::Top(TopError::Source(failure)) => !matches!(failure, SourceError::Unreachable { .. }),
            Self::Top(_) => false,
            Self::Runtime(_) | Self::Output(_) | Self::Directory(_) => false,
            Self::Network(_) | Self::ChannelsNotReported { .. } | Self::VerificationFailed => false,
            Self::Start(_) | Self::Shutdown(_) => false,
        };
        ExitCode::from(if is_bad_input { 2 } else { 1 })
    }
}

fn one_observer_expected(store: &str, available: &[NodeId]) -> String {
    if available.is_empty() {
        format!("{store} has no history yet; start a node that stores its history there")
    } else {
        let ids = first_few(available);
        format!("{store} has histories of {} observers: {ids}; choose one with --observer", available.len())
    }
}

/// Lists the first ids, followed by an ellipsis if there are more.
fn first_few(ids: &[NodeId]) -> String {
    const MAX_LISTED: usize = 3;
    let listed: Vec<String> = ids.iter().take(MAX_LISTED).map(NodeId::to_string).collect();
    listed.join(", ") + if ids.len() > MAX_LISTED { ", …" } else { "" }
}
