//! `--listen`: the dashboard, the API and the metrics of what is known.

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

/// Where to serve what is known.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Serve the dashboard, the JSON API and the metrics here, on 127.0.0.1:8080 if nothing is said; port 0
    /// is a free one
    ///
    /// An address that other machines can reach takes a token. There is no TLS: put a proxy in front that
    /// has it.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8080")]
    listen: Option<SocketAddr>,

    /// What whoever asks has to know is in this file; by default in the variable LDK_FITNESS_TOKEN, if anywhere
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,

    /// Answer under this name as well, that of a proxy in front; may be given several times
    ///
    /// Whoever the proxy lets through is answered, unless there is a token.
    #[arg(long, value_name = "NAME", requires = "listen")]
    host: Vec<String>,

    /// What peers are called: a file with a node id and a name a line
    #[arg(long, value_name = "FILE", requires = "listen")]
    names: Option<PathBuf>,
}

impl ListenArgs {
    /// What is to be served, where that was asked for. `beside` is a file of names that may be there.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or are not what they should be.
    pub(crate) fn front(&self, beside: Option<&Path>) -> Result<Option<Front>, CliError> {
        let Some(addr) = self.listen else { return Ok(None) };
        let names = match (&self.names, beside) {
            (Some(path), _) => read_names(path)?,
            (None, Some(path)) if path.is_file() => read_names(path)?,
            (None, _) => HashMap::new(),
        };
        let (hosts, token) = (self.host.clone(), self.token()?);
        Ok(Some(Front { addr, hosts, token, names: Arc::new(names), is_told: false }))
    }

    fn token(&self) -> Result<Option<Token>, CliError> {
        Ok(read_secret(self.token_file.as_deref())?.as_deref().map(Token::new).transpose()?)
    }
}

/// The token that stands in a file, or where none is named in the variable `LDK_FITNESS_TOKEN`, if anything does.
///
/// # Errors
///
/// A file that cannot be read.
pub(crate) fn read_secret(file: Option<&Path>) -> Result<Option<String>, CliError> {
    match file {
        Some(path) => {
            let failed = |source| CliError::Open { file: path.display().to_string(), source };
            // An empty file is no token, and not none.
            Ok(Some(std::fs::read_to_string(path).map_err(failed)?.trim().to_owned()))
        }
        None => {
            let secret = std::env::var("LDK_FITNESS_TOKEN").unwrap_or_default();
            Ok(Some(secret.trim().to_owned()).filter(|secret| !secret.is_empty()))
        }
    }
}

/// What peers are called, from a file with a node id and a name a line.
///
/// # Errors
///
/// A file that cannot be read, or a line that is something else.
pub(crate) fn read_names(path: &Path) -> Result<HashMap<NodeId, String>, CliError> {
    let file = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|source| CliError::Open { file: file.clone(), source })?;
    let mut names = HashMap::new();
    for (line, number) in text.lines().zip(1_u64..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let named = line.split_once(char::is_whitespace);
        let Some((node_id, name)) = named.and_then(|(id, name)| Some((id.parse().ok()?, name.trim()))) else {
            let source = io::Error::from(io::ErrorKind::InvalidData);
            let expected = "expected a node id and a name";
            return Err(CliError::Read { file, line: number, expected, source });
        };
        names.insert(node_id, name.to_owned());
    }
    Ok(names)
}

/// What is served, one handle after the other, at one address.
pub(crate) struct Front {
    addr: SocketAddr,
    hosts: Vec<String>,
    token: Option<Token>,
    names: Arc<HashMap<NodeId, String>>,
    is_told: bool,
}

impl Front {
    /// Calls a peer so, unless the user calls it otherwise.
    pub(crate) fn name(&mut self, node_id: NodeId, name: &str) {
        Arc::make_mut(&mut self.names).entry(node_id).or_insert_with(|| name.to_owned());
    }

    /// Serves what `handle` knows, on a task of its own. Says where, the first time.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on, or not without a token.
    pub(crate) async fn serve(&mut self, handle: Handle) -> Result<Serving, CliError> {
        let names = Arc::clone(&self.names);
        let mut web = Web::builder(handle).aliases(move |node_id| names.get(node_id).cloned());
        for host in &self.hosts {
            web = web.allowed_host(host);
        }
        if let Some(token) = &self.token {
            web = web.token(token.clone());
        }
        let server = web.build().listen(self.addr).await?;
        // A free port is that of all that follows, so that a page finds it again.
        self.addr = server.addr();
        if !std::mem::replace(&mut self.is_told, true) {
            // There is nobody to tell where standard error is closed.
            let _ = writeln!(anstream::stderr(), "Dashboard at http://{}/ until Ctrl-C", self.addr);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            // Whoever drops the sender wants it to end as well.
            let _ = stopped.await;
        }));
        Ok(Serving { stop, task })
    }

    /// Serves what a store at rest knows, until the user has had enough.
    ///
    /// # Errors
    ///
    /// As [`Front::serve`].
    pub(crate) async fn show(mut self, known: Archive) -> Result<(), CliError> {
        let stopped = stopped().map_err(CliError::Runtime)?;
        let serving = self.serve(known.handle()).await?;
        stopped.await;
        serving.stop().await;
        Ok(())
    }
}

/// A server that answers. Dropped, it ends when its task gets round to it.
pub(crate) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Ends it, with the answers that are under way.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A server that panicked has ended.
        let _ = self.task.await;
    }
}

/// Ready when the user has had enough, by Ctrl-C, or a service manager.
///
/// # Errors
///
/// What the system says of its signals.
pub(crate) fn stopped() -> io::Result<impl Future<Output = ()>> {
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
