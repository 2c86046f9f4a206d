//! One writer for each observer.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use fitness_core::NodeId;

use crate::StoreError;

/// The right to be the one who writes for an observer, until it is dropped.
///
/// [`Store::claim`](crate::Store::claim) gives it.
#[must_use = "the claim ends when this is dropped"]
pub struct Claim {
    _held: Box<dyn Any + Send + Sync>,
}

impl Claim {
    /// A claim that ends with `held`: a lock, or whatever says so when it is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

/// The claims on one store within this process: what each backend needs, and all that those need
/// which no second process can open. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct LocalClaims(Arc<Mutex<HashSet<NodeId>>>);

impl LocalClaims {
    /// LocalClaims `observer`. `location` names the store in the error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] until the claim that there is has been dropped.
    pub fn acquire(&self, observer: &NodeId, location: &str) -> Result<Claim, StoreError> {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*observer) {
            return Err(StoreError::Claimed {
                observer: *observer,
                location: location.to_owned(),
                holder: "another service of this process".to_owned(),
            });
        }
        Ok(Claim::new(Taken { claims: self.clone(), observer: *observer }))
    }
}

struct Taken {
    claims: LocalClaims,
    observer: NodeId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.claims.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.observer);
    }
}
