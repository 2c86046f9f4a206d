//! Networks that fall silent, servers that are elsewhere, and whoever cannot be reached.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use fitness_pgtest::{OWNER, PASSWORD};
use fitness_regtest::Proxy;
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_falls_silent_is_given_up() {
    let database = database!();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, database.cluster().port()));
    let proxy = Proxy::start(server).expect("a proxy");
    let url = database.url_for(OWNER, proxy.addr().port());
    let store = impatient(&url).statement_timeout(Duration::from_secs(1)).open().await.expect("it opens");
    let _held = store.claim(&OURS).await.expect("a claim");
    for version in 1..3 {
        store.commit(&OURS, marked(version)).await.expect("it stores");
        assert_eq!(stored(&store, OURS).await, version);
        proxy.black_hole();
        let node_id = node(0);
        let (written, read) = tokio::join!(store.commit(&OURS, marked(9)), store.peer(&OURS, &node_id));
        for error in [refused_for_now(written), refused_for_now(read)] {
            assert!(error.contains("has not answered"), "{error}");
        }
        proxy.restore();
    }
    // Its own former connection is in nobody's way, although the server still has it.
    store.commit(&OURS, marked(3)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_may_be_later() {
    let database = database!();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port");
    let error = refused_for_now(PostgresStore::open(&database.url_for(OWNER, free.port())).await);
    assert!(error.contains("onnection refused") && error.contains("try again"), "{error}");

    // It takes the connection, and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = database.url_for(OWNER, silent.local_addr().expect("an address").port());
    let opened = impatient(&url).statement_timeout(Duration::from_secs(1)).open().await;
    let error = refused_for_now(opened);
    assert!(error.contains("has not answered for 2s"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_first_that_can_be_written_to_is_taken() {
    let database = database!();
    let port = database.cluster().port();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port");
    let url = database.url().replace(&format!(":{port}/"), &format!(":{},127.0.0.1:{port}/", free.port()));
    let store = PostgresStore::open(&url).await.expect("one of them answers");
    store.commit(&OURS, marked(1)).await.expect("it stores");

    database.sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    let error = refused_for_now(PostgresStore::open(&url).await);
    assert!(error.contains("does not allow writes"), "{error}");
    let reading = PostgresStore::open_read_only(&url).await.expect("it can be read");
    assert_eq!(stored(&reading, OURS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_the_same_machine_will_do() {
    let database = database!();
    let directory = database.cluster().socket_directory().display().to_string();
    let tcp = format!("127.0.0.1:{}", database.cluster().port());
    let port = database.cluster().port();
    let url = database.url().replace(&tcp, &format!("{}:{port}", directory.replace('/', "%2F")));
    // Where there is no network there is no TLS, whatever is asked for.
    let store = PostgresStore::open(&format!("{url}?sslmode=verify-full")).await.expect("it opens");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    assert_eq!(store.location(), format!("postgres://fitness@{directory}:{port}/{}", database.name()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_stand_in_a_file() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    let database = database!();
    let (_, address) = database.url().split_once('@').map(|(_, rest)| ((), rest.to_owned())).expect("a URL");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let password = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    writeln!(file, "# a comment\nelsewhere:*:*:{OWNER}:wrong\n127.0.0.1:*:*:{OWNER}:{password}")
        .expect("written");
    let path = file.path().display().to_string().replace('/', "%2F");
    let url = format!("postgres://{OWNER}@{address}?passfile={path}");
    let store = PostgresStore::open(&url).await.expect("it opens");
    store.commit(&OURS, marked(1)).await.expect("it stores");

    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).expect("ours");
    let reason = cannot_open(PostgresStore::open(&url).await);
    assert!(reason.contains("password missing") && reason.contains("PGPASSWORD"), "{reason}");
}

/// Commits that nobody else hears of: another session's setting does not reach ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_on_disk() {
    let database = database!();
    database.sql(&format!("ALTER ROLE {OWNER} IN DATABASE {} SET synchronous_commit = off", database.name()));
    let store = open(&database).await;
    database.sql(
        "CREATE TABLE public.seen (setting text); GRANT ALL ON public.seen TO fitness; \
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO public.seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'; \
         CREATE TRIGGER see AFTER INSERT ON ldk_fitness.observers \
         FOR EACH STATEMENT EXECUTE FUNCTION public.see()",
    );
    store.commit(&OURS, marked(1)).await.expect("it stores");
    assert_eq!(database.sql("SELECT DISTINCT setting FROM public.seen"), "on");
}
