//! The store on a simulated `KVStore` that fails on request.

mod crashes;
mod damage;
mod figures;
mod formats;
mod power;
mod service;
mod sessions;
mod support;

use fitness_store::conformance::Harness;
use fitness_store_kv::KvStore;

use crate::support::Memory;

/// The conformance suite on futures that are not ready at once.
#[derive(Default)]
struct InMemory(Memory);

impl Harness for InMemory {
    type Store = KvStore;

    fn build() -> Self {
        Self::default()
    }

    fn open(&self) -> KvStore {
        self.0.open()
    }
}

fitness_store::conformance_suite!(InMemory);
