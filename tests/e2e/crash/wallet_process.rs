//! The wallet's process, as its parent controls it: the reports it prints, and the signals it gets.

use std::io::{BufRead as _, BufReader};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fitness_core::{GapCause, NodeId, Presence, Timestamp};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::ground_truth::now;
use crate::wallet_main::{PREFIX, WalletConfig, presence_name};

/// How long a test waits. A machine that builds at the same time is slow.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A report of the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Monitoring has started.
    Watching(Timestamp),
    /// A peer's presence changed. `flaps` includes this change.
    Presence { node_id: NodeId, presence: Presence, at: Timestamp, flaps: u32 },
    /// A monitoring gap has ended.
    Gap { cause: GapCause, from: Timestamp, to: Timestamp },
    /// The wallet has shut down in order.
    Ended,
}

pub(crate) struct WalletProcess {
    process: Process,
    lines: Receiver<Report>,
    /// All reports so far.
    pub(crate) reports: Vec<Report>,
    pub(crate) spawned_at: Timestamp,
}

impl WalletProcess {
    pub(crate) fn spawn(config: &WalletConfig) -> Self {
        let (name, value) = config.variable();
        let spawned_at = now();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "wallet_main::process", "--nocapture"])
            .env(name, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // A line that a kill has cut off is not a report.
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(reports) = line.split_once(PREFIX).and_then(|(_, line)| parse(line)) {
                    // The receiver is gone if the test has failed.
                    let _ = sender.send(reports);
                }
            }
        });
        Self { process, lines, reports: Vec::new(), spawned_at }
    }

    /// Reads reports until one matches, or until `until`. Returns whether one matched.
    pub(crate) fn read_until(&mut self, until: Timestamp, mut is_it: impl FnMut(&Report) -> bool) -> bool {
        loop {
            let left = Duration::from_nanos(until.nanos_since(now()));
            match self.lines.recv_timeout(left) {
                Ok(reports) => {
                    self.reports.push(reports);
                    if is_it(&reports) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the wallet ended unexpectedly: {:?}", self.process.wait())
                }
            }
        }
    }

    /// Reads reports until one matches; panics after a timeout.
    #[track_caller]
    pub(crate) fn wait_for_report(&mut self, awaited: &str, is_it: impl FnMut(&Report) -> bool) {
        let until = now().after_nanos(u64::try_from(TIMEOUT.as_nanos()).unwrap());
        assert!(self.read_until(until, is_it), "timed out waiting for {awaited}: {:?}", self.reports);
    }

    /// Waits until the last reported presence of a peer is this one.
    #[track_caller]
    pub(crate) fn wait_for_presence(&mut self, node_id: NodeId, awaited: Presence) {
        if self.presence(node_id) != Some(awaited) {
            self.wait_for_report(&format!("{node_id} {awaited:?}"), |reports| {
                is_presence(reports, node_id, awaited)
            });
        }
    }

    /// Returns the last reported presence of a peer.
    pub(crate) fn presence(&self, node_id: NodeId) -> Option<Presence> {
        self.reports.iter().rev().find_map(|reports| match reports {
            Report::Presence { node_id: other, presence, .. } if *other == node_id => Some(*presence),
            _ => None,
        })
    }

    /// Kills the process. Returns a time after its end.
    pub(crate) fn kill(&mut self) -> Timestamp {
        assert_eq!(self.process.try_wait().unwrap(), None, "the process ended before it was killed");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let killed_at = now();
        self.reports.extend(self.lines.iter());
        killed_at
    }

    /// Suspends the process, and waits until it is stopped: its threads may run for a while on a busy machine.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let waited = waitpid(Some(Pid::from_child(&self.process)), WaitOptions::UNTRACED);
        let (_, status) = waited.unwrap().expect("the status of the process");
        assert!(status.stopped(), "the process ended: {status:?}");
    }

    /// Resumes the process.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Shuts the process down in order.
    pub(crate) fn end(&mut self) {
        drop(self.process.stdin.take());
        self.wait_for_report("its end", |reports| *reports == Report::Ended);
        assert!(self.process.wait().unwrap().success());
        self.reports.extend(self.lines.iter());
    }
}

impl Drop for WalletProcess {
    fn drop(&mut self) {
        // Cleans up after a failed test. Otherwise the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn is_presence(reports: &Report, of: NodeId, is: Presence) -> bool {
    matches!(reports, Report::Presence { node_id, presence, .. } if *node_id == of && *presence == is)
}

fn parse(line: &str) -> Option<Report> {
    let words: Vec<&str> = line.split(' ').collect();
    let time = |word: &str| word.parse().ok().map(Timestamp::from_nanos);
    Some(match words[..] {
        ["watching", at] => Report::Watching(time(at)?),
        ["presence", node_id, presence, at, flaps] => Report::Presence {
            node_id: node_id.parse().ok()?,
            presence: [Presence::Online, Presence::Offline, Presence::Unobserved]
                .into_iter()
                .find(|other| presence_name(*other) == presence)?,
            at: time(at)?,
            flaps: flaps.parse().ok()?,
        },
        ["gap", cause, from, to] => Report::Gap {
            cause: GapCause::ALL.into_iter().find(|other| format!("{other:?}") == cause)?,
            from: time(from)?,
            to: time(to)?,
        },
        ["ended"] => Report::Ended,
        _ => return None,
    })
}
