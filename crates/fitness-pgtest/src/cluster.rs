//! A server of our own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::supervisor::Supervisor;
use crate::{CertificateAuthority, Database, install};

/// How often another port is tried: between finding a free one and using it, anybody may have it.
const PORTS: u32 = 5;

/// A running PostgreSQL server, gone with this value.
///
/// Its methods panic where they fail: a test has no other use for that.
pub struct Cluster {
    supervisor: Mutex<Supervisor>,
    bin: PathBuf,
    directory: PathBuf,
    port: u16,
    databases: AtomicUsize,
}

/// How a cluster is to be.
#[must_use]
pub struct ClusterBuilder {
    durable: bool,
    settings: String,
    tls: Option<[String; 3]>,
    disk: Option<u32>,
    /// The directory and the port of another cluster.
    primary: Option<(String, String)>,
}

impl Cluster {
    /// A server that syncs nothing to disk, which is as good as any until the power goes.
    ///
    /// `None` where PostgreSQL is not installed, after saying so on standard error.
    ///
    /// # Panics
    ///
    /// Where it cannot be started, or is not installed and the environment has `CI=true`.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::builder().start()
    }

    /// A server to be described.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder { durable: false, settings: String::new(), tls: None, disk: None, primary: None }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its Unix socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// A new, empty database.
    #[must_use]
    pub fn create_database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        Database::create(self, format!("fitness_{number}"))
    }

    /// What SQL answers in a database, asked by the superuser: a line a row, `|` between columns.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    /// As [`Cluster::sql`], with what was wrong instead of a panic.
    ///
    /// # Errors
    ///
    /// What `psql` said.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let ran = self.psql(database).args(["--command", sql]).output();
        let ran = ran.map_err(|err| format!("cannot run psql: {err}"))?;
        if ran.status.success() {
            Ok(String::from_utf8_lossy(&ran.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&ran.stderr).trim_end().to_owned())
        }
    }

    /// `psql` as the superuser, to be told what to do.
    #[must_use]
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.arg("--host").arg(&self.directory).args(["--port", &self.port.to_string()]);
        psql.args(["--username", "postgres", "--dbname", database]);
        psql
    }

    /// Ends the server as a power loss does, but for the disk: no client is told, nothing is tidied up.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn stop_immediate(&self) {
        self.run("crash");
    }

    /// Kills the server's first process without a warning. Its children notice, and end.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn kill(&self) {
        self.run("kill");
    }

    /// Ends the server in an orderly way; clients are told.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Another server that follows this one, and can be read meanwhile. From now on a commit here waits until
    /// it is there, too.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start_standby(&self) -> Self {
        let directory = self.directory.display().to_string();
        let builder = ClusterBuilder { primary: Some((directory, self.port.to_string())), ..Self::builder() };
        let standby = builder.start().expect("one of them runs already");
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let is_synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while self.sql("postgres", is_synchronous) != "1" {
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }

    /// Makes a standby the one that is written to, and waits until it is.
    ///
    /// # Panics
    ///
    /// If it is no standby.
    pub fn promote(&self) {
        // It was made with these, and has no standby of its own.
        self.sql("postgres", "SELECT pg_promote(true, 600)");
        self.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Fills the disk to its last byte. It has to be one of [`ClusterBuilder::disk_size_mb`].
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn fill_disk(&self) {
        self.run("fill");
    }

    /// Makes room again.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn free_disk(&self) {
        self.run("free");
    }

    /// Starts the server again, on the same port with the same data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&self) {
        self.run("start");
    }

    fn run(&self, command: &str) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        supervisor.run(command).unwrap_or_else(|err| panic!("{err}"));
    }
}

impl ClusterBuilder {
    /// Has every commit synced to disk, as it is in earnest.
    pub fn durable(self) -> Self {
        Self { durable: true, ..self }
    }

    /// A line of `postgresql.conf`: a name and a value, quoted where it has to be.
    pub fn config_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push_str(&format!("{name} = {value}\n"));
        self
    }

    /// TLS with a certificate for `names`, host names or addresses; connections over TCP without it are
    /// refused. A client who shows a certificate of this authority for the user `certified` needs no
    /// password.
    pub fn tls(self, authority: &CertificateAuthority, names: &[&str]) -> Self {
        let issued = authority.issue_server_certificate(names);
        Self { tls: Some([issued.certificate, issued.key, authority.certificate().to_owned()]), ..self }
    }

    /// Data on a disk of so many megabytes. Where that cannot be had, which takes root and a system that lets
    /// him mount one, there is no cluster, and standard error says why.
    pub fn disk_size_mb(self, megabytes: u32) -> Self {
        Self { disk: Some(megabytes), ..self }
    }

    /// Starts it.
    ///
    /// `None` where PostgreSQL is not installed, after saying so on standard error.
    ///
    /// # Panics
    ///
    /// Where it cannot be started, or is not installed and the environment has `CI=true`.
    #[must_use]
    pub fn start(self) -> Option<Cluster> {
        let bin = install::directory_or_excuse()?;
        let mut failed = String::new();
        for _ in 0..PORTS {
            match self.try_start(bin.clone()) {
                Ok(cluster) => return Some(cluster),
                Err(err) => failed = err,
            }
        }
        if self.disk.is_some() {
            eprintln!("there is no disk to be had, and this is passed over: {failed}");
            return None;
        }
        panic!("{failed}")
    }

    fn try_start(&self, bin: PathBuf) -> Result<Cluster, String> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|err| format!("there is no free port: {err}"))?.port();
        let path = bin.to_str().ok_or("the path of PostgreSQL is no text")?;
        let (number, settings) = (port.to_string(), self.settings());
        let mut environment = vec![("BIN", path), ("PORT", &*number), ("SETTINGS", &*settings)];
        if let Some([certificate, key, authority]) = &self.tls {
            environment.extend([("TLS_CERT", &**certificate), ("TLS_KEY", key), ("TLS_CA", authority)]);
        }
        if let Some((directory, port)) = &self.primary {
            environment.extend([("PRIMARY_DIR", &**directory), ("PRIMARY_PORT", port)]);
        }
        let mut supervisor = match self.disk {
            None => Supervisor::start(&environment)?,
            Some(megabytes) => Supervisor::start_on_disk(&environment, megabytes)?,
        };
        supervisor.run("create")?;
        supervisor.run("start")?;
        let directory = supervisor.directory().to_owned();
        let cluster = Cluster {
            supervisor: Mutex::new(supervisor),
            bin,
            directory,
            port,
            databases: AtomicUsize::new(0),
        };
        if self.primary.is_none() {
            Database::create_roles(&cluster);
        }
        Ok(cluster)
    }

    fn settings(&self) -> String {
        let durability = if self.durable { "" } else { "fsync = off\nfull_page_writes = off\n" };
        // Whoever asks for something else says so last, which counts.
        format!(
            "listen_addresses = '127.0.0.1'\nmax_connections = 200\n{durability}{settings}",
            settings = self.settings
        )
    }
}
