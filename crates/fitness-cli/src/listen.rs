//! The `--listen` option: serves the dashboard, the JSON API and the metrics.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fitness_actor::{Archive, Handle};
use fitness_core::NodeId;
use fitness_web::{Token, Web};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::CliError;

/// The options of the HTTP server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Serve the dashboard, the JSON API and the metrics on this address, 127.0.0.1:8080 if omitted; port 0
    /// selects a free port
    ///
    /// An address that other machines can reach requires an access token. There is no TLS support: use a
    /// reverse proxy for it.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8080")]
    listen: Option<SocketAddr>,

    /// File with the access token for --listen; by default the variable LDK_FITNESS_TOKEN, if set
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,

    /// Also accept requests for this host name, such as that of a reverse proxy; can be repeated
    ///
    /// The access token still applies. Without a token, the proxy has to control access.
    #[arg(long = "allowed-host", value_name = "HOST", requires = "listen")]
    allowed_hosts: Vec<String>,

    /// File with peer aliases: a node id and an alias on each line
    #[arg(long, value_name = "FILE", requires = "listen")]
    aliases: Option<PathBuf>,
}

impl ListenArgs {
    /// Creates the server if `--listen` was given. `default_aliases` is an alias file that is used if it
    /// exists and `--aliases` was not given.
    ///
    /// # Errors
    ///
    /// Fails if the alias or token file cannot be read or is malformed.
    pub(crate) fn server(&self, default_aliases: Option<&Path>) -> Result<Option<DashboardServer>, CliError> {
        let Some(addr) = self.listen else { return Ok(None) };
        let aliases = match (&self.aliases, default_aliases) {
            (Some(path), _) => read_aliases(path)?,
            (None, Some(path)) if path.is_file() => read_aliases(path)?,
            (None, _) => HashMap::new(),
        };
        let (allowed_hosts, token) = (self.allowed_hosts.clone(), self.token()?);
        Ok(Some(DashboardServer { addr, allowed_hosts, token, aliases: Arc::new(aliases), announced: false }))
    }

    fn token(&self) -> Result<Option<Token>, CliError> {
        Ok(read_token(self.token_file.as_deref())?.as_deref().map(Token::new).transpose()?)
    }
}

/// Reads the access token from `file`, or from the variable `LDK_FITNESS_TOKEN` if `file` is `None`.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub(crate) fn read_token(file: Option<&Path>) -> Result<Option<String>, CliError> {
    match file {
        Some(path) => {
            let failed = |source| CliError::ReadFile { file: path.display().to_string(), source };
            // An empty file is an invalid token, not a missing one.
            Ok(Some(std::fs::read_to_string(path).map_err(failed)?.trim().to_owned()))
        }
        None => {
            let token = std::env::var("LDK_FITNESS_TOKEN").unwrap_or_default();
            Ok(Some(token.trim().to_owned()).filter(|token| !token.is_empty()))
        }
    }
}

/// Reads an alias file: a node id and an alias on each line.
///
/// # Errors
///
/// Fails if the file cannot be read or a line is malformed.
pub(crate) fn read_aliases(path: &Path) -> Result<HashMap<NodeId, String>, CliError> {
    let file = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|source| CliError::ReadFile { file: file.clone(), source })?;
    let mut aliases = HashMap::new();
    for (line, number) in text.lines().zip(1_u64..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once(char::is_whitespace);
        let entry = parts.and_then(|(id, alias)| Some((id.parse().ok()?, alias.trim().to_owned())));
        let Some((node_id, alias)) = entry else {
            let source = io::Error::from(io::ErrorKind::InvalidData);
            let problem = "expected a node id and an alias";
            return Err(CliError::ReadLine { file, line: number, problem, source });
        };
        aliases.insert(node_id, alias);
    }
    Ok(aliases)
}

/// The HTTP server of the dashboard. It can serve several handles, one after another, on the same address.
pub(crate) struct DashboardServer {
    addr: SocketAddr,
    allowed_hosts: Vec<String>,
    token: Option<Token>,
    aliases: Arc<HashMap<NodeId, String>>,
    /// Whether the address was printed.
    announced: bool,
}

impl DashboardServer {
    /// Sets the alias of a peer that has none yet.
    pub(crate) fn set_default_alias(&mut self, node_id: NodeId, alias: &str) {
        Arc::make_mut(&mut self.aliases).entry(node_id).or_insert_with(|| alias.to_owned());
    }

    /// Serves `handle` in a new task. Prints the address on the first call.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be bound or requires a token.
    pub(crate) async fn serve(&mut self, handle: Handle) -> Result<RunningServer, CliError> {
        let aliases = Arc::clone(&self.aliases);
        let mut web = Web::builder(handle).aliases(move |node_id| aliases.get(node_id).cloned());
        for host in &self.allowed_hosts {
            web = web.allowed_host(host);
        }
        if let Some(token) = &self.token {
            web = web.token(token.clone());
        }
        let server = web.build().listen(self.addr).await?;
        // Later calls reuse the selected port, so that an open page can reconnect.
        self.addr = server.addr();
        if !std::mem::replace(&mut self.announced, true) {
            // Standard error may be closed.
            let _ = writeln!(anstream::stderr(), "Dashboard at http://{}/ (press Ctrl-C to stop)", self.addr);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            // Dropping the sender stops the server as well.
            let _ = stopped.await;
        }));
        Ok(RunningServer { stop, task })
    }

    /// Serves stored history until a shutdown signal arrives.
    ///
    /// # Errors
    ///
    /// As [`DashboardServer::serve`].
    pub(crate) async fn serve_archive(mut self, archive: Archive) -> Result<(), CliError> {
        let shutdown = shutdown_signal().map_err(CliError::Runtime)?;
        let server = self.serve(archive.handle()).await?;
        shutdown.await;
        server.stop().await;
        Ok(())
    }
}

/// A running server. Dropping it stops the server without waiting.
pub(crate) struct RunningServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningServer {
    /// Stops the server and waits until pending requests are answered.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A server that panicked has stopped as well.
        let _ = self.task.await;
    }
}

/// Returns a future that completes on Ctrl-C or, on Unix, SIGTERM.
///
/// # Errors
///
/// Fails if the signal handler cannot be installed.
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
