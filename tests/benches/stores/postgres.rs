//! A database on a server of our own, over TCP, with every commit synced to disk.

use std::rc::Rc;
use std::sync::Arc;

use fitness_pgtest::Cluster;
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::bare_postgres::BareTables;
use crate::kind::{BarePlace, Kind, Place};
use crate::work::block_on;

/// All of ours, indexes included. The server's journal comes on top, whatever it is about.
const BYTES: &str = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c \
    WHERE c.relkind = 'r' AND c.relnamespace = 'ldk_fitness'::regnamespace";

pub(crate) struct Postgres(Rc<Cluster>);

impl Postgres {
    /// `None` where it is not installed, after saying so.
    pub(crate) fn start() -> Option<Self> {
        // As it is when nobody has touched its settings.
        Some(Self(Rc::new(Cluster::builder().durable().start()?)))
    }
}

impl Kind for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn fresh(&self) -> Box<dyn Place> {
        Box::new(Database::create(&self.0))
    }

    fn bare(&self) -> Option<Box<dyn BarePlace>> {
        Some(Box::new(BareTables::create(Database::create(&self.0))))
    }
}

/// One that is dropped with this value.
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

    /// Has written what the server would write later, when it likes.
    pub(crate) fn checkpoint(&self) {
        self.sql("CHECKPOINT");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.cluster.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

impl Place for Database {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(block_on(PostgresStore::open(&self.url)).expect("it opens"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.sql(BYTES).parse().expect("a number"))
    }

    fn settle(&self) {
        self.checkpoint();
    }
}
