//! A live terminal view of ldk-fitness: peers sorted by any column, the last hours of each, a page for
//! each, and when we ourselves were gone.
//!
//! It is a client of the JSON API (`/api/v1`) and of nothing else: over HTTP where a service runs
//! ([`Source::service`]), and without a socket where a store is at rest ([`Source::archive`]), by the same
//! router in this process.
//!
//! ```no_run
//! # async fn top() -> Result<(), fitness_top::TopError> {
//! use fitness_top::{Look, Source, run};
//!
//! let source = Source::service("http://127.0.0.1:8080", None)?;
//! run(source, Look { unicode: true, colour: true }).await
//! # }
//! ```
//!
//! Inside it goes around in a circle: what happens is a message, a message changes the model, the model is
//! drawn. `model` reads no clock and asks nobody, `draw` changes nothing, `feed` asks for what is seen, and
//! `terminal` joins them.

mod api;
mod draw;
mod feed;
mod keys;
mod layout;
mod look;
mod model;
mod source;
mod terminal;
#[cfg(test)]
mod tests;
mod text;

pub use look::TerminalCapabilities;
pub use source::{Source, SourceError};
pub use terminal::{TopError, run};
