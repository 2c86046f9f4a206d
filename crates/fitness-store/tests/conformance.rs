//! The in-memory store passes the conformance suite.
#![cfg(feature = "conformance")]

use fitness_store::MemoryStore;
use fitness_store::conformance::Harness;

#[derive(Default)]
struct InMemory(MemoryStore);

impl Harness for InMemory {
    type Store = MemoryStore;

    fn build() -> Self {
        Self::default()
    }

    fn open(&self) -> MemoryStore {
        self.0.clone()
    }
}

fitness_store::conformance_suite!(InMemory);
