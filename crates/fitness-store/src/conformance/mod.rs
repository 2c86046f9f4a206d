//! The suite that every backend has to pass.
//!
//! A backend says in a [`Harness`] how to make fresh, empty data and how to open it, and names the
//! harness in one line of a test file:
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
//! That makes a module `conformance` with one `#[test]` for each case, each on data of its own, so
//! that one failure hides no other. Attributes go through to every test:
//! `conformance_suite!(#[ignore = "needs a server"] Server)`. [`cases`] lists them for whoever
//! wants to run them in another way. One case plays random sequences of operations on data of their
//! own: `PROPTEST_CASES` says how many, `PROPTEST_RNG_SEED` which ones.
//!
//! `docs/BACKENDS.md` of the repository writes a backend, from the first line to the one above.
//!
//! The cases demand what [`Store`] promises, and nothing else. They panic where it is broken.

mod abandoned;
mod batches;
mod bench;
mod claims;
mod concurrency;
mod executor;
mod extremes;
mod gaps;
mod in_flight;
mod isolation;
mod list;
mod marked;
mod model;
mod pages;
mod records;
mod replacements;
mod samples;
mod segments;
mod sizes;

use std::future::Future;

pub use executor::block_on;

use crate::Store;

/// How the suite gets at a backend.
pub trait Harness: Sized + Sync {
    /// The backend's store.
    type Store: Store;

    /// New, empty data that no other harness shares. It may be deleted with the harness.
    ///
    /// A case may build more than one, one after the other.
    fn build() -> Self;

    /// Opens the data, as a process does that starts.
    ///
    /// The suite drops or closes one store before it opens the next.
    fn open(&self) -> Self::Store;

    /// Closes a store in the way that its users are told to. Dropping it, unless overridden.
    fn close(&self, store: Self::Store) {
        drop(store);
    }

    /// Drives a future to its end. The suite calls it from several threads at once.
    ///
    /// To be overridden where the store's futures need a runtime.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }
}

/// One demand on a store.
#[derive(Debug)]
pub struct Case<H> {
    name: &'static str,
    check: fn(&H),
}

impl<H: Harness> Case<H> {
    /// What it demands, as a name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it on new data.
    ///
    /// # Panics
    ///
    /// If the store does not do what the case demands.
    pub fn run(&self) {
        (self.check)(&H::build());
    }
}

/// Every case, in no order that matters.
#[must_use]
pub fn cases<H: Harness>() -> Vec<Case<H>> {
    macro_rules! list {
        ($($module:ident::$case:ident,)*) => {
            vec![$(Case { name: stringify!($case), check: $module::$case::<H> }),*]
        };
    }
    crate::__for_each_conformance_case!(list)
}

/// Runs the case of that name.
///
/// # Panics
///
/// If there is none, or if the store does not do what it demands.
pub fn run<H: Harness>(name: &str) {
    let case = cases::<H>().into_iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("there is no case {name}")).run();
}
