//! HTTP tests of the router, without a browser.
#![allow(missing_docs, clippy::unwrap_used)]

mod advice;
mod api;
mod auth;
mod changes;
mod client;
mod compression;
mod metrics;
mod mount;
mod pages;
mod server;
#[path = "../support/mod.rs"]
mod support;
