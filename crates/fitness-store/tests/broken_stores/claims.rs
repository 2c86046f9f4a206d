//! Wrong about who may write.

use fitness_core::NodeId;
use fitness_store::{Claim, MemoryStore, Store, StoreError};

use crate::{Fault, assert_fails};

#[derive(Default)]
struct RefusesNobody;

#[async_trait::async_trait]
impl Fault for RefusesNobody {
    async fn claim(_: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        Ok(Claim::holding(()))
    }
}

#[derive(Default)]
struct NeverLetsGo;

#[async_trait::async_trait]
impl Fault for NeverLetsGo {
    async fn claim(store: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        std::mem::forget(store.claim(observer).await?);
        Ok(Claim::holding(()))
    }
}

#[derive(Default)]
struct ClaimsAll;

#[async_trait::async_trait]
impl Fault for ClaimsAll {
    async fn claim(store: &MemoryStore, _: &NodeId) -> Result<Claim, StoreError> {
        store.claim(&NodeId([0; 33])).await
    }
}

#[test]
fn wrong_claims_are_found() {
    assert_fails::<RefusesNobody>(&["a_second_claim_is_refused"]);
    assert_fails::<NeverLetsGo>(&["a_claim_ends_when_it_is_dropped", "a_claim_ends_with_its_store"]);
    assert_fails::<ClaimsAll>(&["a_claim_is_for_one_observer"]);
}
