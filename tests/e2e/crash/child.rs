//! The wallet's process, as its parent holds it: what it tells, and the signals it gets.

use std::io::{BufRead as _, BufReader};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fitness_core::{GapCause, NodeId, Presence, Timestamp};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::truth::now;
use crate::wallet::{MARK, Orders, presence_name};

/// How long anything may take: machines that build and test at once are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Something that the wallet has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It has started to watch.
    Watching(Timestamp),
    /// A peer's presence, since when, and its flaps with that.
    Presence { node_id: NodeId, presence: Presence, at: Timestamp, flaps: u32 },
    /// It could not tell for a while.
    Gap { cause: GapCause, from: Timestamp, to: Timestamp },
    /// It has ended in good order.
    Ended,
}

pub(crate) struct Child {
    process: Process,
    lines: Receiver<Told>,
    /// All that was told so far.
    pub(crate) told: Vec<Told>,
    pub(crate) spawned_at: Timestamp,
}

impl Child {
    pub(crate) fn spawn(orders: &Orders) -> Self {
        let (name, value) = orders.variable();
        let spawned_at = now();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "wallet::process", "--nocapture"])
            .env(name, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // A line that was cut off by a kill was not told.
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(told) = line.split_once(MARK).and_then(|(_, line)| parse(line)) {
                    // Nobody listens any more where a test has failed.
                    let _ = sender.send(told);
                }
            }
        });
        Self { process, lines, told: Vec::new(), spawned_at }
    }

    /// Listens until something is told that is looked for, or until `until`. Whether it was.
    pub(crate) fn hear(&mut self, until: Timestamp, mut is_it: impl FnMut(&Told) -> bool) -> bool {
        loop {
            let left = Duration::from_nanos(until.nanos_since(now()));
            match self.lines.recv_timeout(left) {
                Ok(told) => {
                    self.told.push(told);
                    if is_it(&told) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the wallet ended by itself: {:?}", self.process.wait())
                }
            }
        }
    }

    /// Listens until it is told, and panics where it is not.
    #[track_caller]
    pub(crate) fn await_told(&mut self, awaited: &str, is_it: impl FnMut(&Told) -> bool) {
        let until = now().after_nanos(u64::try_from(PATIENCE.as_nanos()).unwrap());
        assert!(self.hear(until, is_it), "waited in vain for {awaited}: {:?}", self.told);
    }

    /// Waits until a peer was last told to be there, or not.
    #[track_caller]
    pub(crate) fn await_presence(&mut self, node_id: NodeId, awaited: Presence) {
        if self.presence(node_id) != Some(awaited) {
            self.await_told(&format!("{node_id} {awaited:?}"), |told| is_presence(told, node_id, awaited));
        }
    }

    /// What was last told of a peer.
    pub(crate) fn presence(&self, node_id: NodeId) -> Option<Presence> {
        self.told.iter().rev().find_map(|told| match told {
            Told::Presence { node_id: other, presence, .. } if *other == node_id => Some(*presence),
            _ => None,
        })
    }

    /// Ends it without a chance to do anything about it. Returns when, at the latest.
    pub(crate) fn kill(&mut self) -> Timestamp {
        assert_eq!(self.process.try_wait().unwrap(), None, "it lives until it is killed");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let killed_at = now();
        self.told.extend(self.lines.iter());
        killed_at
    }

    /// Has it stand still, and waits until it does: on a busy machine its threads run on for a while.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let waited = waitpid(Some(Pid::from_child(&self.process)), WaitOptions::UNTRACED);
        let (_, status) = waited.unwrap().expect("it was waited for");
        assert!(status.stopped(), "it has not ended: {status:?}");
    }

    /// Has it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends it in good order.
    pub(crate) fn end(&mut self) {
        drop(self.process.stdin.take());
        self.await_told("its end", |told| *told == Told::Ended);
        assert!(self.process.wait().unwrap().success());
        self.told.extend(self.lines.iter());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that a failed test leaves behind; most have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn is_presence(told: &Told, of: NodeId, is: Presence) -> bool {
    matches!(told, Told::Presence { node_id, presence, .. } if *node_id == of && *presence == is)
}

fn parse(line: &str) -> Option<Told> {
    let words: Vec<&str> = line.split(' ').collect();
    let time = |word: &str| word.parse().ok().map(Timestamp::from_nanos);
    Some(match words[..] {
        ["watching", at] => Told::Watching(time(at)?),
        ["presence", node_id, presence, at, flaps] => Told::Presence {
            node_id: node_id.parse().ok()?,
            presence: [Presence::Online, Presence::Offline, Presence::Unobserved]
                .into_iter()
                .find(|other| presence_name(*other) == presence)?,
            at: time(at)?,
            flaps: flaps.parse().ok()?,
        },
        ["gap", cause, from, to] => Told::Gap {
            cause: GapCause::ALL.into_iter().find(|other| format!("{other:?}") == cause)?,
            from: time(from)?,
            to: time(to)?,
        },
        ["ended"] => Told::Ended,
        _ => return None,
    })
}
