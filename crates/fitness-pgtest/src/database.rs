//! Databases for tests, and the roles that use them.

use crate::Cluster;

/// The role that owns every [`Database`]. It is no superuser.
pub const OWNER: &str = "fitness";

/// A role that owns nothing, and may connect.
pub const READER: &str = "onlooker";

/// The password of all roles. Nobody should ever see it: it is made of what needs quoting and encoding.
pub const PASSWORD: &str = "s3cr3t/of@the:fleet?100%#";

/// A database of its own for a test.
pub struct Database<'c> {
    cluster: &'c Cluster,
    name: String,
}

impl<'c> Database<'c> {
    pub(crate) fn create_roles(cluster: &Cluster) {
        for role in [OWNER, READER, "certified"] {
            cluster.sql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"));
        }
    }

    pub(crate) fn create(cluster: &'c Cluster, name: String) -> Self {
        cluster.sql("postgres", &format!("CREATE DATABASE {name} OWNER {OWNER}"));
        Self { cluster, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is on.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// What its owner connects to, over TCP.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(OWNER, self.cluster.port())
    }

    /// What `role` connects to, on another port of 127.0.0.1: a proxy's, perhaps.
    #[must_use]
    pub fn url_for(&self, role: &str, port: u16) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{port}/{}", encode(PASSWORD), self.name)
    }

    /// As [`Cluster::try_sql`], in this database.
    ///
    /// # Errors
    ///
    /// What `psql` said.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        self.cluster.try_sql(&self.name, sql)
    }

    /// As [`Cluster::sql`], in this database.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }

    /// Ends every connection to it, as an administrator does, and returns how many there were.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn terminate_connections(&self) -> usize {
        let ended = self.cluster.sql(
            "postgres",
            &format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ),
        );
        ended.parse().expect("a count")
    }

    /// How many connections there are to it, psql's not among them.
    ///
    /// # Panics
    ///
    /// If that cannot be said.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        self.cluster.sql("postgres", &count).parse().expect("a count")
    }
}

/// Every byte but letters and digits as `%xx`.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}
