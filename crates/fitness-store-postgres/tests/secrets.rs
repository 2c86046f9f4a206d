//! No error, log or debug output contains the password, whatever fails.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_core::{NodeId, UnsavedChanges};
use fitness_pgtest::{Cluster, NEEDS_POSTGRESQL, OWNER, PASSWORD};
use fitness_store::{Batch, Store, StoreError};
use fitness_store_postgres::{PostgresStore, redact_url};
use tracing_subscriber::fmt::MakeWriter;

const OBSERVER: NodeId = NodeId([3; 33]);

/// A log writer that keeps everything in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the right password and wrong ones, each as it is and percent-encoded in lower and upper case.
fn secrets() -> Vec<String> {
    let encode = |text: &str, lower: bool| -> String {
        text.bytes()
            .map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte if lower => format!("%{byte:02x}"),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let mut secrets = Vec::new();
    for password in [PASSWORD, "wr0ng-pa55word", "wr0ng/p@55:word?", "wr0ng%20pa55%"] {
        secrets.push(password.to_owned());
        secrets.push(encode(password, true));
        secrets.push(encode(password, false));
    }
    secrets
}

/// Returns what must not be printed: the secrets, and parts of them that occur nowhere else.
fn forbidden() -> Vec<String> {
    let parts = ["s3cr3t", "wr0ng", "pa55", "p@55", "100%#"].map(str::to_owned);
    secrets().into_iter().chain(parts).collect()
}

fn batch() -> Arc<Batch> {
    let changes = UnsavedChanges { forgotten_peers: vec![NodeId([2; 33])], ..UnsavedChanges::default() };
    Arc::new(Batch { changes, ..Batch::default() })
}

/// What was printed, and which errors occurred.
#[derive(Default)]
struct Printed {
    text: String,
    open_failed: usize,
    backend: usize,
}

impl Printed {
    fn add_error(&mut self, error: &StoreError) {
        match error {
            StoreError::OpenFailed { .. } => self.open_failed += 1,
            StoreError::Backend { .. } => self.backend += 1,
            _ => {}
        }
        self.text.push_str(&format!("{error} {error:?} {error:#?}"));
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            self.text.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
    }

    /// Opens and uses stores with this URL, and adds everything that can be printed about them.
    async fn add_stores(&mut self, url: &str) {
        for builder in [PostgresStore::builder(url), PostgresStore::builder(url).schema("")] {
            let builder = builder.statement_timeout(Duration::from_secs(1)).claim_timeout(Duration::ZERO);
            self.text.push_str(&format!("{builder:?} {builder:#?} {}", redact_url(url)));
            for opened in [builder.clone().open().await, builder.open_read_only().await] {
                match opened {
                    Ok(store) => {
                        self.text.push_str(&format!("{store:?} {store:#?} {}", store.location()));
                        let results = [
                            store.commit(&OBSERVER, batch()).await,
                            store
                                .claim(&OBSERVER)
                                .await
                                .map(|claim| self.text.push_str(&format!("{claim:?}"))),
                            store.peers(&OBSERVER, None, 10).await.map(drop),
                        ];
                        self.text.push_str(&format!("{results:?}"));
                    }
                    Err(error) => self.add_error(&error),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn password_is_never_printed() {
    let cluster = Cluster::start().expect(NEEDS_POSTGRESQL);
    let log = Log::default();
    // The logs of the libraries are included.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .init();

    let database = cluster.create_database();
    let name = database.name();
    let port = cluster.port();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let silent_port = silent.local_addr().expect("an address").port();
    let socket = cluster.socket_directory().display().to_string().replace('/', "%2F");
    let mut printed = Printed::default();
    for secret in secrets() {
        for url in [
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/nowhere"),
            format!("postgres://unknown:{secret}@127.0.0.1:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode=require"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode=verify-full"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode={secret}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?options=-c%20nonsense%3D1"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslcert=%2Fx&sslkey=%2Fy"),
            format!("postgres://{OWNER}:{secret}@{socket}:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{closed}/{name}"),
            format!("postgres://{OWNER}:{secret}@no.such.host.invalid/{name}"),
            format!("postgres://127.0.0.1:{port}/{name}?user={OWNER}&password={secret}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:x{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?nonsense=1"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?port={secret}"),
            format!("host=127.0.0.1 user={OWNER} password={secret}"),
            format!("{OWNER}:{secret}@127.0.0.1"),
            secret.clone(),
        ] {
            printed.add_stores(&url).await;
        }
    }
    let url = format!("postgres://{OWNER}:{}@127.0.0.1:{silent_port}/{name}", secrets()[2]);
    printed.add_stores(&url).await;
    // Errors of an open store.
    let store = PostgresStore::open(&database.url()).await.expect("successful open");
    store.commit(&OBSERVER, batch()).await.expect("successful commit");
    database.sql(&format!("ALTER ROLE {OWNER} PASSWORD 'another'"));
    database.terminate_connections();
    printed.add_error(&store.commit(&OBSERVER, batch()).await.expect_err("the password has changed"));
    printed.add_error(&store.peers(&OBSERVER, None, 10).await.expect_err("the password has changed"));
    cluster.stop_immediate();
    printed.add_error(&store.commit(&OBSERVER, batch()).await.expect_err("the server was stopped"));

    let logged = String::from_utf8_lossy(&log.0.lock().expect("no panic")).into_owned();
    assert!(printed.open_failed > 0 && printed.backend > 0, "not all kinds of errors occurred");
    // The SQLSTATE codes of a wrong password and of a missing database.
    for expected in ["28P01", "3D000"] {
        assert!(printed.text.contains(expected), "this error did not occur: {expected}");
    }
    for expected in ["tokio_postgres", "fitness_store_postgres"] {
        assert!(logged.contains(expected), "{expected} logged nothing");
    }
    for secret in forbidden() {
        for (place, text) in [("errors", &printed.text), ("the log", &logged)] {
            if let Some(at) = text.find(&secret) {
                let before: String =
                    text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{place} contain {secret} after {before}");
            }
        }
    }
}
