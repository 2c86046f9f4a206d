//! What can be on a disk after the power was cut: all that was synced, and of what was written since
//! anything, in any order, down to single sectors.

use crate::disk::Step;

/// What a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// The power is cut after some of the steps.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    /// How many steps were done.
    pub(crate) at: usize,
    durable: &'a [u8],
    /// Done since the last sync; writes and lengths alone.
    pending: &'a [&'a Step],
    /// How many commits were acknowledged, and how many begun.
    pub(crate) stored: usize,
    pub(crate) begun: usize,
    /// How many syncs there were before.
    pub(crate) syncs: usize,
    /// The next step is a sync: more than this is never pending.
    at_its_fullest: bool,
}

/// What of the pending steps has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Nothing,
    All,
    /// All, but of the newest write these bytes alone.
    Torn {
        from: usize,
        to: usize,
    },
    /// These bytes of the newest write, and nothing else.
    Alone {
        from: usize,
        to: usize,
    },
    /// All but one.
    Without(usize),
    /// One alone.
    Only(usize),
    /// Sectors by chance.
    Chance(u64),
}

/// Cuts the power after each of the steps, and before the first.
pub(crate) fn each_cut(start: &[u8], steps: &[Step], mut cut: impl FnMut(&Cut<'_>)) {
    let mut durable = start.to_vec();
    let mut pending: Vec<&Step> = Vec::new();
    let (mut stored, mut begun, mut syncs) = (0, 0, 0);
    for at in 0..=steps.len() {
        match at.checked_sub(1).map(|last| &steps[last]) {
            None => {}
            Some(step @ (Step::Write(..) | Step::SetLen(_))) => pending.push(step),
            Some(Step::Sync) => {
                pending.drain(..).for_each(|step| land(&mut durable, step, false, |_| true));
                syncs += 1;
            }
            Some(Step::LostSync) => {
                // The length is no content, and is not forgotten.
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
    /// The variants worth trying: the newest write is torn at so many places at most, and `seed` leads
    /// to those by chance.
    pub(crate) fn variants(&self, tears: usize, seed: u64) -> Vec<Variant> {
        let mut variants = vec![Variant::Nothing];
        if self.pending.is_empty() {
            return variants;
        }
        variants.push(Variant::All);
        if let Some(Step::Write(offset, data)) = self.pending.last() {
            let before = self.image(Variant::Without(self.pending.len() - 1));
            let place = usize::try_from(*offset).expect("it is in memory");
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

    /// What is on the disk.
    pub(crate) fn image(&self, variant: Variant) -> Vec<u8> {
        let mut image = self.durable.to_vec();
        let newest = self.pending.len().saturating_sub(1);
        let mut chance = fastrand::Rng::with_seed(if let Variant::Chance(seed) = variant { seed } else { 0 });
        for (number, step) in self.pending.iter().enumerate() {
            let torn = matches!(variant, Variant::Torn { .. } | Variant::Alone { .. });
            land(&mut image, step, torn, |byte| match variant {
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

/// The ways to tear a write, with the `turn` at other places: between sectors, so that its beginning
/// or its end lands. The header alone, which is shorter than a sector, is torn between bytes: redb
/// means to survive that.
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

/// Of how many bytes each the parts of a write are.
const fn part_of(len: usize) -> usize {
    if len < SECTOR { 1 } else { SECTOR }
}

/// Does a step to an image, as far as `lands` says of each sector, by its first byte; where it is
/// torn, of each part.
fn land(image: &mut Vec<u8>, step: &Step, torn: bool, mut lands: impl FnMut(usize) -> bool) {
    match step {
        Step::SetLen(len) => {
            if lands(0) {
                image.resize(usize::try_from(*len).expect("it is in memory"), 0);
            }
        }
        Step::Write(offset, data) => {
            let offset = usize::try_from(*offset).expect("it is in memory");
            let size = if torn { part_of(data.len()) } else { SECTOR };
            for (number, part) in data.chunks(size).enumerate() {
                let first = number * size;
                let place = offset + first..offset + first + part.len();
                // What lies beyond the end of a file belongs to no file.
                if let (true, Some(place)) = (lands(first), image.get_mut(place)) {
                    place.copy_from_slice(part);
                }
            }
        }
        Step::Sync | Step::LostSync | Step::Begun | Step::Stored => {}
    }
}
