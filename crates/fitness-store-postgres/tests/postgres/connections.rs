//! Unresponsive networks, unreachable servers, and ways to connect.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use fitness_pgtest::{OWNER, PASSWORD};
use fitness_regtest::Proxy;
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

/// Returns a port on which no program listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn operations_time_out_on_an_unresponsive_network() {
    let database = create_database();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, database.cluster().port()));
    let proxy = Proxy::start(server).expect("a proxy");
    let url = database.url_for(OWNER, proxy.addr().port());
    let builder = short_timeout(&url).statement_timeout(Duration::from_secs(1));
    let store = builder.open().await.expect("an open store");
    let _claim = store.claim(&OBSERVER).await.expect("a claim");
    for version in 1..3 {
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
        assert_eq!(stored_version(&store, OBSERVER).await, version);
        proxy.black_hole();
        let node_id = node(0);
        let (written, read) =
            tokio::join!(store.commit(&OBSERVER, batch(9)), store.peer(&OBSERVER, &node_id));
        for error in [transient_error(written), transient_error(read)] {
            assert!(error.contains("2s"), "{error}");
        }
        proxy.restore();
    }
    // The server still has the abandoned connection with the lock. The store terminates it.
    store.commit(&OBSERVER, batch(3)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn unreachable_server_is_a_transient_error() {
    let database = create_database();
    let error = transient_error(PostgresStore::open(&database.url_for(OWNER, closed_port())).await);
    assert!(error.contains("onnection refused"), "{error}");

    // This port accepts connections and sends nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = database.url_for(OWNER, silent.local_addr().expect("an address").port());
    let opened = short_timeout(&url).statement_timeout(Duration::from_secs(1)).open().await;
    let error = transient_error(opened);
    assert!(error.contains("2s"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn first_writable_server_of_several_is_used() {
    let database = create_database();
    let port = database.cluster().port();
    let hosts = format!(":{},127.0.0.1:{port}/", closed_port());
    let url = database.url().replace(&format!(":{port}/"), &hosts);
    let store = PostgresStore::open(&url).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");

    database.sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    let error = transient_error(PostgresStore::open(&url).await);
    assert!(error.contains("does not allow writes"), "{error}");
    let reader = PostgresStore::open_read_only(&url).await.expect("an open store");
    assert_eq!(stored_version(&reader, OBSERVER).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn unix_socket_is_used_without_tls() {
    let database = create_database();
    let directory = database.cluster().socket_directory().display().to_string();
    let tcp = format!("127.0.0.1:{}", database.cluster().port());
    let port = database.cluster().port();
    let url = database.url().replace(&tcp, &format!("{}:{port}", directory.replace('/', "%2F")));
    let store = PostgresStore::open(&format!("{url}?sslmode=verify-full")).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(store.location(), format!("postgres://fitness@{directory}:{port}/{}", database.name()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn password_is_read_from_a_private_file() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    let database = create_database();
    let url = database.url();
    let (_, address) = url.split_once('@').expect("a URL with a user");
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let password = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    writeln!(file, "# a comment\nelsewhere:*:*:{OWNER}:wrong\n127.0.0.1:*:*:{OWNER}:{password}")
        .expect("a successful write");
    let path = file.path().display().to_string().replace('/', "%2F");
    let url = format!("postgres://{OWNER}@{address}?passfile={path}");
    let store = PostgresStore::open(&url).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");

    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).expect("changed permissions");
    let reason = open_failure(PostgresStore::open(&url).await);
    assert!(reason.contains("PGPASSWORD"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn commits_are_synchronous_even_if_the_role_turns_that_off() {
    let database = create_database();
    database.sql(&format!("ALTER ROLE {OWNER} IN DATABASE {} SET synchronous_commit = off", database.name()));
    let store = open(&database).await;
    database.sql(
        "CREATE TABLE public.recorded (setting text); GRANT ALL ON public.recorded TO fitness; \
         CREATE FUNCTION public.record_setting() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO public.recorded VALUES (current_setting(''synchronous_commit'')); \
          RETURN NULL; END'; \
         CREATE TRIGGER record_setting AFTER INSERT ON ldk_fitness.observers \
         FOR EACH STATEMENT EXECUTE FUNCTION public.record_setting()",
    );
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(database.sql("SELECT DISTINCT setting FROM public.recorded"), "on");
}
