//! Wrong about who may write.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use fitness_core::NodeId;
use fitness_store::{Claim, MemoryStore, Store, StoreError};

use crate::{Fault, assert_fails, assert_fails_sooner_or_later, lock};

#[derive(Default)]
struct RefusesNobody;

#[async_trait::async_trait]
impl Fault for RefusesNobody {
    async fn claim(&self, _: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        Ok(Claim::new(()))
    }
}

#[derive(Default)]
struct NeverLetsGo;

#[async_trait::async_trait]
impl Fault for NeverLetsGo {
    async fn claim(&self, store: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        std::mem::forget(store.claim(observer).await?);
        Ok(Claim::new(()))
    }
}

#[derive(Default)]
struct ClaimsAll;

#[async_trait::async_trait]
impl Fault for ClaimsAll {
    async fn claim(&self, store: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        store.claim(&NodeId([0; 33])).await
    }
}

/// Whether there is a claim is looked up first, and noted later.
#[derive(Default)]
struct LooksThenTakes(Arc<Mutex<HashSet<NodeId>>>);

#[async_trait::async_trait]
impl Fault for LooksThenTakes {
    async fn claim(&self, _: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        struct Held(Arc<Mutex<HashSet<NodeId>>>, NodeId);
        impl Drop for Held {
            fn drop(&mut self) {
                lock(&self.0).remove(&self.1);
            }
        }
        if lock(&self.0).contains(observer) {
            let (location, by) = ("memory".to_owned(), "another".to_owned());
            return Err(StoreError::Claimed { observer: *observer, location, holder: by });
        }
        std::thread::yield_now();
        lock(&self.0).insert(*observer);
        Ok(Claim::new(Held(Arc::clone(&self.0), *observer)))
    }
}

#[test]
fn claims_at_the_same_moment_are_noticed() {
    assert_fails_sooner_or_later::<LooksThenTakes>("of_many_who_claim_at_once_one_has_it");
}

#[test]
fn wrong_claims_are_found() {
    assert_fails::<RefusesNobody>(&["a_second_claim_is_refused"]);
    assert_fails::<NeverLetsGo>(&["a_claim_ends_when_it_is_dropped", "a_claim_ends_with_its_store"]);
    assert_fails::<ClaimsAll>(&["a_claim_is_for_one_observer"]);
}
