//! Stores peer and channel fitness in any LDK `KVStore`, where a wallet keeps its channels.
//!
//! [`KvStore`] implements [`Store`](fitness_store::Store) on a `KVStore` or a `KVStoreSync` of
//! `lightning` 0.2, such as LDK's `FilesystemStore`, ldk-node's `SqliteStore` or a store on a network. These
//! stores have no transactions. This crate relies on two guarantees only: a value is written completely or
//! not at all, and writes to one key take effect in order.
//!
//! # What is stored
//!
//! All keys are in the primary namespace `ldk_fitness`.
//!
//! | secondary namespace | key | value |
//! |---|---|---|
//! | `observers` | the observer's id | the **root**: which session may write |
//! | the observer's id | `m-<session>` | the **manifest** of a session: its pages, the beginning of its journal, the observer's record |
//! | the observer's id | `p-<session>-<number>` | a **page**: about 32 KiB of adjacent rows (gaps, then peers, then log segments); never changed |
//! | the observer's id | `j-<session>-<slot>` | a **journal entry**: one batch |
//!
//! A session is the use of one observer by one store, from the first commit on. Its name is an increasing
//! number and a random one. A commit writes one journal entry. When the journal is full (32 to 1,024 entries,
//! or 64 KiB to 8 MiB, depending on the amount of stored data), or a batch is too large for it, the commit
//! folds the journal into pages: it writes new pages, under new keys, for the rows of the journal and the
//! batch, then the manifest, and then removes the old pages. Journal slots are overwritten from the first one
//! on and never removed.
//!
//! # Why a crash is safe
//!
//! A batch takes effect with one write: that of its journal entry or that of the manifest. Pages that no
//! manifest refers to are ignored, and pages are removed only after the manifest no longer refers to them. A
//! journal that ends early was interrupted by a crash. A journal with a gap, or a missing page, is damage
//! and is reported as such. If another program removes the newest journal entry, or the only manifest of the
//! first session, this cannot be distinguished from a crash. Every value has a format version and a checksum
//! over observer, key and contents.
//!
//! After a power loss, any of the writes in flight may have taken effect, and removals, which are lazy, may
//! have been undone; a later session repeats them. The durability of completed writes is that of the
//! `KVStore`.
//!
//! A failed write may have taken effect. The next journal entry overwrites it under the same key, a new
//! manifest starts the journal after it, and page numbers are never reused.
//!
//! # Two processes
//!
//! A `KVStore` cannot be locked. So the first commit of a session claims the observer by writing the root. Every
//! commit reads the root after its write, and returns `Ok` only if no other session has claimed the observer
//! meanwhile. A session that claims the observer reads the journal after writing the root. So at least one of
//! two concurrent sessions detects the other.
//!
//! - The earlier session is fenced: its next commit and all later ones fail with
//!   [`StoreError::Locked`](fitness_store::StoreError::Locked). Its acknowledged commits are kept. Later writes
//!   of it have no effect, since it writes only under its own keys and removes nothing before reading the root.
//! - If another session has stored something between the load of a session and its first commit, that commit
//!   fails with the same error, because the state of its service is outdated. The store must be opened again.
//! - A store that is only read from writes nothing and is not detected. It returns the data as of its first read.
//!
//! This requires reads that return the last written value. A second copy of the data, such as a restored backup
//! or a lagging replica, is not detected.
//!
//! # What it costs
//!
//! | what | reads | writes | bytes written |
//! |---|---|---|---|
//! | a flap of a peer with one channel, with the heartbeat | 1 | 1 | 404; the first time after a fold with the whole segment, at most 1.9 KB |
//! | a heartbeat | 1 | 1 | 112 |
//! | a fold, after 32 commits of a wallet | one page | one page and the manifest | 10 KB |
//! | the first commit of a session | the journal, one page and ten more values | the root, the manifest, one page | 11 KB |
//!
//! A wallet with ten peers has three keys and a journal of 32 slots; a thousand flaps take 1,032 writes with 1 MB
//! in total. A node with 20,000 peers has 134 pages and 201 slots; a commit of ten peers takes 1.6 writes and
//! 22 KB on average, including folds. Keys of an earlier session are removed by the next one.
//!
//! Up to 16 values are read, written or removed at the same time. On a remote store, loading those 20,000 peers
//! takes 14 round trips, and a fold that rewrites all their pages takes 29.
//!
//! The rows of the journal are kept in memory, and about 80 bytes for each page. Peers and logs are read from
//! the `KVStore` on demand.

mod commit;
mod envelope;
mod fold;
mod journal_entry;
mod keys;
mod manifest;
mod page;
mod read;
mod row;
mod session;
mod state;
mod store;
mod turn_queue;

pub use store::KvStore;
