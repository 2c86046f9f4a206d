//! A table of items in chunks of fixed size, found by their keys.
//!
//! The keyed index holds four bytes an item and the items never move, so a table of a million
//! peers grows without copying them and without leaving half of its memory empty, and an item can
//! refer to another by number.

use alloc::vec::Vec;
use core::hash::Hasher;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// The seed of the tracker's hash tables: peers choose their keys, so it has to be random where
/// strangers can open channels. A seed of zeros is fine in tests.
#[derive(Clone, Copy)]
pub struct HashSeed(pub [u8; 16]);

impl core::fmt::Debug for HashSeed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashSeed(..)")
    }
}

impl HashSeed {
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(key);
        hasher.finish()
    }
}

/// Where an item stands in its table. It is used again after the item is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    /// No item stands here.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

const CHUNK: usize = 1024;

fn place(slot: Slot) -> (usize, usize) {
    (slot.0 as usize / CHUNK, slot.0 as usize % CHUNK)
}

/// Items by number.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Slot>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let (chunk, item) = place(slot);
        self.chunks.get(chunk)?.get(item)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (chunk, item) = place(slot);
        self.chunks.get_mut(chunk)?.get_mut(item)?.as_mut()
    }

    pub(crate) fn insert(&mut self, item: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            let (chunk, place) = place(slot);
            self.chunks[chunk][place] = Some(item);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunks = self.chunks.len();
        let last = &mut self.chunks[chunks - 1];
        let index = (chunks - 1) * CHUNK + last.len();
        last.push(Some(item));
        // Four thousand million items do not fit into memory.
        Slot(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let (chunk, place) = place(slot);
        let item = self.chunks.get_mut(chunk)?.get_mut(place)?.take()?;
        self.free.push(slot);
        Some(item)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.chunks.iter().flatten().enumerate().filter_map(|(index, item)| {
            Some((Slot(u32::try_from(index).unwrap_or(u32::MAX)), item.as_ref()?))
        })
    }

    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}

/// Slots by key. The keys stand in the items.
#[derive(Debug)]
pub(crate) struct Index {
    seed: HashSeed,
    table: HashTable<Slot>,
}

impl Index {
    pub(crate) const fn new(seed: HashSeed) -> Self {
        Self { seed, table: HashTable::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Finds the slot whose item `is` the one with this key.
    pub(crate) fn find(&self, key: &[u8], is: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.table.find(self.seed.hash(key), |&slot| is(slot)).copied()
    }

    /// Adds a slot for a key that is not there; `key_hash` hashes the keys of the others.
    pub(crate) fn insert(&mut self, key: &[u8], slot: Slot, key_hash: impl Fn(&HashSeed, Slot) -> u64) {
        let seed = self.seed;
        self.table.insert_unique(seed.hash(key), slot, |&slot| key_hash(&seed, slot));
    }

    pub(crate) fn remove(&mut self, key: &[u8], slot: Slot) {
        if let Ok(entry) = self.table.find_entry(self.seed.hash(key), |&other| other == slot) {
            entry.remove();
        }
    }
}
