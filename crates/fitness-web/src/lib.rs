//! JSON API, metrics and dashboard of ldk-fitness, as a router to mount anywhere.
//!
//! [`Web::router`] goes into the server that a wallet has; [`Web::listen`] is a server for who has none.
//! All that is shown comes from the [`Handle`](fitness_actor::Handle): of Lightning nodes and of any
//! concrete database this crate knows nothing.
//!
//! ```
//! use fitness_actor::Service;
//! use fitness_core::NodeId;
//! use fitness_store::MemoryStore;
//! use fitness_web::Web;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::builder(NodeId([2; 33]), std::sync::Arc::new(MemoryStore::default())).start().await?;
//!
//! let web = Web::builder(service.handle()).build();
//! let server = web.listen("127.0.0.1:0".parse()?).await?;
//! println!("http://{}", server.addr());
//! # let ctrl_c = std::future::ready(());
//! server.run(ctrl_c).await;
//!
//! service.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What there is
//!
//! | path | what it is |
//! |---|---|
//! | `/peers` | the dashboard: all peers at a glance, which `/` leads to; from there each peer, what is recommended, and when we ourselves were gone |
//! | `/api/v1/…` | the same as JSON, described by `/api/v1/openapi.json` ([`openapi`]); changes as they happen |
//! | `/metrics` | OpenMetrics, for Prometheus |
//!
//! The pages are whole without a script, which only makes them live. They ask nobody but us for anything,
//! and their content security policy allows nothing else.
//!
//! # Who may ask
//!
//! Where there is a [`Token`], who knows it: as `Authorization: Bearer` or, in a browser, by a form that
//! leaves a cookie for thirty days. Nothing can be changed from here, with a token or without.

mod advice;
mod api;
mod assets;
mod gate;
mod headers;
mod host;
mod listing;
mod metrics;
mod pages;
mod range;
mod root;
mod serve;
mod state;
mod summaries;
mod summary;
mod token;
mod web;

pub use api::openapi;
pub use serve::{ServeError, Server};
pub use token::{Token, TokenError};
pub use web::{Web, WebBuilder};
