//! The state of one observer in memory, and how it is loaded and claimed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_store::StoreError;

use crate::journal_entry::{self, Op};
use crate::keys::Values;
use crate::manifest::{Manifest, Root};
use crate::row::Overlay;
use crate::session::Session;

/// The maximum number of concurrent reads, writes or removals.
pub(crate) const MAX_CONCURRENT_REQUESTS: usize = 16;

/// How often a load is attempted while another process writes.
const MAX_LOAD_ATTEMPTS: usize = 4;

/// The part of an observer's data that is kept in memory.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) loaded: bool,
    /// The session of this store, claimed or not.
    pub(crate) session: Session,
    pub(crate) claim: Claim,
    /// The root and the manifest at the time of the load.
    pub(crate) found: Found,
    /// Whether another process was writing, so that the data had to be loaded again.
    pub(crate) concurrent_writer: bool,
    pub(crate) manifest: Arc<Manifest>,
    /// The number of the next journal entry.
    pub(crate) next: u64,
    pub(crate) journal_bytes: usize,
    pub(crate) overlay: Overlay,
    /// Whether the next commit must write a manifest: this session has none, or its last write failed.
    pub(crate) must_fold: bool,
    pub(crate) next_page: u32,
    /// Keys of this and earlier sessions that are no longer needed.
    pub(crate) garbage: BTreeSet<String>,
    /// Whether the keys of earlier sessions have been listed.
    pub(crate) garbage_listed: bool,
    /// Incremented with each manifest.
    pub(crate) generation: u64,
}

/// Whether this session may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing has been written yet.
    None,
    Ours,
    /// Another session claimed the observer.
    Lost,
}

/// The root and the manifest that it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) root: Option<Root>,
    /// The current manifest and the session that wrote it.
    pub(crate) manifest: Option<(Session, Vec<u8>)>,
}

/// The state of one observer and its values.
pub(crate) struct Inner {
    pub(crate) values: Values,
    state: Mutex<State>,
}

impl State {
    fn new(found: Found) -> Self {
        Self {
            loaded: true,
            session: Session::after(found.root.map(|root| root.session)),
            claim: Claim::None,
            found,
            concurrent_writer: false,
            manifest: Arc::new(Manifest::empty()),
            next: 0,
            journal_bytes: 0,
            overlay: Overlay::default(),
            must_fold: true,
            next_page: 0,
            garbage: BTreeSet::new(),
            garbage_listed: false,
            generation: 0,
        }
    }
}

impl Inner {
    pub(crate) fn new(values: Values) -> Self {
        let state = State { loaded: false, ..State::new(Found::default()) };
        Self { values, state: Mutex::new(state) }
    }

    /// Locks the state. The lock must not be held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads the data, unless it has been loaded. Only the caller that has the turn may call this.
    pub(crate) async fn ensure_loaded(&self) -> Result<(), StoreError> {
        if self.state().loaded {
            return Ok(());
        }
        let loaded = self.load().await?;
        let mut state = self.state();
        let (generation, concurrent_writer) = (state.generation + 1, state.concurrent_writer);
        *state = State { generation, concurrent_writer, ..loaded };
        Ok(())
    }

    async fn load(&self) -> Result<State, StoreError> {
        let mut loads = 1;
        loop {
            match self.load_once().await {
                // Values may disappear while another process writes.
                Err(StoreError::Corrupt { .. }) if loads < MAX_LOAD_ATTEMPTS => loads += 1,
                result => return result,
            }
        }
    }

    async fn load_once(&self) -> Result<State, StoreError> {
        let values = &self.values;
        let found = self.find().await?;
        let keys: HashSet<String> = values.list().await?.into_iter().collect();
        let mut state = State::new(found);
        let Some(root) = state.found.root else {
            if keys.iter().any(|key| Session::epoch_of(key).is_some()) {
                return Err(
                    values.corrupt(crate::keys::ROOTS, "the value is missing although its data exists")
                );
            }
            return Ok(state);
        };
        let manifest = state.found.manifest.as_ref();
        // A session's first journal entry comes after its first manifest.
        if manifest.is_none_or(|(session, _)| *session != root.session)
            && keys.iter().any(|key| key.starts_with('j') && root.session.wrote(key))
        {
            return Err(
                values.corrupt(&root.session.manifest(), "the value is missing although its journal exists")
            );
        }
        let Some((session, value)) = manifest else { return Ok(state) };
        let manifest = Manifest::decode(values, &session.manifest(), value)?;
        let (session, start) = (*session, manifest.start);
        let journal = self.journal(session, &manifest, &keys).await?;
        state.next = start;
        for (number, (bytes, ops)) in journal {
            let key = session.slot(number % manifest.ring);
            if number != state.next {
                let missing = session.slot(state.next % manifest.ring);
                return Err(values.corrupt(&missing, "the value is missing from the middle of the journal"));
            }
            for op in &ops {
                state.overlay.apply(op).map_err(|reason| values.corrupt(&key, reason))?;
            }
            state.next += 1;
            state.journal_bytes += bytes;
        }
        state.manifest = Arc::new(manifest);
        Ok(state)
    }

    /// Reads the journal entries that are newer than the manifest, by number.
    async fn journal(
        &self,
        session: Session,
        manifest: &Manifest,
        keys: &HashSet<String>,
    ) -> Result<BTreeMap<u64, (usize, Vec<Op>)>, StoreError> {
        let slots: Vec<u64> = (0..manifest.ring).filter(|slot| keys.contains(&session.slot(*slot))).collect();
        let mut journal = BTreeMap::new();
        for slots in slots.chunks(MAX_CONCURRENT_REQUESTS) {
            let keys: Vec<String> = slots.iter().map(|slot| session.slot(*slot)).collect();
            let read = self.values.get_all(&keys).await?;
            for ((slot, key), value) in slots.iter().zip(&keys).zip(read) {
                let Some(value) = value else { continue };
                let (number, ops) = journal_entry::decode(&self.values, key, &value)?;
                if number < manifest.start {
                    continue;
                }
                if number % manifest.ring != *slot {
                    return Err(self.values.corrupt(key, "the value is the journal entry of another key"));
                }
                journal.insert(number, (value.len(), ops));
            }
        }
        Ok(journal)
    }

    /// Reads the root and the current manifest.
    pub(crate) async fn find(&self) -> Result<Found, StoreError> {
        let values = &self.values;
        let Some(root) = values.root().await? else { return Ok(Found::default()) };
        let root = Root::decode(values, &root)?;
        let own = values.get(&root.session.manifest()).await?;
        let manifest = match (own, root.parent) {
            (Some(value), _) => Some((root.session, value)),
            (None, None) => None,
            (None, Some(parent)) => {
                let value = values.get(&parent.manifest()).await?;
                let reason = "the value is missing, and that of the previous session as well";
                let missing = || values.corrupt(&root.session.manifest(), reason);
                Some((parent, value.ok_or_else(missing)?))
            }
        };
        Ok(Found { root: Some(root), manifest })
    }

    /// Claims the observer, unless the session that was found has continued.
    pub(crate) async fn claim(&self) -> Result<(), StoreError> {
        let (ours, found, concurrent_writer) = {
            let state = self.state();
            let parent = state.found.manifest.as_ref().map(|(session, _)| *session);
            let ours = Root { session: state.session, parent };
            match state.claim {
                Claim::Ours => return Ok(()),
                Claim::Lost => return Err(self.values.locked()),
                Claim::None => (ours, state.found.clone(), state.concurrent_writer),
            }
        };
        let now = self.find().await?;
        // The write of a claim that failed may have taken effect.
        let is_retry = now.root == Some(ours) && now.manifest == found.manifest;
        if concurrent_writer || (now != found && !is_retry) || self.has_newer_entry().await? {
            return Err(self.lose());
        }
        self.values.put_root(ours.encode(&self.values)).await?;
        // Detects a session that stored something before it could see this claim.
        let now = self.find().await?;
        if now.root != Some(ours) || now.manifest != found.manifest || self.has_newer_entry().await? {
            return Err(self.lose());
        }
        self.state().claim = Claim::Ours;
        Ok(())
    }

    /// Whether there is a newer journal entry than those that were loaded.
    async fn has_newer_entry(&self) -> Result<bool, StoreError> {
        let (key, next) = {
            let state = self.state();
            let Some((session, _)) = &state.found.manifest else { return Ok(false) };
            (session.slot(state.next % state.manifest.ring), state.next)
        };
        let Some(value) = self.values.get(&key).await? else { return Ok(false) };
        Ok(journal_entry::decode(&self.values, &key, &value)?.0 >= next)
    }

    /// Fails if another session has claimed the observer. If it succeeds, a later claim finds everything that was
    /// written before this call.
    pub(crate) async fn ensure_still_claimed(&self) -> Result<(), StoreError> {
        let Some(root) = self.values.root().await? else {
            return Err(self.values.corrupt(crate::keys::ROOTS, "the value has disappeared"));
        };
        let session = self.state().session;
        if Root::decode(&self.values, &root)?.session == session { Ok(()) } else { Err(self.lose()) }
    }

    fn lose(&self) -> StoreError {
        let mut state = self.state();
        state.claim = Claim::Lost;
        tracing::warn!(observer = %self.values.observer, "another process stores the history of the same node");
        self.values.locked()
    }
}
