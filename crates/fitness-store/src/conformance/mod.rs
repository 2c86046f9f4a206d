//! The conformance suite, which every backend must pass.
//!
//! A backend implements [`Harness`], which creates empty data and opens it, and names the harness in one
//! line of a test file:
//!
//! ```
//! use fitness_store::MemoryStore;
//! use fitness_store::conformance::Harness;
//!
//! #[derive(Default)]
//! struct InMemory(MemoryStore);
//!
//! impl Harness for InMemory {
//!     type Store = MemoryStore;
//!
//!     fn build() -> Self {
//!         Self::default()
//!     }
//!
//!     fn open(&self) -> MemoryStore {
//!         self.0.clone()
//!     }
//! }
//!
//! # #[cfg(any())]
//! fitness_store::conformance_suite!(InMemory);
//!
//! # for case in fitness_store::conformance::cases::<InMemory>() { case.run(); }
//! ```
//!
//! The macro creates a module `conformance` with one `#[test]` for each case. Each case uses its own data,
//! so failures are independent. Attributes are applied to every test:
//! `conformance_suite!(#[ignore = "needs a server"] Server)`. [`cases`] lists the cases for running them in
//! another way.
//!
//! The case `random_operations_match_the_model` runs random sequences of operations, each on its own data.
//! `PROPTEST_CASES` sets the number of sequences, and `PROPTEST_RNG_SEED` the seed of the random generator.
//!
//! `docs/writing-a-backend.md` in the repository is a tutorial that writes a complete backend.
//!
//! The cases test what [`Store`] documents, and nothing else. A case panics if the store violates it.

mod batches;
mod claims;
mod concurrent_commits;
mod concurrent_reads;
mod dropped_commits;
mod executor;
mod extreme_values;
mod gaps;
mod isolation;
mod list;
mod model;
mod open_store;
mod pages;
mod records;
mod replacements;
mod samples;
mod segments;
mod sizes;
mod versioned;

use std::future::Future;

pub use executor::block_on;

use crate::Store;

/// Gives the suite access to a backend.
pub trait Harness: Sized + Sync {
    /// The backend's store.
    type Store: Store;

    /// Creates empty data that no other harness shares. The harness may delete it when it is dropped.
    ///
    /// A case may build several harnesses, one after the other.
    fn build() -> Self;

    /// Opens the data, as a process does when it starts.
    ///
    /// The suite drops or closes a store before it opens the next one.
    fn open(&self) -> Self::Store;

    /// Closes a store in the way that the backend documents for its users. The default drops it.
    fn close(&self, store: Self::Store) {
        drop(store);
    }

    /// Runs a future to completion. The suite calls this from several threads concurrently.
    ///
    /// Override it if the store's futures need a runtime.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }
}

/// A test case of the suite.
#[derive(Debug)]
pub struct Case<H> {
    name: &'static str,
    check: fn(&H),
}

impl<H: Harness> Case<H> {
    /// Returns the name of the case, which states the required behaviour.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on new data.
    ///
    /// # Panics
    ///
    /// If the store does not behave as required.
    pub fn run(&self) {
        (self.check)(&H::build());
    }
}

/// Returns all cases, in no particular order.
#[must_use]
pub fn cases<H: Harness>() -> Vec<Case<H>> {
    macro_rules! list {
        ($($module:ident::$case:ident,)*) => {
            vec![$(Case { name: stringify!($case), check: $module::$case::<H> }),*]
        };
    }
    crate::__for_each_conformance_case!(list)
}

/// Runs the case with the given name.
///
/// # Panics
///
/// If there is no such case, or if the store does not behave as it requires.
pub fn run<H: Harness>(name: &str) {
    let case = cases::<H>().into_iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("no conformance case named {name}")).run();
}
