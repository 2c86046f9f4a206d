//! The router and its configuration.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use fitness_actor::Handle;
use fitness_advice::{PeerKind, Policy};
use fitness_core::NodeId;
use tokio::sync::{Semaphore, watch};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::advice::PeerKindFn;
use crate::state::{AliasFn, Shared, State};
use crate::summary_cache::SummaryCache;
use crate::{Token, api, assets, auth, headers, metrics, pages};

/// The API, the metrics and the dashboard of one service.
///
/// Use [`Web::router`] in an existing server, or [`Web::listen`] to start one. Clones share their cache.
#[derive(Clone)]
pub struct Web {
    pub(crate) state: State,
}

/// Configures a [`Web`].
#[must_use = "call `build` to create the `Web`"]
pub struct WebBuilder {
    handle: Handle,
    aliases: Option<AliasFn>,
    token: Option<Token>,
    policy: Policy,
    peer_kind: Option<PeerKindFn>,
    allowed_hosts: Vec<String>,
    max_metrics_peers: usize,
    max_live_streams: usize,
}

impl Web {
    /// Starts to configure a `Web` for the service of `handle`.
    pub fn builder(handle: Handle) -> WebBuilder {
        WebBuilder {
            handle,
            aliases: None,
            token: None,
            policy: Policy::default(),
            peer_kind: None,
            allowed_hosts: Vec::new(),
            max_metrics_peers: 1_000,
            max_live_streams: 64,
        }
    }

    /// Returns the router with all endpoints. It can be mounted under any prefix, because all links are
    /// relative.
    ///
    /// ```
    /// # fn mount(handle: fitness_actor::Handle, wallet: axum::Router) -> axum::Router {
    /// // `nest` works as well, but leaves `/fitness/` (with the slash) to the wallet's router.
    /// wallet.nest_service("/fitness", fitness_web::Web::builder(handle).build().router())
    /// # }
    /// ```
    ///
    /// With a [`Token`], requests must authenticate. Without one, every request is answered, and the
    /// embedding server is responsible for authentication and for checking the `Host` header.
    pub fn router(&self) -> Router {
        let authenticated = pages::router()
            .nest("/api/v1", api::router())
            .merge(metrics::router())
            .layer(from_fn_with_state(Arc::clone(&self.state), auth::check));
        authenticated
            .merge(assets::router())
            .merge(auth::router())
            .layer(from_fn(headers::add))
            // Compression shrinks a list of peers to a fifth of its size or less. The layer excludes event
            // streams, which must not be buffered. Compressed lengths leak nothing to other sites (BREACH):
            // their requests do not carry our cookie, which is `SameSite=Strict`.
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .with_state(Arc::clone(&self.state))
    }

    /// Ends all live streams, including those that are opened later. Call this before a graceful shutdown
    /// of your server, which otherwise waits for the streams forever.
    pub fn close_live_streams(&self) {
        self.state.streams_closed.send_replace(true);
    }
}

impl WebBuilder {
    /// Sets the function that returns the alias of a peer, or `None` if it is unknown.
    ///
    /// Peers choose their own aliases, so the text is untrusted: it is shortened, stripped of invisible and
    /// direction-changing characters, and escaped. The function is called for each peer on a page, and for
    /// every peer when peers are sorted or searched by alias, so it must be fast and must not block.
    pub fn aliases(self, aliases: impl Fn(&NodeId) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { aliases: Some(Box::new(aliases)), ..self }
    }

    /// Requires clients to authenticate with `token`. By default no token is required.
    pub fn token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Sets the rules for recommendations; the default is [`Policy::default`]. The window is either 90 days
    /// or the lifetime: shorter windows are extended to 90 days.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the function that returns the kind of a peer. By default every peer has [`PeerKind::default`]
    /// and is expected to be online, which is wrong for phones.
    pub fn peer_kinds(self, peer_kind: impl Fn(&NodeId) -> PeerKind + Send + Sync + 'static) -> Self {
        Self { peer_kind: Some(Box::new(peer_kind)), ..self }
    }

    /// Adds a host name, without a port, that [`Web::listen`] accepts on a loopback address in addition to
    /// the loopback names, such as the name of a reverse proxy. May be called repeatedly.
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// Sets how many peers have their own series in the metrics; the default is 1,000. The peers that have
    /// been tracked longest come first. The remaining ones are only included in the totals.
    pub fn max_metrics_peers(self, peers: usize) -> Self {
        Self { max_metrics_peers: peers, ..self }
    }

    /// Sets how many live streams may be open at the same time; the default is 64. A page without a live
    /// stream does not update itself when a change occurs.
    pub fn max_live_streams(self, streams: usize) -> Self {
        Self { max_live_streams: streams.min(Semaphore::MAX_PERMITS), ..self }
    }

    /// Creates the `Web`.
    #[must_use]
    pub fn build(self) -> Web {
        let state = Shared {
            summaries: SummaryCache::new(self.handle.clone()),
            handle: self.handle,
            aliases: self.aliases,
            token: self.token,
            policy: self.policy,
            peer_kind: self.peer_kind,
            allowed_hosts: self.allowed_hosts,
            max_metrics_peers: self.max_metrics_peers,
            stream_permits: Arc::new(Semaphore::new(self.max_live_streams)),
            streams_closed: watch::Sender::new(false),
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
