//! End-to-end tests of ldk-fitness on real LDK nodes. They are in `e2e/`; here is nothing but the
//! code of two pages, so that it compiles.

#[cfg(doctest)]
#[doc = include_str!("../../docs/STORES.md")]
struct Stores;

#[cfg(doctest)]
#[doc = include_str!("../../docs/RECIPES.md")]
struct Recipes;
