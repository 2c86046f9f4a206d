//! Collections with stable slots, and indexes that find a slot by key.
//!
//! Items are stored in chunks of fixed size and never move. A collection of a million peers therefore grows
//! without copying them and without leaving half of its memory unused, and an item can refer to another by
//! its slot.

use alloc::vec::Vec;
use core::hash::Hasher;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// The seed of the tracker's hash tables.
///
/// It must be random unless all peers are trusted, because node ids and channel ids are chosen by the peers.
/// A fixed seed is fine in tests.
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

/// The position of an item. It is reused after the item is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

const CHUNK: usize = 1024;

fn position(slot: Slot) -> (usize, usize) {
    (slot.0 as usize / CHUNK, slot.0 as usize % CHUNK)
}

/// A collection of items by slot.
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
        let (chunk, item_index) = position(slot);
        self.chunks.get(chunk)?.get(item_index)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (chunk, item_index) = position(slot);
        self.chunks.get_mut(chunk)?.get_mut(item_index)?.as_mut()
    }

    pub(crate) fn insert(&mut self, item: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            let (chunk, item_index) = position(slot);
            self.chunks[chunk][item_index] = Some(item);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunks = self.chunks.len();
        let last = &mut self.chunks[chunks - 1];
        let index = (chunks - 1) * CHUNK + last.len();
        last.push(Some(item));
        // Memory cannot hold four billion items.
        Slot(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let (chunk, item_index) = position(slot);
        let item = self.chunks.get_mut(chunk)?.get_mut(item_index)?.take()?;
        self.free.push(slot);
        Some(item)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.chunks.iter().flatten().enumerate().filter_map(|(index, item)| {
            Some((Slot(u32::try_from(index).unwrap_or(u32::MAX)), item.as_ref()?))
        })
    }

    /// Returns the number of slots, including free ones.
    pub(crate) fn slot_count(&self) -> usize {
        self.chunks.split_last().map_or(0, |(last, full)| full.len() * CHUNK + last.len())
    }

    /// Returns the items in the slots from `start` to `end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> impl Iterator<Item = (Slot, &T)> {
        (start..end.min(self.slot_count())).filter_map(|index| {
            let slot = Slot(u32::try_from(index).ok()?);
            Some((slot, self.get(slot)?))
        })
    }

    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}

/// Maps keys to slots, for items with one key each. Takes four bytes per item, so the index of 100,000 items
/// fits into a processor's cache.
///
/// The keys are stored in the items, so the methods take callbacks: `has_key` returns whether the item in a
/// slot has the key, and `key_of` returns the key of a slot.
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

    pub(crate) fn find(&self, key: &[u8], has_key: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.table.find(self.seed.hash(key), |&slot| has_key(slot)).copied()
    }

    /// Adds a slot for a key that is not in the index.
    pub(crate) fn insert<'a>(&mut self, key: &[u8], slot: Slot, key_of: impl Fn(Slot) -> &'a [u8]) {
        let seed = self.seed;
        self.table.insert_unique(seed.hash(key), slot, |&slot| seed.hash(key_of(slot)));
    }

    pub(crate) fn remove(&mut self, key: &[u8], slot: Slot) {
        if let Ok(entry) = self.table.find_entry(self.seed.hash(key), |&other| other == slot) {
            entry.remove();
        }
    }
}

/// Maps keys to slots, for items with many keys. Takes eight bytes per key, including 32 bits of its hash.
#[derive(Debug)]
pub(crate) struct MultiIndex {
    seed: HashSeed,
    table: HashTable<(u32, Slot)>,
}

impl MultiIndex {
    pub(crate) const fn new(seed: HashSeed) -> Self {
        Self { seed, table: HashTable::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns the slot whose item has this key, as determined by `has_key`.
    pub(crate) fn find(&self, key: &[u8], has_key: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = self.short_hash(key);
        self.table.find(spread(hash), |&(other, slot)| other == hash && has_key(slot)).map(|&(_, slot)| slot)
    }

    /// Adds a slot for a key that is not in the index.
    pub(crate) fn insert(&mut self, key: &[u8], slot: Slot) {
        let hash = self.short_hash(key);
        self.table.insert_unique(spread(hash), (hash, slot), |&(hash, _)| spread(hash));
    }

    pub(crate) fn remove(&mut self, key: &[u8], slot: Slot) {
        let hash = self.short_hash(key);
        if let Ok(entry) = self.table.find_entry(spread(hash), |&other| other == (hash, slot)) {
            entry.remove();
        }
    }

    // Any 32 bits of a keyed hash are equally good.
    #[allow(clippy::cast_possible_truncation)]
    fn short_hash(&self, key: &[u8]) -> u32 {
        self.seed.hash(key) as u32
    }
}

/// Expands a short hash. The table takes the position from the low bits and the tag from the high bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// A set of slots, with one bit per slot.
#[derive(Debug, Default)]
pub(crate) struct SlotSet {
    words: Vec<u64>,
    len: usize,
}

impl SlotSet {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        let (word, bit) = (slot.0 as usize / 64, 1 << (slot.0 % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        let (word, bit) = (slot.0 as usize / 64, 1 << (slot.0 % 64));
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) {
            *word &= !bit;
            self.len -= 1;
        }
    }

    /// Removes and returns up to `limit` slots, in ascending order.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Slot> {
        let mut taken = Vec::with_capacity(limit.min(self.len));
        for (word, bits) in (0_u32..).zip(&mut self.words) {
            while *bits != 0 && taken.len() < limit {
                taken.push(Slot(word * 64 + bits.trailing_zeros()));
                *bits &= *bits - 1;
            }
        }
        self.len -= taken.len();
        taken
    }
}
