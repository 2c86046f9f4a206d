//! Connections to the server, and the settings of their sessions.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::describe;

/// The settings of each session.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// The longest time for a statement, and for a transaction to wait for its next statement.
    pub(crate) statement_timeout: Duration,
    pub(crate) read_only: bool,
}

impl SessionSettings {
    fn values(&self) -> Vec<(&'static str, String)> {
        let timeout = self.statement_timeout.as_millis().to_string();
        let fixed = [
            // The server must detect a dead client as well, because it holds the client's locks.
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
            ("search_path", "pg_catalog"),
            ("TimeZone", "UTC"),
            ("client_min_messages", "warning"),
            // Every query reads a range of a primary key. If the statistics are older than a bulk load, the
            // planner would otherwise sort the table for each page of results.
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

    /// Applies the settings that the server supports. An old version, or a server other than PostgreSQL,
    /// may lack some of them.
    async fn apply(&self, client: &Client) -> Result<(), Error> {
        let values = self.values();
        if let Err(error) = client.batch_execute(&set_config(&values)).await {
            if error.code().is_none() {
                return Err(error);
            }
            for value in values.chunks(1) {
                if let Err(error) = client.batch_execute(&set_config(value)).await {
                    tracing::debug!(setting = value[0].0, error = describe(&error), "setting not applied");
                }
            }
        }
        // An acknowledged commit must be durable, even if the database or the role turns this off by default.
        client
            .batch_execute(
                "SELECT pg_catalog.set_config(s.name, 'on', false) FROM pg_catalog.pg_settings s \
                 WHERE s.name = 'synchronous_commit' AND s.setting = 'off'",
            )
            .await?;
        // Not every operating system can detect a closed connection while a statement runs.
        let _ = client.batch_execute("SET client_connection_check_interval = '2s'").await;
        Ok(())
    }
}

/// Returns one statement that applies the settings and skips those that the server does not have.
fn set_config(values: &[(&'static str, String)]) -> String {
    let rows: Vec<String> = values.iter().map(|(name, value)| format!("('{name}','{value}')")).collect();
    format!(
        "SELECT pg_catalog.set_config(s.name, v.value, false) \
         FROM (VALUES {}) AS v(name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name",
        rows.join(",")
    )
}

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    settings: SessionSettings,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Connector {
    pub(crate) fn new(config: Config, tls: MakeRustlsConnect, settings: SessionSettings) -> Self {
        Self { config, tls, settings }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Opens a connection. `guard` is dropped when the connection ends; if it fails, `lost_reason` is set
    /// first.
    async fn open(
        &self,
        lost_reason: Arc<OnceLock<String>>,
        guard: impl Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            let _guard = guard;
            if let Err(err) = connection.await {
                let reason = describe(&err);
                tracing::debug!(reason, "connection lost");
                let _ = lost_reason.set(reason);
            }
        });
        self.settings.apply(&client).await?;
        Ok((client, task))
    }

    /// Opens a connection for writing. `guard` is dropped when the connection ends.
    pub(crate) async fn open_write_connection(
        &self,
        number: u64,
        guard: impl Send + 'static,
    ) -> Result<WriteConnection, Error> {
        let lost_reason = Arc::default();
        let (client, task) = self.open(Arc::clone(&lost_reason), guard).await?;
        let client = ClientWrapper::new(client, task);
        let row = client
            .query_one(
                "SELECT pg_catalog.pg_backend_pid(), (SELECT a.backend_start::text \
                 FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid())",
                &[],
            )
            .await?;
        let process = ServerProcess { pid: row.try_get(0)?, started_at: row.try_get(1)? };
        Ok(WriteConnection { number, client, process, lost_reason })
    }
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        _config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.open(Arc::default(), ()))
    }
}

/// The server's process for a session. The start time is included because process ids are reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerProcess {
    pub(crate) pid: i32,
    pub(crate) started_at: Option<String>,
}

/// A connection for writing. Dropping it closes it at once, also within a transaction.
pub(crate) struct WriteConnection {
    /// The number of the connection, counted from 1 for each store.
    pub(crate) number: u64,
    pub(crate) client: ClientWrapper,
    pub(crate) process: ServerProcess,
    lost_reason: Arc<OnceLock<String>>,
}

impl WriteConnection {
    /// Returns why the connection was lost, if the server or the network reported a reason.
    pub(crate) fn lost_reason(&self) -> Option<&str> {
        self.lost_reason.get().map(String::as_str)
    }
}
