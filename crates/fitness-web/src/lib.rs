//! JSON API, Prometheus metrics and dashboard of ldk-fitness, as an axum router.
//!
//! Mount [`Web::router`] in a server that your wallet already runs, or let [`Web::listen`] start one. All
//! data comes from a service's [`Handle`](fitness_actor::Handle): this crate depends neither on LDK nor on a
//! concrete database.
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
//! # Paths
//!
//! | path | content |
//! |---|---|
//! | `/` | redirects to `/peers` |
//! | `/peers`, `/peers/{node_id}`, `/advice`, `/coverage` | the dashboard: all peers, one peer, recommendations, monitoring gaps |
//! | `/api/v1/…` | the same data as JSON, and a live stream of changes; described by `/api/v1/openapi.json` ([`openapi`]) |
//! | `/metrics` | OpenMetrics, for Prometheus |
//!
//! The pages work without JavaScript; the script only adds live updates. Pages load nothing from other
//! hosts, and their content security policy forbids it.
//!
//! # Authentication
//!
//! Without a [`Token`], every request is answered. With one, clients send `Authorization: Bearer TOKEN`;
//! browsers show a login form, which sets a cookie that is valid for 30 days. All endpoints are read-only.

mod advice;
mod api;
mod assets;
mod auth;
mod headers;
mod host_check;
mod listing;
mod metrics;
mod pages;
mod root;
mod server;
mod state;
mod summary;
mod summary_cache;
mod time_range;
mod token;
mod web;

pub use api::openapi;
pub use server::{ServeError, Server};
pub use token::{Token, TokenError};
pub use web::{Web, WebBuilder};
