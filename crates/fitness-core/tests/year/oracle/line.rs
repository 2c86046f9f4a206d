//! What is known, and when it was on the tracker's line: durations are those of a clock that neither
//! stops nor steps while we watch; in between it catches up with the wall clock, and never goes back.

use fitness_core::ClockFaults;

use crate::facts::Fact;
use crate::script::Word;
use crate::time::DAY;

const TEN_YEARS: u64 = 10 * 365 * DAY;

/// Something that is known, at its moment on the line.
pub(crate) struct Note {
    pub(crate) at: u64,
    pub(crate) what: What,
}

pub(crate) enum What {
    Told(Word),
    /// No process of ours ran since then.
    Down {
        from: u64,
    },
    /// We were suspended, stopped, or our clock was set, since then.
    Suspended {
        from: u64,
    },
    Upkeep,
}

/// True time in which the line ran on.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) line: u64,
}

#[derive(Default)]
pub(crate) struct Line {
    pub(crate) notes: Vec<Note>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) now: u64,
    /// What the clock reads now.
    pub(crate) clock: u64,
    pub(crate) faults: (u64, u64, u64, u64),
    pub(crate) starts: u32,
    pub(crate) first_started_at: u64,
    pub(crate) started: u64,
    /// How far a clock that is right is ahead of the line.
    ahead: u64,
}

impl Line {
    pub(crate) fn new(facts: &[Fact], now: u64) -> Self {
        let mut line = Self::default();
        let mut rest = facts;
        let mut place = 0;
        while !rest.is_empty() {
            let ends = rest.iter().position(|fact| matches!(fact, Fact::Ended { .. }));
            let length = ends.map_or(rest.len(), |last| last + 1);
            let (process, others) = rest.split_at(length);
            match process.last() {
                // What came after the last commit nobody knows.
                Some(&Fact::Ended { stored_at, stored }) => {
                    if stored > place {
                        line.live(&process[..stored - place], stored_at);
                    }
                }
                _ => line.live(process, now),
            }
            (rest, place) = (others, place + length);
        }
        line
    }

    /// A process, as far as it is known.
    fn live(&mut self, facts: &[Fact], until: u64) {
        self.faults = (0, 0, 0, 0);
        for fact in facts {
            match *fact {
                Fact::Started { at, wall } => self.start(at, wall),
                Fact::Slept { from, to } => {
                    self.run_to(from);
                    self.pieces.push(Piece { from: to, to, line: self.now });
                }
                Fact::ClockSet { at, wall } => {
                    self.run_to(at);
                    let from = self.now;
                    self.catch_up(wall);
                    self.clock = wall;
                    self.note(What::Suspended { from });
                    self.pieces.push(Piece { from: at, to: at, line: self.now });
                }
                Fact::Held { since, at } => {
                    self.run_to(at);
                    let from = self.on_line(since);
                    self.note(What::Suspended { from });
                }
                Fact::Disorder => self.faults.0 += 1,
                Fact::Told { at, ref word } => {
                    self.run_to(at);
                    self.note(What::Told(word.clone()));
                }
                Fact::Upkeep { at } => {
                    self.run_to(at);
                    self.note(What::Upkeep);
                }
                Fact::Ended { .. } => {}
            }
        }
        self.run_to(until);
    }

    fn start(&mut self, at: u64, wall: u64) {
        if self.starts == 0 {
            (self.now, self.first_started_at) = (wall, wall);
        } else {
            let (from, right) = (self.now, wall.saturating_sub(self.ahead));
            if right < from {
                self.faults.1 += 1;
                self.faults.2 = from - right;
            }
            self.catch_up(wall);
            self.note(What::Down { from });
        }
        (self.clock, self.started) = (wall, self.now);
        self.starts += 1;
        self.pieces.push(Piece { from: at, to: at, line: self.now });
    }

    fn catch_up(&mut self, wall: u64) {
        let by = wall.saturating_sub(self.ahead).saturating_sub(self.now);
        if by > TEN_YEARS {
            self.faults.3 += 1;
            self.ahead += by;
        } else {
            self.now += by;
        }
    }

    fn note(&mut self, what: What) {
        self.notes.push(Note { at: self.now, what });
    }

    fn run_to(&mut self, at: u64) {
        let piece = self.pieces.last_mut().expect("a process has started");
        let by = at - piece.to;
        piece.to = at;
        self.now += by;
        self.clock += by;
    }

    /// A true time of ours on the line.
    pub(crate) fn on_line(&self, at: u64) -> u64 {
        let piece = self.pieces.iter().rev().find(|piece| piece.from <= at);
        piece.map_or(0, |piece| piece.line + at.min(piece.to) - piece.from)
    }

    /// In terms of the clock as it reads now.
    pub(crate) fn to_clock(&self, at: u64) -> u64 {
        self.clock.saturating_sub(self.now - at)
    }

    pub(crate) fn has_faults(&self, faults: ClockFaults) -> bool {
        self.faults
            == (faults.reordered, faults.steps_back, faults.longest_step_back_ns, faults.implausible_jumps)
    }

    /// The true times that a stretch of the line stands for.
    pub(crate) fn truly(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.pieces.partition_point(|piece| piece.line + (piece.to - piece.from) <= from);
        self.pieces[first..].iter().take_while(move |piece| piece.line < to).filter_map(move |piece| {
            let start = from.max(piece.line) - piece.line;
            let end = (to - piece.line).min(piece.to - piece.from);
            (start < end).then_some((piece.from + start, piece.from + end))
        })
    }
}
