//! What a store knows of one observer, and finding it out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_store::StoreError;

use crate::entry::{self, Op};
use crate::keys::Values;
use crate::manifest::{Manifest, Root};
use crate::names::Session;
use crate::row::Overlay;

/// How many values are asked for, written or removed at the same time.
pub(crate) const AT_ONCE: usize = 16;

/// How often a load is begun anew where another process writes meanwhile.
const LOADS: usize = 4;

/// What is stored of one observer, as far as it is kept in memory.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) loaded: bool,
    /// Ours, whether or not it was claimed.
    pub(crate) session: Session,
    pub(crate) claim: Claim,
    /// What was found when it was loaded.
    pub(crate) found: Found,
    /// It had to be loaded again, because somebody else was writing.
    pub(crate) moved: bool,
    pub(crate) manifest: Arc<Manifest>,
    /// The number of the next journal entry.
    pub(crate) next: u64,
    pub(crate) journal_bytes: usize,
    pub(crate) overlay: Overlay,
    /// The next commit has to write a manifest: there is none of ours, or it is not known which.
    pub(crate) must_fold: bool,
    pub(crate) next_page: u32,
    /// Keys of ours and of sessions before, of no more use.
    pub(crate) litter: BTreeSet<String>,
    /// Whether the litter of earlier sessions was looked for.
    pub(crate) swept: bool,
    /// Changes with each manifest.
    pub(crate) generation: u64,
}

/// Whether we may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing was written yet.
    None,
    Ours,
    /// Another session came after us, or was there while we loaded.
    Lost,
}

/// What counts, by the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) root: Option<Root>,
    /// The manifest that counts, with the session that wrote it.
    pub(crate) manifest: Option<(Session, Vec<u8>)>,
}

/// One observer's state and where it is stored.
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
            moved: false,
            manifest: Arc::new(Manifest::empty()),
            next: 0,
            journal_bytes: 0,
            overlay: Overlay::default(),
            must_fold: true,
            next_page: 0,
            litter: BTreeSet::new(),
            swept: false,
            generation: 0,
        }
    }
}

impl Inner {
    pub(crate) fn new(values: Values) -> Self {
        let state = State { loaded: false, ..State::new(Found::default()) };
        Self { values, state: Mutex::new(state) }
    }

    /// The state. Never held while something is waited for.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads what is stored, unless that was done. Only whoever has the turn may call it.
    pub(crate) async fn ensure_loaded(&self) -> Result<(), StoreError> {
        if self.state().loaded {
            return Ok(());
        }
        let loaded = self.load().await?;
        let mut state = self.state();
        let (generation, moved) = (state.generation + 1, state.moved);
        *state = State { generation, moved, ..loaded };
        Ok(())
    }

    async fn load(&self) -> Result<State, StoreError> {
        let mut loads = 1;
        loop {
            match self.load_once().await {
                // Values come and go while another process writes.
                Err(StoreError::Corrupt { .. }) if loads < LOADS => loads += 1,
                done => return done,
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
                    values.corrupt(crate::keys::ROOTS, "it is missing, and what it leads to is there")
                );
            }
            return Ok(state);
        };
        let manifest = state.found.manifest.as_ref();
        // A session's first journal entry comes after its first manifest.
        if manifest.is_none_or(|(session, _)| *session != root.session)
            && keys.iter().any(|key| key.starts_with('j') && root.session.wrote(key))
        {
            return Err(values.corrupt(&root.session.manifest(), "it is missing, and its journal is there"));
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
                return Err(values.corrupt(&missing, "it is missing from the middle of the journal"));
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

    /// The journal's entries from the manifest's first on, by their numbers.
    async fn journal(
        &self,
        session: Session,
        manifest: &Manifest,
        keys: &HashSet<String>,
    ) -> Result<BTreeMap<u64, (usize, Vec<Op>)>, StoreError> {
        let slots: Vec<u64> = (0..manifest.ring).filter(|slot| keys.contains(&session.slot(*slot))).collect();
        let mut journal = BTreeMap::new();
        for slots in slots.chunks(AT_ONCE) {
            let keys: Vec<String> = slots.iter().map(|slot| session.slot(*slot)).collect();
            let read = self.values.get_all(&keys).await?;
            for ((slot, key), value) in slots.iter().zip(&keys).zip(read) {
                let Some(value) = value else { continue };
                let (number, ops) = entry::decode(&self.values, key, &value)?;
                if number < manifest.start {
                    continue;
                }
                if number % manifest.ring != *slot {
                    return Err(self.values.corrupt(key, "it is the journal entry of another key"));
                }
                journal.insert(number, (value.len(), ops));
            }
        }
        Ok(journal)
    }

    /// Reads the root and the manifest that it leads to.
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
                let neither = "it is missing, and so is that of the session before";
                let missing = || values.corrupt(&root.session.manifest(), neither);
                Some((parent, value.ok_or_else(missing)?))
            }
        };
        Ok(Found { root: Some(root), manifest })
    }

    /// Takes over from the session that was found, unless that one goes on.
    pub(crate) async fn claim(&self) -> Result<(), StoreError> {
        let (ours, found, moved) = {
            let state = self.state();
            let parent = state.found.manifest.as_ref().map(|(session, _)| *session);
            let ours = Root { session: state.session, parent };
            match state.claim {
                Claim::Ours => return Ok(()),
                Claim::Lost => return Err(self.values.locked()),
                Claim::None => (ours, state.found.clone(), state.moved),
            }
        };
        let now = self.find().await?;
        // A claim that failed may have landed.
        let again = now.root == Some(ours) && now.manifest == found.manifest;
        if moved || (now != found && !again) || self.goes_on().await? {
            return Err(self.lose());
        }
        self.values.put_root(ours.encode(&self.values)).await?;
        // Whoever stored something before it saw our claim is seen here.
        let now = self.find().await?;
        if now.root != Some(ours) || now.manifest != found.manifest || self.goes_on().await? {
            return Err(self.lose());
        }
        self.state().claim = Claim::Ours;
        Ok(())
    }

    /// Whether there is a journal entry after those that were loaded.
    async fn goes_on(&self) -> Result<bool, StoreError> {
        let (key, next) = {
            let state = self.state();
            let Some((session, _)) = &state.found.manifest else { return Ok(false) };
            (session.slot(state.next % state.manifest.ring), state.next)
        };
        let Some(value) = self.values.get(&key).await? else { return Ok(false) };
        Ok(entry::decode(&self.values, &key, &value)?.0 >= next)
    }

    /// Makes sure that nobody claimed the observer since. What was written before this call and is
    /// in order will be found by whoever claims it later.
    pub(crate) async fn still_ours(&self) -> Result<(), StoreError> {
        let Some(root) = self.values.root().await? else {
            return Err(self.values.corrupt(crate::keys::ROOTS, "it is gone"));
        };
        let session = self.state().session;
        if Root::decode(&self.values, &root)?.session == session { Ok(()) } else { Err(self.lose()) }
    }

    fn lose(&self) -> StoreError {
        let mut state = self.state();
        state.claim = Claim::Lost;
        tracing::warn!(observer = %self.values.observer, "another process stores the same node's fitness");
        self.values.locked()
    }
}
