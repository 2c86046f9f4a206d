//! The password is in no error, no log and no debug output, whatever goes wrong.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_core::{NodeId, UnsavedChanges};
use fitness_pgtest::{Cluster, OWNER, PASSWORD};
use fitness_store::{Batch, Store};
use fitness_store_postgres::{PostgresStore, redact_url};
use tracing_subscriber::fmt::MakeWriter;

/// All that was ever logged.
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

/// The password as it is, as it stands in a URL in two ways, and wrong ones.
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

/// What must not be found: the secrets, and pieces of them that nothing else is made of.
fn needles() -> Vec<String> {
    let pieces = ["s3cr3t", "wr0ng", "pa55", "p@55", "100%#"].map(str::to_owned);
    secrets().into_iter().chain(pieces).collect()
}

fn batch() -> Arc<Batch> {
    let changes = UnsavedChanges { forgotten_peers: vec![NodeId([2; 33])], ..UnsavedChanges::default() };
    Arc::new(Batch { changes, ..Batch::default() })
}

async fn try_it(url: &str, said: &mut String) {
    for builder in [PostgresStore::builder(url), PostgresStore::builder(url).schema("")] {
        let builder = builder.statement_timeout(Duration::from_secs(1)).claim_timeout(Duration::ZERO);
        said.push_str(&format!("{builder:?} {builder:#?} {}", redact_url(url)));
        for opened in [builder.clone().open().await, builder.open_read_only().await] {
            match opened {
                Ok(store) => {
                    said.push_str(&format!("{store:?} {store:#?} {}", store.location()));
                    let observer = NodeId([3; 33]);
                    let done = [
                        store.commit(&observer, batch()).await,
                        store.claim(&observer).await.map(|claim| said.push_str(&format!("{claim:?}"))),
                        store.peers(&observer, None, 10).await.map(drop),
                    ];
                    said.push_str(&format!("{done:?}"));
                }
                Err(error) => {
                    said.push_str(&format!("{error} {error:?} {error:#?}"));
                    let mut source = std::error::Error::source(&error);
                    while let Some(cause) = source {
                        said.push_str(&format!(" {cause} {cause:?}"));
                        source = cause.source();
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_never_said() {
    let Some(cluster) = Cluster::start() else { return };
    let log = Log::default();
    // The libraries' own records among them.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .init();

    let database = cluster.create_database();
    let name = database.name();
    let port = cluster.port();
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port").port();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    let socket = cluster.socket_directory().display().to_string().replace('/', "%2F");
    let mut said = String::new();
    for secret in secrets() {
        for url in [
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/nowhere"),
            format!("postgres://nobody:{secret}@127.0.0.1:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode=require"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode=verify-full"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslmode={secret}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?options=-c%20nonsense%3D1"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?sslcert=%2Fx&sslkey=%2Fy"),
            format!("postgres://{OWNER}:{secret}@{socket}:{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{free}/{name}"),
            format!("postgres://{OWNER}:{secret}@no.such.host.invalid/{name}"),
            format!("postgres://127.0.0.1:{port}/{name}?user={OWNER}&password={secret}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:x{port}/{name}"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?nonsense=1"),
            format!("postgres://{OWNER}:{secret}@127.0.0.1:{port}/{name}?port={secret}"),
            format!("host=127.0.0.1 user={OWNER} password={secret}"),
            format!("{OWNER}:{secret}@127.0.0.1"),
            secret.clone(),
        ] {
            try_it(&url, &mut said).await;
        }
    }
    let url = format!("postgres://{OWNER}:{}@127.0.0.1:{silent_port}/{name}", secrets()[2]);
    try_it(&url, &mut said).await;
    // And while it is open.
    let store = PostgresStore::open(&database.url()).await.expect("it opens");
    store.commit(&NodeId([3; 33]), batch()).await.expect("it stores");
    database.sql(&format!("ALTER ROLE {OWNER} PASSWORD 'another'"));
    database.terminate_connections();
    for error in [
        store.commit(&NodeId([3; 33]), batch()).await.expect_err("the password is another"),
        store.peers(&NodeId([3; 33]), None, 10).await.expect_err("the password is another"),
    ] {
        said.push_str(&format!("{error} {error:?}"));
    }
    cluster.stop_immediate();
    let error = store.commit(&NodeId([3; 33]), batch()).await.expect_err("nobody is there");
    said.push_str(&format!("{error} {error:?}"));

    let logged = String::from_utf8_lossy(&log.0.lock().expect("no panic")).into_owned();
    for expected in
        ["password authentication failed", "does not exist", "onnection refused", "has not answered"]
    {
        assert!(said.contains(expected), "nothing of this kind went wrong: {expected}");
    }
    for expected in ["tokio_postgres", "fitness_store_postgres"] {
        assert!(logged.contains(expected), "{expected} logged nothing");
    }
    for needle in needles() {
        for (place, text) in [("an error", &said), ("the log", &logged)] {
            if let Some(at) = text.find(&needle) {
                let around: String =
                    text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{place} has {needle} after {around}");
            }
        }
    }
}
