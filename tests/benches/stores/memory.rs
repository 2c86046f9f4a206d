//! The store in memory: the cost of the records themselves.

use std::sync::Arc;

use fitness_store::{MemoryStore, Store};

use crate::backend::{Backend, Location};

pub(crate) struct Memory;

impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn create(&self) -> Box<dyn Location> {
        Box::new(MemoryStore::new())
    }
}

impl Location for MemoryStore {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn bytes(&self) -> Option<u64> {
        None
    }
}
