//! What can be on a disk after a power loss: everything that was synced, and any part of what was written
//! since, in any order, down to single sectors.

use crate::faulty_disk::Step;

/// The unit that a disk writes completely or not at all.
const SECTOR: usize = 512;

/// A power loss after some of the steps.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    /// The number of completed steps.
    pub(crate) at: usize,
    durable: &'a [u8],
    /// Writes and length changes since the last sync.
    pending: &'a [&'a Step],
    /// The numbers of acknowledged and of begun commits.
    pub(crate) stored: usize,
    pub(crate) begun: usize,
    /// The number of syncs before.
    pub(crate) syncs: usize,
    /// Whether the next step is a sync, so that the pending steps are complete.
    at_its_fullest: bool,
}

/// Which of the pending steps are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Nothing,
    All,
    /// All, but only these bytes of the newest write.
    Torn {
        from: usize,
        to: usize,
    },
    /// Only these bytes of the newest write.
    Alone {
        from: usize,
        to: usize,
    },
    /// All but one.
    Without(usize),
    /// Only one.
    Only(usize),
    /// Random sectors.
    Chance(u64),
}

/// Calls `cut` with a power loss before the first step and after each step.
pub(crate) fn each_cut(start: &[u8], steps: &[Step], mut cut: impl FnMut(&Cut<'_>)) {
    let mut durable = start.to_vec();
    let mut pending: Vec<&Step> = Vec::new();
    let (mut stored, mut begun, mut syncs) = (0, 0, 0);
    for at in 0..=steps.len() {
        match at.checked_sub(1).map(|last| &steps[last]) {
            None => {}
            Some(step @ (Step::Write(..) | Step::SetLen(_))) => pending.push(step),
            Some(Step::Sync) => {
                pending.drain(..).for_each(|step| apply_step(&mut durable, step, false, |_| true));
                syncs += 1;
            }
            Some(Step::LostSync) => {
                // A new length is metadata, which is kept.
                pending.retain(|step| matches!(step, Step::SetLen(_)));
            }
            Some(Step::Begun) => begun += 1,
            Some(Step::Stored) => stored += 1,
        }
        let at_its_fullest = matches!(steps.get(at), Some(Step::Sync) | None);
        cut(&Cut { at, durable: &durable, pending: &pending, stored, begun, syncs, at_its_fullest });
    }
}

impl Cut<'_> {
    /// Returns the variants to try. The newest write is torn at so many places at most; `seed` selects the
    /// random ones.
    pub(crate) fn variants(&self, tears: usize, seed: u64) -> Vec<Variant> {
        let mut variants = vec![Variant::Nothing];
        if self.pending.is_empty() {
            return variants;
        }
        variants.push(Variant::All);
        if let Some(Step::Write(offset, data)) = self.pending.last() {
            let before = self.image(Variant::Without(self.pending.len() - 1));
            let place = usize::try_from(*offset).expect("an operation in memory");
            variants.extend(torn(before.get(place..).unwrap_or_default(), data, tears, self.at));
        }
        if self.at_its_fullest {
            let each = 0..self.pending.len();
            variants.extend(each.flat_map(|step| [Variant::Without(step), Variant::Only(step)]));
        }
        let mut seeds = fastrand::Rng::with_seed(seed ^ self.at as u64);
        let chances = if self.at_its_fullest { 16 } else { 2 };
        variants.extend((0..chances).map(|_| Variant::Chance(seeds.u64(..))));
        variants
    }

    /// Returns the contents of the disk.
    pub(crate) fn image(&self, variant: Variant) -> Vec<u8> {
        let mut image = self.durable.to_vec();
        let newest = self.pending.len().saturating_sub(1);
        let mut chance = fastrand::Rng::with_seed(if let Variant::Chance(seed) = variant { seed } else { 0 });
        for (number, step) in self.pending.iter().enumerate() {
            let torn = matches!(variant, Variant::Torn { .. } | Variant::Alone { .. });
            apply_step(&mut image, step, torn, |byte| match variant {
                Variant::Nothing => false,
                Variant::All => true,
                Variant::Torn { from, to } => number < newest || (from..to).contains(&byte),
                Variant::Alone { from, to } => number == newest && (from..to).contains(&byte),
                Variant::Without(one) => number != one,
                Variant::Only(one) => number == one,
                Variant::Chance(_) => chance.bool(),
            });
        }
        image
    }
}

/// Returns the ways to tear a write; `turn` selects other places. A write is torn between sectors, so that
/// its beginning or its end is written. The header alone is shorter than a sector and is torn between bytes,
/// which redb claims to survive.
fn torn(before: &[u8], data: &[u8], at_most: usize, turn: usize) -> Vec<Variant> {
    let (part, len) = (part_of(data.len()), data.len());
    let changes = |place: &usize| before.get(*place..*place + part) != data.get(*place..*place + part);
    let places: Vec<usize> = (part..len).step_by(part).filter(changes).collect();
    let step = places.len().div_ceil(at_most).max(1);
    let torn = |place: usize| {
        let beginning = [Variant::Torn { from: 0, to: place }, Variant::Alone { from: 0, to: place }];
        let end = [Variant::Torn { from: place, to: len }, Variant::Alone { from: place, to: len }];
        beginning.into_iter().chain(end.into_iter().filter(move |_| part > 1))
    };
    places.into_iter().skip(turn % step).step_by(step).flat_map(torn).collect()
}

/// Returns the size of the parts into which a write is torn.
const fn part_of(len: usize) -> usize {
    if len < SECTOR { 1 } else { SECTOR }
}

/// Applies a step to an image, for the sectors (or parts of a torn write) for which `is_written` returns
/// true. Its argument is the offset of the first byte.
fn apply_step(image: &mut Vec<u8>, step: &Step, torn: bool, mut is_written: impl FnMut(usize) -> bool) {
    match step {
        Step::SetLen(len) => {
            if is_written(0) {
                image.resize(usize::try_from(*len).expect("an operation in memory"), 0);
            }
        }
        Step::Write(offset, data) => {
            let offset = usize::try_from(*offset).expect("an operation in memory");
            let size = if torn { part_of(data.len()) } else { SECTOR };
            for (number, part) in data.chunks(size).enumerate() {
                let first = number * size;
                let place = offset + first..offset + first + part.len();
                // Bytes beyond the end of the file are ignored.
                if let (true, Some(place)) = (is_written(first), image.get_mut(place)) {
                    place.copy_from_slice(part);
                }
            }
        }
        Step::Sync | Step::LostSync | Step::Begun | Step::Stored => {}
    }
}
