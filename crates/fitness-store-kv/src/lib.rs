//! Peer and channel fitness kept in any `KVStore` of LDK's: where a wallet keeps its channels.
//!
//! [`KvStore`] is a [`Store`](fitness_store::Store) over a `KVStore` or a `KVStoreSync` of
//! `lightning` 0.2: LDK's `FilesystemStore`, ldk-node's `SqliteStore`, a store over a network. Such
//! stores have no transactions: all they promise is that one value is written wholly or not at all, and
//! that writes to one key take effect in their order. Nothing else is relied upon.
//!
//! # What is stored
//!
//! All keys are in the primary namespace `ldk_fitness`.
//!
//! | secondary namespace | key | value |
//! |---|---|---|
//! | `observers` | the observer's id | the **root**: which session may write |
//! | the observer's id | `m-<session>` | a session's **manifest**: its pages, where its journal begins, the observer's record |
//! | the observer's id | `p-<session>-<number>` | a **page**: some 32 KiB of neighbouring rows (gaps, then peers, then segments of logs); never changed |
//! | the observer's id | `j-<session>-<slot>` | a **journal entry**: one batch |
//!
//! A session is one store's time with one observer; its name is a number that grows and one made by
//! chance. A commit is one journal entry. When the journal is full (32 to 1,024 entries, or 64 KiB to 8 MiB, by
//! the size of what is stored), or when a batch is too large for it, the commit folds it: the pages that the
//! journal's rows and the batch's belong to are written anew, under new keys; then the manifest; then the old
//! pages are removed. The slots of the journal are written over from the first one on, never removed.
//!
//! # Why a crash is harmless
//!
//! A batch lands with one write: that of its journal entry or that of the manifest. What is written before a
//! manifest is found by nobody without it; what is removed after it is looked for by nobody. A journal that
//! ends early ended with a crash; one with a hole in it, or a page that is missing, is damage and refused as
//! such. That the newest entry, or the only manifest of the first session, was taken away by somebody cannot be
//! told from a crash. Every value bears its format and a checksum over observer, key and content.
//!
//! A power loss is no worse: of the writes that are under way any may have landed, and removals, which are lazy, may
//! be undone; whoever comes next removes again what came back. That a write which was answered is durable is for
//! the `KVStore` to promise.
//!
//! A write that fails may have landed. The next journal entry goes over it, under the same key; a manifest after
//! it begins behind it, and no page number is used twice.
//!
//! # Two processes
//!
//! A `KVStore` cannot be locked. So the first commit of a session claims the observer: it writes the root.
//! Every commit reads the root after it has written, and returns `Ok` only if nobody claimed the observer
//! since; whoever claims it reads the journal after it has written the root. One of the two always sees the other.
//!
//! - The session before is fenced: its next commit is refused with
//!   [`StoreError::Locked`](fitness_store::StoreError::Locked), and so are all after it. What it was told is
//!   stored is there. Nothing that it writes later counts: it writes under keys of its own alone, and removes
//!   nothing without having read the root.
//! - A session that finds at its first commit that something was stored since it loaded is refused, with the same
//!   error, because what its service knows is out of date. It has to be opened anew.
//! - What only reads is not noticed, writes nothing, and sees what was there when it was first asked.
//!
//! This holds for stores that answer a read with the last value that was written. A copy of the data that goes
//! on elsewhere (a restored backup, a replica that lags) is not detected.
//!
//! # What it costs
//!
//! | what | reads | writes | bytes written |
//! |---|---|---|---|
//! | a flap of a peer with a channel, with the heartbeat | 1 | 1 | 404; with the whole segment, 1.9 KB at most, for the first time after a fold |
//! | a heartbeat | 1 | 1 | 112 |
//! | a fold, after 32 commits of a wallet | its page | its page and the manifest | 10 KB |
//! | the first commit of a session | the journal, its page and ten more | the root, the manifest, its page | 11 KB |
//!
//! A wallet with ten peers has three keys and a journal of 32; a thousand flaps are 1,032 writes of 1 MB in all.
//! A node with 20,000 peers has 134 pages and 201 slots; commits of ten peers each are 1.6 writes and 22 KB
//! on average, folds included. What a session leaves is removed by the next one.
//!
//! Up to 16 values are read, written or removed at the same time. What is far away is waited for 14 times by a
//! start that loads those 20,000 peers, and 29 times by a fold that writes all of their pages anew.
//!
//! In memory stand the journal's rows, and 80 bytes or so for each page. Peers and logs are read from the store
//! when they are asked for.

mod commit;
mod entry;
mod fold;
mod frame;
mod gate;
mod keys;
mod manifest;
mod names;
mod page;
mod read;
mod row;
mod state;
mod store;

pub use store::KvStore;
