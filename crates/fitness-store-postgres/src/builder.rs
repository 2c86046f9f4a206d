//! Opening a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use fitness_store::StoreError;
use tokio::sync::mpsc;

use crate::connect::{Connector, Session};
use crate::error::Fault;
use crate::keeper::{self, Ended};
use crate::migrate::{self, Purpose};
use crate::schema::Schema;
use crate::shared::{self, Parts, Shared};
use crate::url::Target;
use crate::writer::Writer;
use crate::{PostgresStore, passfile, redact_url, url};

const CONNECT: &str = "connect to the database";

/// How a store is to be opened. [`PostgresStore::builder`] is where it starts.
#[derive(Clone)]
#[must_use = "nothing is opened yet"]
pub struct PostgresStoreBuilder {
    url: String,
    schema: Option<String>,
    readers: usize,
    timeout: Duration,
    claim_timeout: Duration,
    application_name: Option<String>,
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("url", &redact_url(&self.url))
            .field("schema", &self.schema)
            .field("readers", &self.readers)
            .field("timeout", &self.timeout)
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
            readers: 4,
            timeout: Duration::from_secs(60),
            claim_timeout: Duration::from_secs(3),
            application_name: None,
        }
    }

    /// The schema that the tables are in, and are made in where it is not there; the default is the URL's
    /// `schema`, or else `ldk_fitness`. Any name of 1 to 63 bytes will do.
    pub fn schema(self, name: &str) -> Self {
        Self { schema: Some(name.to_owned()), ..self }
    }

    /// How many connections there are for reading at most; the default is 4, the least 1. They are made
    /// when they are needed. One more writes.
    pub fn max_read_connections(self, connections: usize) -> Self {
        Self { readers: connections.max(1), ..self }
    }

    /// How long the server may take for a statement, and it and the network for an answer; the default is
    /// a minute, the least a second.
    ///
    /// It should be longer than the service's own patience with a commit, which makes its batches smaller.
    pub fn statement_timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.clamp(Duration::from_secs(1), Duration::from_secs(24 * 3600)), ..self }
    }

    /// How long to wait for somebody else's claim to end before it is refused; the default is 3 s. A
    /// process that was killed keeps its claim until the server has noticed.
    pub fn claim_timeout(self, wait: Duration) -> Self {
        Self { claim_timeout: wait.min(Duration::from_secs(3600)), ..self }
    }

    /// What the server, and whoever is refused a claim, are told who this is; the default is the URL's
    /// `application_name`, or else `ldk-fitness`.
    pub fn application_name(self, name: &str) -> Self {
        Self { application_name: Some(name.to_owned()), ..self }
    }

    /// Opens the store, and makes or updates the tables. See [`PostgresStore::open`].
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`].
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        self.finish(false).await
    }

    /// Opens the store to read. See [`PostgresStore::open_read_only`].
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open_read_only`].
    pub async fn open_read_only(self) -> Result<PostgresStore, StoreError> {
        self.finish(true).await
    }

    async fn finish(self, is_read_only: bool) -> Result<PostgresStore, StoreError> {
        let parts = self.parts(is_read_only)?;
        let location = parts.location.clone();
        if tokio::runtime::Handle::try_current().is_err() {
            let reason = "it is used from within a tokio runtime alone".to_owned();
            return Err(StoreError::OpenFailed { location, reason, source: None });
        }
        let mut session = [0; 16];
        getrandom::fill(&mut session).map_err(|err| StoreError::OpenFailed {
            location: location.clone(),
            reason: format!("the system has no randomness: {err}"),
            source: None,
        })?;
        let (words, heard) = mpsc::unbounded_channel();
        let first = async {
            let link = parts.connector.link(1, Ended(words.clone())).await?;
            let purpose = if is_read_only { Purpose::Read } else { Purpose::Write };
            migrate::prepare(&link.client, &parts.schema, &location, purpose).await?;
            Ok(link)
        };
        let first = shared::limited(shared::limit(parts.timeout), first).await;
        let link = first.map_err(|fault: Fault| fault.explain(CONNECT, &location))?;
        let writer = if is_read_only { Writer::default() } else { Writer::starting_with(link) };
        let shared = Arc::new(Shared::new(parts, session, writer, words));
        if !is_read_only {
            tokio::spawn(keeper::keep(Arc::downgrade(&shared), heard));
        }
        Ok(PostgresStore::new(shared))
    }

    fn parts(self, is_read_only: bool) -> Result<Parts, StoreError> {
        let Target { mut config, tls, schema, passfile, says_target, location } = Target::parse(&self.url)?;
        let refused =
            |reason: String| StoreError::OpenFailed { location: location.clone(), reason, source: None };
        let schema = self.schema.or(schema);
        let schema = Schema::new(schema.as_deref().unwrap_or(Schema::DEFAULT))
            .map_err(|reason| refused(reason.to_owned()))?;
        if let Some(name) = &self.application_name {
            config.application_name(name);
        } else if config.get_application_name().is_none() {
            config.application_name("ldk-fitness");
        }
        let application = config.get_application_name().unwrap_or_default().to_owned();
        passfile::complete(&mut config, passfile.as_deref());
        if !is_read_only && !says_target {
            url::prefer_writable(&mut config);
        }
        let session = Session { timeout: self.timeout, read_only: is_read_only };
        let connector = Connector::new(config, tls.connector().map_err(refused)?, session);
        let manager = Manager::from_connect(
            connector.config().clone(),
            connector.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let limit = Some(shared::limit(self.timeout));
        let pool = Pool::builder(manager)
            .max_size(self.readers)
            .wait_timeout(limit)
            .create_timeout(limit)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|err| refused(format!("there can be no connections: {err}")))?;
        Ok(Parts {
            connector,
            pool,
            schema,
            location: location.clone(),
            application,
            timeout: self.timeout,
            claim_timeout: self.claim_timeout,
            is_read_only,
        })
    }
}
