//! One connection, made the same way for every purpose.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::explained;

/// What a session is told about itself before it is used.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// How long a statement may take, and how long a transaction may wait for its next one.
    pub(crate) timeout: Duration,
    pub(crate) read_only: bool,
}

impl Session {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let timeout = self.timeout.as_millis().to_string();
        let fixed = [
            // The server, too, has to notice when nobody is there any more: it holds our locks.
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
            ("search_path", "pg_catalog"),
            ("TimeZone", "UTC"),
            ("client_min_messages", "warning"),
            // Every question is a range of a primary key. A planner whose statistics are a bulk load
            // behind would sort the table for each page of it.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("jit", "off"),
            ("default_transaction_read_only", if self.read_only { "on" } else { "off" }),
        ];
        [("statement_timeout", timeout.clone()), ("idle_in_transaction_session_timeout", timeout)]
            .into_iter()
            .chain(fixed.map(|(name, value)| (name, value.to_owned())))
            .collect()
    }

    /// Sets what the server knows of this, and passes over what it does not: a version may be old, and a
    /// server need not be PostgreSQL.
    async fn begin(&self, client: &Client) -> Result<(), Error> {
        let settings = self.settings();
        if let Err(error) = client.batch_execute(&set(&settings)).await {
            if error.code().is_none() {
                return Err(error);
            }
            for setting in settings.chunks(1) {
                if let Err(error) = client.batch_execute(&set(setting)).await {
                    tracing::debug!(setting = setting[0].0, error = explained(&error), "not set");
                }
            }
        }
        // Whoever turned synchronous commits off for others did not mean us: what we acknowledge is kept
        // nowhere else.
        client
            .batch_execute(
                "SELECT pg_catalog.set_config(s.name, 'on', false) FROM pg_catalog.pg_settings s \
                 WHERE s.name = 'synchronous_commit' AND s.setting = 'off'",
            )
            .await?;
        // Not every system can notice in the middle of a statement that its client is gone.
        let _ = client.batch_execute("SET client_connection_check_interval = '2s'").await;
        Ok(())
    }
}

/// One statement that makes settings, those that there are.
fn set(settings: &[(&'static str, String)]) -> String {
    let rows: Vec<String> = settings.iter().map(|(name, value)| format!("('{name}','{value}')")).collect();
    format!(
        "SELECT pg_catalog.set_config(s.name, v.value, false) \
         FROM (VALUES {}) AS v(name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name",
        rows.join(",")
    )
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    session: Session,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Connector {
    pub(crate) fn new(config: Config, tls: MakeRustlsConnect, session: Session) -> Self {
        Self { config, tls, session }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Connects, and has `ended` dropped when the connection ends, however it does.
    async fn connect(
        &self,
        reason: Arc<OnceLock<String>>,
        ended: impl Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            let _ended = ended;
            if let Err(err) = connection.await {
                let why = explained(&err);
                tracing::debug!(reason = why, "a connection was lost");
                let _ = reason.set(why);
            }
        });
        self.session.begin(&client).await?;
        Ok((client, task))
    }

    /// A connection of which one wants to know more. `ended` is dropped when it ends, however it does.
    pub(crate) async fn link(&self, number: u64, ended: impl Send + 'static) -> Result<Link, Error> {
        let lost = Arc::default();
        let (client, task) = self.connect(Arc::clone(&lost), ended).await?;
        let client = ClientWrapper::new(client, task);
        let row = client
            .query_one(
                "SELECT pg_catalog.pg_backend_pid(), (SELECT a.backend_start::text \
                 FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid())",
                &[],
            )
            .await?;
        let backend = Backend { pid: row.try_get(0)?, started: row.try_get(1)? };
        Ok(Link { number, client, backend, lost })
    }
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        _config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(Self::connect(self, Arc::default(), ()))
    }
}

/// The server's end of a connection. Process numbers are used again, hence the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) pid: i32,
    pub(crate) started: Option<String>,
}

/// A connection. When it is dropped it is closed at once, in whatever it is.
pub(crate) struct Link {
    /// Counts the connections of a store.
    pub(crate) number: u64,
    pub(crate) client: ClientWrapper,
    pub(crate) backend: Backend,
    lost: Arc<OnceLock<String>>,
}

impl Link {
    /// Why it was lost, as far as the server said.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }
}
