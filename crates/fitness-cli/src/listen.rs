//! `--listen`: the dashboard, the API and the metrics of a running service.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use fitness_actor::Handle;
use fitness_core::NodeId;
use fitness_web::{Server, Token, Web};

use crate::error::CliError;

/// Where to serve what is known.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Serve the dashboard, the JSON API and the metrics here, such as 127.0.0.1:8080; port 0 is a free one
    ///
    /// An address that other machines can reach takes a token. There is no TLS: put a proxy in front that
    /// has it.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// What whoever asks has to know is in this file; by default in the variable LDK_FITNESS_TOKEN, if anywhere
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,

    /// What peers are called: a file with a node id and a name a line
    #[arg(long, value_name = "FILE", requires = "listen")]
    names: Option<PathBuf>,
}

impl ListenArgs {
    /// A server of what `handle` knows, where one was asked for. Says where it listens.
    pub(crate) async fn server(&self, handle: Handle) -> Result<Option<Server>, CliError> {
        let Some(addr) = self.listen else { return Ok(None) };
        let mut web = Web::builder(handle);
        if let Some(token) = self.token()? {
            web = web.token(token);
        }
        if let Some(names) = self.names()? {
            web = web.names(move |node_id| names.get(node_id).cloned());
        }
        let server = web.build().listen(addr).await?;
        let _ = writeln!(anstream::stderr(), "Dashboard at http://{}/ until Ctrl-C", server.addr());
        Ok(Some(server))
    }

    fn token(&self) -> Result<Option<Token>, CliError> {
        let secret = match &self.token_file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| CliError::Open { file: path.display().to_string(), source })?,
            None => std::env::var("LDK_FITNESS_TOKEN").unwrap_or_default(),
        };
        let secret = secret.trim();
        if secret.is_empty() && self.token_file.is_none() {
            return Ok(None);
        }
        Ok(Some(Token::new(secret)?))
    }

    fn names(&self) -> Result<Option<HashMap<NodeId, String>>, CliError> {
        let Some(path) = &self.names else { return Ok(None) };
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
            let Some((node_id, name)) = named.and_then(|(id, name)| Some((id.parse().ok()?, name.trim())))
            else {
                let source = io::Error::from(io::ErrorKind::InvalidData);
                let expected = "expected a node id and a name";
                return Err(CliError::Read { file, line: number, expected, source });
            };
            names.insert(node_id, name.to_owned());
        }
        Ok(Some(names))
    }
}

/// Ready when the user has had enough.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // A system without signals: nobody can interrupt it but by ending it.
        std::future::pending::<()>().await;
    }
}
