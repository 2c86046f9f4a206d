//! Browser tests of the dashboard, with Chromium and WebDriver.
#![allow(missing_docs, clippy::unwrap_used)]

mod accessibility;
mod driver;
mod live_updates;
mod login;
mod pages;
#[path = "../support/mod.rs"]
mod support;
mod test_server;
mod untrusted_aliases;
