//! A database on a server that the benchmark starts, over TCP, with every commit synced to disk.

use std::rc::Rc;
use std::sync::Arc;

use fitness_pgtest::Cluster;
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::backend::{Backend, Location, RawLocation};
use crate::operations::block_on;
use crate::raw_postgres::RawTables;

/// The size of our tables with their indexes. The write-ahead log is not included.
const BYTES: &str = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c \
    WHERE c.relkind = 'r' AND c.relnamespace = 'ldk_fitness'::regnamespace";

pub(crate) struct Postgres(Rc<Cluster>);

impl Postgres {
    /// Starts a server; returns `None` with a message if PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        // With the default settings.
        Some(Self(Rc::new(Cluster::builder().durable().start()?)))
    }
}

impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn create(&self) -> Box<dyn Location> {
        Box::new(Database::create(&self.0))
    }

    fn raw(&self) -> Option<Box<dyn RawLocation>> {
        Some(Box::new(RawTables::create(Database::create(&self.0))))
    }
}

/// A database that is dropped together with this value.
pub(crate) struct Database {
    cluster: Rc<Cluster>,
    name: String,
    pub(crate) url: String,
}

impl Database {
    fn create(cluster: &Rc<Cluster>) -> Self {
        let database = cluster.create_database();
        let (name, url) = (database.name().to_owned(), database.url());
        Self { cluster: Rc::clone(cluster), name, url }
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }

    /// Runs CHECKPOINT.
    pub(crate) fn run_checkpoint(&self) {
        self.sql("CHECKPOINT");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.cluster.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

impl Location for Database {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(block_on(PostgresStore::open(&self.url)).expect("a successful open"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.sql(BYTES).parse().expect("a number"))
    }

    fn checkpoint(&self) {
        self.run_checkpoint();
    }
}
