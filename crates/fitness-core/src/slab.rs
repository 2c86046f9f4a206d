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

    /// How many places there are, empty ones included.
    pub(crate) fn slot_count(&self) -> usize {
        self.chunks.split_last().map_or(0, |(last, full)| full.len() * CHUNK + last.len())
    }

    /// The items that stand in the places from `start` to `end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> impl Iterator<Item = (Slot, &T)> {
        (start..end.min(self.slot_count())).filter_map(|place| {
            let slot = Slot(u32::try_from(place).ok()?);
            Some((slot, self.get(slot)?))
        })
    }

    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}

/// Slots by key, where every item has one key: four bytes an item, so that the index of 100,000
/// stays in a processor's own cache.
///
/// The keys stand in the items, so it asks for them: `is` tells whether a slot's item has the key,
/// `key_of` a slot's key.
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

    pub(crate) fn find(&self, key: &[u8], is: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.table.find(self.seed.hash(key), |&slot| is(slot)).copied()
    }

    /// Adds a slot for a key that is not there.
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

/// Slots by key, where one item may have many keys: eight bytes a key, 32 bits of its hash among them.
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

    /// Finds the slot whose item `has` this key.
    pub(crate) fn find(&self, key: &[u8], has: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = self.short_hash(key);
        self.table.find(spread(hash), |&(other, slot)| other == hash && has(slot)).map(|&(_, slot)| slot)
    }

    /// Adds a slot for a key that is not there.
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

    // Any 32 bits of a keyed hash are as good as any other.
    #[allow(clippy::cast_possible_truncation)]
    fn short_hash(&self, key: &[u8]) -> u32 {
        self.seed.hash(key) as u32
    }
}

/// The table takes a key's place from the low bits of its hash and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// A set of slots, one bit each.
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

    /// Takes up to `limit` slots out, in their order.
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
