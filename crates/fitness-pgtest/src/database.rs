//! Databases for tests, and their roles.

use crate::Cluster;

/// The role that owns every [`Database`]. It is not a superuser.
pub const OWNER: &str = "fitness";

/// A role that can connect and owns nothing.
pub const READER: &str = "reader";

/// The password of all roles. It contains characters that must be quoted or percent-encoded.
pub const PASSWORD: &str = "s3cr3t/of@the:fleet?100%#";

/// A database that one test uses.
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

    /// Returns the database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the server that has the database.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// Returns the URL with which the owner connects over TCP.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(OWNER, self.cluster.port())
    }

    /// Returns the URL with which `role` connects to a port of 127.0.0.1, such as the port of a proxy.
    #[must_use]
    pub fn url_for(&self, role: &str, port: u16) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{port}/{}", encode(PASSWORD), self.name)
    }

    /// Runs SQL in this database. See [`Cluster::try_sql`].
    ///
    /// # Errors
    ///
    /// The error output of `psql`.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        self.cluster.try_sql(&self.name, sql)
    }

    /// Runs SQL in this database. See [`Cluster::sql`].
    ///
    /// # Panics
    ///
    /// If the SQL fails.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }

    /// Terminates all connections to this database, as an administrator can, and returns their number.
    ///
    /// # Panics
    ///
    /// If the SQL fails.
    pub fn terminate_connections(&self) -> usize {
        let terminated = self.cluster.sql(
            "postgres",
            &format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ),
        );
        terminated.parse().expect("a count")
    }

    /// Returns the number of connections to this database. The connection that counts them is not included.
    ///
    /// # Panics
    ///
    /// If the SQL fails.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        self.cluster.sql("postgres", &count).parse().expect("a count")
    }
}

/// Percent-encodes every byte that is not an ASCII letter or digit.
fn encode(text: &str) -> String {
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
