//! The router as whoever mounts it sees it, without a browser.
#![allow(missing_docs, clippy::unwrap_used)]

mod advice;
mod api;
mod ask;
mod compressed;
mod gate;
mod live;
mod metrics;
mod mount;
mod pages;
mod serve;
#[path = "../support/mod.rs"]
mod support;
