//! `import lnd`: lncli's output is imported completely, or not at all.

#[path = "../common/mod.rs"]
mod common;
mod existing;
mod invalid;
mod numbers;
mod report;
mod service;
mod support;
