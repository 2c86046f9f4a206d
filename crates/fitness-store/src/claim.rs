//! Claims: at most one writer for each observer.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use fitness_core::NodeId;

use crate::StoreError;

/// The exclusive right to write for an observer. It ends when the claim is dropped.
///
/// [`Store::claim`](crate::Store::claim) returns it.
#[must_use = "the claim ends when this is dropped"]
pub struct Claim {
    _guard: Box<dyn Any + Send + Sync>,
}

impl Claim {
    /// Creates a claim that owns `guard` and drops it when the claim ends.
    ///
    /// The guard releases the claim in the backend, for example a file lock or a session.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

/// The claims that this process holds on one store. Clones share the same claims.
///
/// This is all that a backend needs if no second process can open its data. Other backends use it
/// together with a claim in their database.
#[derive(Clone, Debug, Default)]
pub struct LocalClaims(Arc<Mutex<HashSet<NodeId>>>);

impl LocalClaims {
    /// Claims `observer`. `location` names the store in the error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] while an earlier claim on the observer exists.
    pub fn acquire(&self, observer: &NodeId, location: &str) -> Result<Claim, StoreError> {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*observer) {
            return Err(StoreError::Claimed {
                observer: *observer,
                location: location.to_owned(),
                holder: "another service in this process".to_owned(),
            });
        }
        Ok(Claim::new(LocalClaimGuard { claims: self.clone(), observer: *observer }))
    }
}

struct LocalClaimGuard {
    claims: LocalClaims,
    observer: NodeId,
}

impl Drop for LocalClaimGuard {
    fn drop(&mut self) {
        self.claims.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.observer);
    }
}
