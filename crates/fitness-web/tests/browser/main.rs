//! The dashboard in a real browser: Debian's Chromium, by WebDriver.
//!
//! Where it is not installed the tests say so and pass; in CI they fail.
#![allow(missing_docs, clippy::unwrap_used)]

mod accessible;
mod driver;
mod harmless;
mod live;
mod login;
mod reading;
mod stage;
#[path = "../support/mod.rs"]
mod support;
