//! Stores that grant claims incorrectly.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use fitness_core::NodeId;
use fitness_store::{Claim, MemoryStore, Store, StoreError};

use crate::{Fault, assert_fails, assert_fails_eventually, lock};

/// Grants every claim.
#[derive(Default)]
struct GrantsEveryClaim;

#[async_trait::async_trait]
impl Fault for GrantsEveryClaim {
    async fn claim(&self, _: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        Ok(Claim::new(()))
    }
}

/// Never releases a claim.
#[derive(Default)]
struct NeverReleasesClaims;

#[async_trait::async_trait]
impl Fault for NeverReleasesClaims {
    async fn claim(&self, store: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        std::mem::forget(store.claim(observer).await?);
        Ok(Claim::new(()))
    }
}

/// Uses one claim for all observers.
#[derive(Default)]
struct ClaimsWholeStore;

#[async_trait::async_trait]
impl Fault for ClaimsWholeStore {
    async fn claim(&self, store: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        store.claim(&NodeId([0; 33])).await
    }
}

/// Checks for an existing claim and records the new one in two separate steps.
#[derive(Default)]
struct ChecksThenClaims(Arc<Mutex<HashSet<NodeId>>>);

#[async_trait::async_trait]
impl Fault for ChecksThenClaims {
    async fn claim(&self, _: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        struct Held(Arc<Mutex<HashSet<NodeId>>>, NodeId);
        impl Drop for Held {
            fn drop(&mut self) {
                lock(&self.0).remove(&self.1);
            }
        }
        if lock(&self.0).contains(observer) {
            let (location, holder) = ("memory".to_owned(), "another".to_owned());
            return Err(StoreError::Claimed { observer: *observer, location, holder });
        }
        std::thread::yield_now();
        lock(&self.0).insert(*observer);
        Ok(Claim::new(Held(Arc::clone(&self.0), *observer)))
    }
}

#[test]
fn claims_granted_concurrently_are_detected() {
    assert_fails_eventually::<ChecksThenClaims>("concurrent_claims_grant_exactly_one");
}

#[test]
fn incorrect_claims_are_detected() {
    assert_fails::<GrantsEveryClaim>(&["second_claim_is_rejected"]);
    assert_fails::<NeverReleasesClaims>(&[
        "claim_ends_when_dropped",
        "observer_can_be_claimed_again_after_reopening",
    ]);
    assert_fails::<ClaimsWholeStore>(&["claim_covers_one_observer"]);
}
