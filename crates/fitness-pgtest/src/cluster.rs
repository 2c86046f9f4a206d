//! A temporary PostgreSQL server.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::supervisor::Supervisor;
use crate::{CertificateAuthority, Database, install};

/// How many ports are tried. Another process may take a free port before the server binds it.
const MAX_ATTEMPTS: u32 = 5;

/// A running PostgreSQL server. Dropping it stops the server and deletes its data.
///
/// The methods panic on failure, because a test cannot handle the error.
pub struct Cluster {
    supervisor: Mutex<Supervisor>,
    bin_directory: PathBuf,
    directory: PathBuf,
    port: u16,
    next_database: AtomicUsize,
}

/// The configuration of a [`Cluster`].
#[must_use = "the cluster is not started yet"]
pub struct ClusterBuilder {
    durable: bool,
    settings: String,
    /// The certificate of the server, its key and the certificate of the authority.
    tls: Option<[String; 3]>,
    disk_size_mb: Option<u32>,
    /// The directory and the port of the cluster that this one is a standby of.
    primary: Option<(String, String)>,
}

impl Cluster {
    /// Starts a server with default settings. It does not sync to disk, so only a power failure loses data.
    ///
    /// Returns `None` if PostgreSQL is not installed, and prints that to standard error.
    ///
    /// # Panics
    ///
    /// If the server cannot be started. Also if PostgreSQL is not installed and the environment contains
    /// `CI=true`.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::builder().start()
    }

    /// Returns a builder with default settings.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            durable: false,
            settings: String::new(),
            tls: None,
            disk_size_mb: None,
            primary: None,
        }
    }

    /// Returns the server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory of the server's Unix socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// Creates an empty database.
    #[must_use]
    pub fn create_database(&self) -> Database<'_> {
        let number = self.next_database.fetch_add(1, Ordering::Relaxed);
        Database::create(self, format!("fitness_{number}"))
    }

    /// Runs SQL in a database as the superuser and returns the output: one line for each row, with `|`
    /// between columns.
    ///
    /// # Panics
    ///
    /// If the SQL fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    /// Runs SQL like [`Cluster::sql`], and returns an error instead of panicking.
    ///
    /// # Errors
    ///
    /// The error output of `psql`.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = self.psql(database).args(["--command", sql]).output();
        let output = output.map_err(|err| format!("cannot run psql: {err}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }

    /// Returns a `psql` command that connects to a database as the superuser.
    #[must_use]
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin_directory.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.arg("--host").arg(&self.directory).args(["--port", &self.port.to_string()]);
        psql.args(["--username", "postgres", "--dbname", database]);
        psql
    }

    /// Stops the server immediately (SIGQUIT): it disconnects its clients and writes no checkpoint, so the
    /// next start performs crash recovery.
    ///
    /// # Panics
    ///
    /// If the server cannot be stopped.
    pub fn stop_immediate(&self) {
        self.run("stop_immediate");
    }

    /// Kills the server's main process (SIGKILL). Its child processes notice that and exit.
    ///
    /// # Panics
    ///
    /// If the server cannot be killed.
    pub fn kill(&self) {
        self.run("kill");
    }

    /// Stops the server in an orderly way (SIGINT): it sends its clients an error and writes a checkpoint.
    ///
    /// # Panics
    ///
    /// If the server cannot be stopped.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Starts a synchronous standby of this server, which can be read. From then on a commit on this server
    /// returns only after the standby has it.
    ///
    /// # Panics
    ///
    /// If the standby does not start.
    #[must_use]
    pub fn start_standby(&self) -> Self {
        let directory = self.directory.display().to_string();
        let builder = ClusterBuilder { primary: Some((directory, self.port.to_string())), ..Self::builder() };
        let standby = builder.start().expect("PostgreSQL is installed: the primary runs");
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let is_synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while self.sql("postgres", is_synchronous) != "1" {
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }

    /// Promotes a standby to primary, and returns when it accepts writes.
    ///
    /// # Panics
    ///
    /// If the server is not a standby.
    pub fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote(true, 600)");
        // The standby copied this setting from its primary, but has no standby itself.
        self.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Fills the disk completely. The cluster must have a disk of limited size
    /// ([`ClusterBuilder::disk_size_mb`]).
    ///
    /// # Panics
    ///
    /// If the disk cannot be filled.
    pub fn fill_disk(&self) {
        self.run("fill_disk");
    }

    /// Frees the space that [`Cluster::fill_disk`] used.
    ///
    /// # Panics
    ///
    /// If the space cannot be freed.
    pub fn free_disk(&self) {
        self.run("free_disk");
    }

    /// Starts a stopped server again, on the same port and with the same data, and returns when it accepts
    /// connections.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    pub fn restart(&self) {
        self.run("start");
    }

    fn run(&self, command: &str) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        supervisor.run(command).unwrap_or_else(|err| panic!("{err}"));
    }
}

impl ClusterBuilder {
    /// Syncs every commit to disk, as PostgreSQL does by default.
    pub fn durable(self) -> Self {
        Self { durable: true, ..self }
    }

    /// Adds a line to `postgresql.conf`. Quote the value if PostgreSQL requires it.
    pub fn config_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push_str(&format!("{name} = {value}\n"));
        self
    }

    /// Turns on TLS with a certificate for `names`, which are host names or addresses.
    ///
    /// The server rejects TCP connections without TLS. The user `certified` authenticates with a certificate
    /// of this authority instead of a password.
    pub fn tls(self, authority: &CertificateAuthority, names: &[&str]) -> Self {
        let issued = authority.issue_server_certificate(names);
        Self { tls: Some([issued.certificate, issued.key, authority.certificate().to_owned()]), ..self }
    }

    /// Puts the data on a file system of this size in megabytes. Requires root, and a system that allows
    /// root to mount file systems.
    pub fn disk_size_mb(self, megabytes: u32) -> Self {
        Self { disk_size_mb: Some(megabytes), ..self }
    }

    /// Starts the server.
    ///
    /// Returns `None` if PostgreSQL is not installed, and prints that to standard error.
    ///
    /// # Panics
    ///
    /// If the server cannot be started. Also if PostgreSQL is not installed and the environment contains
    /// `CI=true`.
    #[must_use]
    pub fn start(self) -> Option<Cluster> {
        let bin_directory = install::bin_directory_or_report()?;
        let mut last_error = String::new();
        for _ in 0..MAX_ATTEMPTS {
            match self.try_start(bin_directory.clone()) {
                Ok(cluster) => return Some(cluster),
                Err(err) => last_error = err,
            }
        }
        panic!("{last_error}")
    }

    fn try_start(&self, bin_directory: PathBuf) -> Result<Cluster, String> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|err| format!("cannot find a free port: {err}"))?.port();
        let path = bin_directory.to_str().ok_or("the path of PostgreSQL is not valid UTF-8")?;
        let (port_text, settings) = (port.to_string(), self.settings());
        let mut environment = vec![("BIN", path), ("PORT", &*port_text), ("SETTINGS", &*settings)];
        if let Some([certificate, key, authority]) = &self.tls {
            environment.extend([("TLS_CERT", &**certificate), ("TLS_KEY", key), ("TLS_CA", authority)]);
        }
        if let Some((directory, port)) = &self.primary {
            environment.extend([("PRIMARY_DIR", &**directory), ("PRIMARY_PORT", port)]);
        }
        let mut supervisor = match self.disk_size_mb {
            None => Supervisor::start(&environment)?,
            Some(megabytes) => Supervisor::start_with_limited_disk(&environment, megabytes)?,
        };
        supervisor.run("create")?;
        supervisor.run("start")?;
        let directory = supervisor.directory().to_owned();
        let cluster = Cluster {
            supervisor: Mutex::new(supervisor),
            bin_directory,
            directory,
            port,
            next_database: AtomicUsize::new(0),
        };
        if self.primary.is_none() {
            Database::create_roles(&cluster);
        }
        Ok(cluster)
    }

    fn settings(&self) -> String {
        let durability = if self.durable { "" } else { "fsync = off\nfull_page_writes = off\n" };
        // The caller's settings come last: of several lines for a setting PostgreSQL uses the last.
        format!(
            "listen_addresses = '127.0.0.1'\nmax_connections = 200\n{durability}{settings}",
            settings = self.settings
        )
    }
}
