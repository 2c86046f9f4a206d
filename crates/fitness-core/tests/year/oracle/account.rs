//! What a peer was at each moment, from what was told of it and from when we could tell.

use fitness_core::{FlapCount, Presence};

use super::ChannelAccount;
use super::watch::{Stretch, Told, ToldChannel, Watched};

/// When, by which note, and whether after all else that the note says.
type Place = (u64, usize, bool);

/// What changes at a place.
#[derive(Clone, Copy)]
enum Mark {
    /// What the peer is, if we could tell.
    Peer(Presence),
    Followed(bool),
    /// How many reasons there are for which nothing is known of anybody.
    Blind(i32),
    Outage(bool),
}

pub(crate) struct Account {
    pub(crate) tracked_since: u64,
    /// What it was from when on. Some of it for no time at all.
    pub(crate) changes: Vec<(u64, Presence)>,
    /// Online and observed time until each of the changes.
    sums: Vec<(u64, u64)>,
    pub(crate) flaps: FlapCount,
    pub(crate) disconnects: u32,
    pub(crate) is_followed: bool,
}

impl Account {
    /// `None` where there is none.
    pub(super) fn new(told: &Told, watched: &Watched, now: u64) -> Option<Self> {
        let &(tracked_since, first_note, _) = told.follows.first().filter(|_| !told.is_forgotten())?;
        let mut marks = peer_marks(told, watched, now);
        marks.extend(told.follows.iter().map(|&(at, note, is)| ((at, note, false), Mark::Followed(is))));
        for blind in watched.blind.iter().filter(|blind| blind.to >= tracked_since) {
            marks.push(((blind.from, blind.from_note, false), Mark::Blind(1)));
            marks.push(((blind.to, blind.to_note, false), Mark::Blind(-1)));
        }
        for (outage, _) in watched.outages.iter().filter(|outage| outage.0.to >= tracked_since) {
            marks.push(((outage.from, outage.from_note, false), Mark::Outage(true)));
            marks.push(((outage.to, outage.to_note, false), Mark::Outage(false)));
        }
        marks.sort_by_key(|mark| mark.0);

        let mut changes = Vec::new();
        let (mut is, mut is_followed, mut blind, mut is_out) = (Presence::Unobserved, false, 0, false);
        for together in marks.chunk_by(|one, next| one.0 == next.0) {
            let (at, note, _) = together[0].0;
            if at > now {
                break;
            }
            for &(_, mark) in together {
                match mark {
                    Mark::Peer(presence) => is = presence,
                    Mark::Followed(followed) => is_followed = followed,
                    Mark::Blind(more) => blind += more,
                    Mark::Outage(out) => is_out = out,
                }
            }
            let is_hidden = !is_followed || blind > 0 || is_out && is == Presence::Offline;
            let presence = if is_hidden { Presence::Unobserved } else { is };
            let last = changes.last().map_or(Presence::Unobserved, |change: &(u64, Presence)| change.1);
            if presence != last && (at, note) >= (tracked_since, first_note) {
                changes.push((at, presence));
            }
        }
        Some(Self::summed_up(tracked_since, changes, is_followed))
    }

    fn summed_up(tracked_since: u64, changes: Vec<(u64, Presence)>, is_followed: bool) -> Self {
        let (mut sums, mut sum, mut last) = (Vec::new(), (0, 0), (tracked_since, Presence::Unobserved));
        let (mut flaps, mut disconnects) = (FlapCount::default(), 0);
        for &(at, presence) in &changes {
            sum = grown(sum, last.1, at - last.0);
            if last.1 != Presence::Unobserved && presence != Presence::Unobserved {
                flaps.record_flap(at);
                disconnects += u32::from(presence == Presence::Offline);
            }
            last = (at, presence);
            sums.push(sum);
        }
        Self { tracked_since, changes, sums, flaps, disconnects, is_followed }
    }

    pub(crate) fn presence(&self) -> Presence {
        self.changes.last().map_or(Presence::Unobserved, |last| last.1)
    }

    /// Online and observed time until a moment.
    pub(crate) fn sums(&self, at: u64) -> (u64, u64) {
        let next = self.changes.partition_point(|change| change.0 <= at);
        let Some(place) = next.checked_sub(1) else { return (0, 0) };
        let (from, presence) = self.changes[place];
        grown(self.sums[place], presence, at - from)
    }

    /// Online and observed time in `[from, to)`.
    pub(crate) fn spent(&self, from: u64, to: u64) -> (u64, u64) {
        let (from, to) = (self.sums(from), self.sums(to));
        (to.0 - from.0, to.1 - from.1)
    }

    /// The stretches of time that are known to be of one kind.
    pub(crate) fn known(&self, until: u64) -> impl Iterator<Item = (u64, u64, bool)> {
        let ends = self.changes.iter().skip(1).map(|change| change.0).chain([u64::MAX]);
        let ends = ends.map(move |end| end.min(until));
        let known = self.changes.iter().zip(ends).filter(|((from, _), to)| from < to);
        known.filter_map(|(&(from, presence), to)| Some((from, to, presence.is_online()?)))
    }

    /// A channel can carry payments while its peer is online, if it could when that was last told.
    pub(super) fn channel(&self, told: &ToldChannel, now: u64) -> ChannelAccount {
        let (mut usable_ns, mut usable_observed_ns) = (0, 0);
        let ends = told.ready.iter().skip(1).map(|ready| ready.0).chain([now]);
        for (&(from, ready), to) in told.ready.iter().zip(ends) {
            let (online, observed) = self.spent(from, to);
            usable_ns += if ready { online } else { 0 };
            usable_observed_ns += observed;
        }
        let usable = match (told.ready.last(), self.presence()) {
            (None, _) | (_, Presence::Unobserved) => Presence::Unobserved,
            (Some((_, ready)), presence) => (*ready && presence == Presence::Online).into(),
        };
        ChannelAccount { opened: told.opened, funding: told.funding, usable, usable_ns, usable_observed_ns }
    }
}

fn grown(sum: (u64, u64), presence: Presence, by: u64) -> (u64, u64) {
    match presence {
        Presence::Unobserved => sum,
        Presence::Offline => (sum.0, sum.1 + by),
        Presence::Online => (sum.0 + by, sum.1 + by),
    }
}

/// What a peer was, leaving aside whether we could tell.
///
/// Who was lost by our fault has until the end of a grace to come back. Is it back then, or was there no
/// grace that was not cut short, then nothing is known of the time until its return; otherwise it was
/// offline since the gap, if that was told at all.
fn peer_marks(told: &Told, watched: &Watched, now: u64) -> Vec<(Place, Mark)> {
    let mut marks: Vec<(Place, Mark)> =
        told.states.iter().map(|&(at, note, is)| ((at, note, false), Mark::Peer(is.into()))).collect();
    let mut excused = Vec::new();
    for (number, stretch) in told.stretches.iter().enumerate() {
        if stretch.span.to > now || !watched.is_excused(told, stretch) {
            continue;
        }
        let next = told.stretches.get(number + 1);
        let back = next.map_or((u64::MAX, usize::MAX), |next| (next.span.from, next.span.from_note));
        excused.push((stretch, back));
    }
    let mut waits = excused.iter().map(|(stretch, back)| wait(told, watched, stretch, *back)).peekable();
    // Of what is told during a wait nothing counts.
    marks.retain(|&((at, note, _), _)| {
        while waits.next_if(|wait| wait.until < (at, note)).is_some() {}
        waits.peek().is_none_or(|wait| (at, note) < wait.from || wait.until <= (at, note))
    });
    for (stretch, back) in excused {
        let wait = wait(told, watched, stretch, back);
        marks.push(((wait.from.0, wait.from.1, false), Mark::Peer(Presence::Unobserved)));
        marks.extend(wait.after);
    }
    marks
}

struct Wait {
    from: (u64, usize),
    until: (u64, usize),
    /// What the peer was, as it turned out.
    after: Option<(Place, Mark)>,
}

fn wait(told: &Told, watched: &Watched, stretch: &Stretch, back: (u64, usize)) -> Wait {
    let from = (stretch.span.to, stretch.span.to_note);
    let let_go = told.follows.iter().find(|follow| (follow.0, follow.1) > from && !follow.2);
    let end = let_go.map_or(back, |let_go| back.min((let_go.0, let_go.1)));
    let is_at =
        |place: (u64, usize), is: Option<bool>| Some(((place.0, place.1, true), Mark::Peer(is.into())));
    // At its end the grace ends first.
    let Some(grace) = watched.grace_after(stretch).filter(|grace| grace.1 <= end.0) else {
        // Who was let go and is followed again is what was told of it.
        let after = if end < back { is_at(end, told.state_before(end)) } else { None };
        return Wait { from, until: end, after };
    };
    let until = (grace.1, 0);
    let offline = told.state_before(until).filter(|is_up| !is_up);
    let since = (grace.0.max(from.0), usize::MAX);
    Wait { from, until, after: offline.and_then(|_| is_at(since, offline)) }
}
