//! The router, and what it is to know.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use fitness_actor::Handle;
use fitness_advice::{PeerKind, Policy};
use fitness_core::NodeId;
use tokio::sync::{Semaphore, watch};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::advice::Kinds;
use crate::state::{Names, Shared, State};
use crate::summaries::Summaries;
use crate::{Token, api, assets, gate, headers, metrics, pages};

/// The API, the metrics and the dashboard of one service.
///
/// [`Web::router`] is for a wallet that has a server; [`Web::listen`] is one. Clones share
/// what they have worked out.
#[derive(Clone)]
pub struct Web {
    pub(crate) state: State,
}

/// What is to be served.
#[must_use = "nothing is served until `build`"]
pub struct WebBuilder {
    handle: Handle,
    names: Option<Names>,
    token: Option<Token>,
    policy: Policy,
    kinds: Option<Kinds>,
    hosts: Vec<String>,
    max_metrics_peers: usize,
    max_live_streams: usize,
}

impl Web {
    /// What is known to the service of `handle`.
    pub fn builder(handle: Handle) -> WebBuilder {
        WebBuilder {
            handle,
            names: None,
            token: None,
            policy: Policy::default(),
            kinds: None,
            hosts: Vec::new(),
            max_metrics_peers: 1_000,
            max_live_streams: 64,
        }
    }

    /// Everything, to be merged or nested under any prefix: all links are relative.
    ///
    /// ```
    /// # fn mount(handle: fitness_actor::Handle, wallet: axum::Router) -> axum::Router {
    /// // With `nest` the same, but for `/fitness/`, which is then for the wallet to answer.
    /// wallet.nest_service("/fitness", fitness_web::Web::builder(handle).build().router())
    /// # }
    /// ```
    ///
    /// It asks for the [`Token`] where there is one. Without one it answers everybody: then the server
    /// that it is mounted in has to know who asks, and for which host.
    pub fn router(&self) -> Router {
        let behind_the_gate = pages::router()
            .nest("/api/v1", api::router())
            .merge(metrics::router())
            .layer(from_fn_with_state(Arc::clone(&self.state), gate::check));
        behind_the_gate
            .merge(assets::router())
            .merge(gate::router())
            .layer(from_fn(headers::add))
            // A list of peers is a fifth as long then, or less. Streams have to flow, and are left alone.
            // Lengths give nothing away: another site's page cannot ask with our cookie, which is
            // `SameSite=Strict`.
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .with_state(Arc::clone(&self.state))
    }

    /// Ends the live streams, those that are opened later as well: a server that waits for its last
    /// request would wait for them for ever.
    pub fn close_live_streams(&self) {
        self.state.closing.send_replace(true);
    }
}

impl WebBuilder {
    /// What a peer is called, where that is known.
    ///
    /// Peers name themselves, so this may be anything: it is cut, cleaned of what is invisible or turns
    /// the text around it, and escaped. It is asked for each peer on a page, and for every peer where
    /// they are sorted or searched by it: it has to be quick, and must not wait.
    pub fn aliases(self, names: impl Fn(&NodeId) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { names: Some(Box::new(names)), ..self }
    }

    /// What whoever asks has to know; by default nothing.
    pub fn token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// By which rules peers are judged; the default is [`Policy::default`]. A window shorter than 90 days is
    /// taken for 90 days.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// What sort of peer one is; by default all are expected to be online, which is not what phones are for.
    pub fn peer_kinds(self, kinds: impl Fn(&NodeId) -> PeerKind + Send + Sync + 'static) -> Self {
        Self { kinds: Some(Box::new(kinds)), ..self }
    }

    /// A host name, without a port, under which [`Web::listen`] may be asked on a loopback
    /// address, besides this machine's own: that of a proxy in front of it.
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// How many peers have series of their own in the metrics; the default is 1,000. Those that were
    /// followed first have them; for the others there are sums.
    pub fn max_metrics_peers(self, peers: usize) -> Self {
        Self { max_metrics_peers: peers, ..self }
    }

    /// How many live streams there may be at a time; the default is 64. A page without one is as of its
    /// loading.
    pub fn max_live_streams(self, streams: usize) -> Self {
        Self { max_live_streams: streams.min(Semaphore::MAX_PERMITS), ..self }
    }

    /// What was asked for.
    #[must_use]
    pub fn build(self) -> Web {
        let state = Shared {
            summaries: Summaries::new(self.handle.clone()),
            handle: self.handle,
            names: self.names,
            token: self.token,
            policy: self.policy,
            kinds: self.kinds,
            hosts: self.hosts,
            max_metrics_peers: self.max_metrics_peers,
            streams: Arc::new(Semaphore::new(self.max_live_streams)),
            closing: watch::Sender::new(false),
        };
        Web { state: Arc::new(state) }
    }
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").field("handle", &self.state.handle).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WebBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebBuilder").field("handle", &self.handle).finish_non_exhaustive()
    }
}
