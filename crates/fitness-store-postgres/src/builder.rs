//! The builder of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use fitness_store::StoreError;
use tokio::sync::mpsc;

use crate::claim_task::{self, ConnectionEndGuard};
use crate::connection::{Connector, SessionSettings};
use crate::failure::Failure;
use crate::migrate::{self, Access};
use crate::schema::Schema;
use crate::shared::{self, Shared, StoreConfig};
use crate::url::Target;
use crate::writer::Writer;
use crate::{PostgresStore, password_file, redact_url, url};

/// The settings of a store, created by [`PostgresStore::builder`].
#[derive(Clone)]
#[must_use = "the store is not open yet"]
pub struct PostgresStoreBuilder {
    url: String,
    schema: Option<String>,
    max_read_connections: usize,
    statement_timeout: Duration,
    claim_timeout: Duration,
    application_name: Option<String>,
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("url", &redact_url(&self.url))
            .field("schema", &self.schema)
            .field("max_read_connections", &self.max_read_connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("claim_timeout", &self.claim_timeout)
            .field("application_name", &self.application_name)
            .finish()
    }
}

impl PostgresStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            schema: None,
            max_read_connections: 4,
            statement_timeout: Duration::from_secs(60),
            claim_timeout: Duration::from_secs(3),
            application_name: None,
        }
    }

    /// Sets the schema of the tables. Opening the store for writing creates the schema if it does not exist.
    ///
    /// The default is the URL's `schema`, or else `ldk_fitness`. Any name of 1 to 63 bytes is valid.
    pub fn schema(self, name: &str) -> Self {
        Self { schema: Some(name.to_owned()), ..self }
    }

    /// Sets the maximum number of connections for reading. The default is 4, the minimum 1.
    ///
    /// They are opened when they are needed. One more connection is used for writing.
    pub fn max_read_connections(self, connections: usize) -> Self {
        Self { max_read_connections: connections.max(1), ..self }
    }

    /// Sets how long the server may take for a statement. The default is a minute, the minimum a second and
    /// the maximum a day.
    ///
    /// A reply is awaited for twice as long, but for 5 s longer at most. Set a longer timeout than the
    /// service's own for commits, because the service splits a commit that takes too long into smaller
    /// batches.
    pub fn statement_timeout(self, timeout: Duration) -> Self {
        let timeout = timeout.clamp(Duration::from_secs(1), Duration::from_secs(24 * 3600));
        Self { statement_timeout: timeout, ..self }
    }

    /// Sets how long a claim waits for another store's claim to end before it fails. The default is 3 s, the
    /// maximum an hour.
    ///
    /// A process that was killed keeps its claim until the server notices that its connection has ended.
    pub fn claim_timeout(self, timeout: Duration) -> Self {
        Self { claim_timeout: timeout.min(Duration::from_secs(3600)), ..self }
    }

    /// Sets the name of this program on the server and in the error that a second store gets when it claims
    /// the same observer.
    ///
    /// The default is the URL's `application_name`, or else `ldk-fitness`.
    pub fn application_name(self, name: &str) -> Self {
        Self { application_name: Some(name.to_owned()), ..self }
    }

    /// Opens the store, and creates or migrates the tables. See [`PostgresStore::open`].
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`].
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        self.open_with_access(Access::Write).await
    }

    /// Opens the store for reading. See [`PostgresStore::open_read_only`].
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open_read_only`].
    pub async fn open_read_only(self) -> Result<PostgresStore, StoreError> {
        self.open_with_access(Access::Read).await
    }

    async fn open_with_access(self, access: Access) -> Result<PostgresStore, StoreError> {
        let config = self.store_config(access)?;
        let location = config.location.clone();
        if tokio::runtime::Handle::try_current().is_err() {
            let reason = "called outside of a tokio runtime".to_owned();
            return Err(StoreError::OpenFailed { location, reason, source: None });
        }
        let mut session_id = [0; 16];
        getrandom::fill(&mut session_id).map_err(|err| StoreError::OpenFailed {
            location: location.clone(),
            reason: format!("the system provides no random numbers: {err}"),
            source: None,
        })?;
        let (claim_events, received_events) = mpsc::unbounded_channel();
        let first_connection = async {
            let guard = ConnectionEndGuard(claim_events.clone());
            let connection = config.connector.open_write_connection(1, guard).await?;
            migrate::prepare(&connection.client, &config.schema, &location, access).await?;
            Ok(connection)
        };
        let timeout = shared::reply_timeout(config.statement_timeout);
        let connection = shared::with_timeout(timeout, first_connection)
            .await
            .map_err(|failure: Failure| failure.into_store_error("connect to the database", &location))?;
        let (writer, is_read_only) = match access {
            Access::Read => (Writer::default(), true),
            Access::Write => (Writer::with_connection(connection), false),
        };
        let shared = Arc::new(Shared::new(config, session_id, writer, claim_events));
        if !is_read_only {
            tokio::spawn(claim_task::run(Arc::downgrade(&shared), received_events));
        }
        Ok(PostgresStore::new(shared))
    }

    fn store_config(self, access: Access) -> Result<StoreConfig, StoreError> {
        let Target { mut config, tls, schema, passfile, has_target_session_attrs, location } =
            Target::parse(&self.url)?;
        let open_failed =
            |reason: String| StoreError::OpenFailed { location: location.clone(), reason, source: None };
        let schema = self.schema.or(schema);
        let schema = Schema::new(schema.as_deref().unwrap_or(Schema::DEFAULT))
            .map_err(|reason| open_failed(reason.to_owned()))?;
        if let Some(name) = &self.application_name {
            config.application_name(name);
        } else if config.get_application_name().is_none() {
            config.application_name("ldk-fitness");
        }
        let application_name = config.get_application_name().unwrap_or_default().to_owned();
        password_file::set_password(&mut config, passfile.as_deref());
        let is_read_only = access == Access::Read;
        if !is_read_only && !has_target_session_attrs {
            url::prefer_writable(&mut config);
        }
        let settings = SessionSettings { statement_timeout: self.statement_timeout, read_only: is_read_only };
        let connector = Connector::new(config, tls.connector().map_err(open_failed)?, settings);
        let manager = Manager::from_connect(
            connector.config().clone(),
            connector.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let timeout = Some(shared::reply_timeout(self.statement_timeout));
        let pool = Pool::builder(manager)
            .max_size(self.max_read_connections)
            .wait_timeout(timeout)
            .create_timeout(timeout)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|err| open_failed(format!("cannot create the connection pool: {err}")))?;
        Ok(StoreConfig {
            connector,
            pool,
            schema,
            location: location.clone(),
            application_name,
            statement_timeout: self.statement_timeout,
            claim_timeout: self.claim_timeout,
            is_read_only,
        })
    }
}
