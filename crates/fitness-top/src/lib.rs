//! A live terminal view of ldk-fitness: peers sorted by any column with a strip of their last hours, a page
//! per peer, and the monitoring gaps.
//!
//! It is a client of the JSON API (`/api/v1`) and uses nothing else of ldk-fitness: over HTTP for a running
//! service ([`Source::service`]), or with the same router in this process and without a socket for stored
//! history ([`Source::archive`]).
//!
//! ```no_run
//! # async fn top() -> Result<(), fitness_top::TopError> {
//! use fitness_top::{Source, TerminalCapabilities, run};
//!
//! let source = Source::service("http://127.0.0.1:8080", None)?;
//! run(source, TerminalCapabilities { unicode: true, colour: true }).await
//! # }
//! ```
//!
//! # Structure
//!
//! Input and data arrive as messages. A message changes the model, and the model is drawn. `model` reads no
//! clock and performs no I/O, `draw` does not change the model, `feed` fetches the data that is visible, and
//! `terminal` connects them.

mod api;
mod capabilities;
mod draw;
mod feed;
mod keys;
mod layout;
mod model;
mod source;
mod terminal;
#[cfg(test)]
mod tests;
mod text;

pub use capabilities::TerminalCapabilities;
pub use source::{Source, SourceError};
pub use terminal::{TopError, run};
