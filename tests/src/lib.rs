//! End-to-end tests of ldk-fitness on real LDK nodes, in `e2e/`. This file compiles the code of the guide in
//! `docs/` as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../../docs/first-wallet.md")]
pub struct FirstWallet;

#[cfg(doctest)]
#[doc = include_str!("../../docs/phones.md")]
pub struct Phones;

#[cfg(doctest)]
#[doc = include_str!("../../docs/servers.md")]
pub struct Servers;

#[cfg(doctest)]
#[doc = include_str!("../../docs/fleets.md")]
pub struct Fleets;

#[cfg(doctest)]
#[doc = include_str!("../../docs/operating.md")]
pub struct Operating;

#[cfg(doctest)]
#[doc = include_str!("../../docs/storage.md")]
pub struct Storage;
