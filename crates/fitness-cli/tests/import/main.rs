//! `import lnd`: what lncli prints comes into a store, or nothing does.

#[path = "../common/mod.rs"]
mod common;
mod known;
mod marked;
mod moved;
mod numbers;
mod refused;
mod support;
