//! TLS in each of its modes, against a server whose certificate we made.

use std::io::Write;
use std::sync::LazyLock;

use fitness_pgtest::{CertificateAuthority, Cluster, Database};
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;
use tempfile::NamedTempFile;

use crate::support::{OURS, cannot_open, database, marked};

struct Secured {
    cluster: Cluster,
    authority: CertificateAuthority,
}

/// What its certificate is for; not for the address.
const NAME: &str = "localhost";

static SECURED: LazyLock<Option<Secured>> = LazyLock::new(|| {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority, &[NAME]).start()?;
    Some(Secured { cluster, authority })
});

fn file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(pem.as_bytes()).expect("written");
    file
}

fn named(file: &NamedTempFile) -> String {
    file.path().display().to_string().replace('/', "%2F")
}

/// Opens the database by that host's name, stores something, and returns whether that was over TLS.
async fn try_it(database: &Database<'_>, host: &str, query: &str) -> Result<bool, String> {
    let url = format!("{}?{query}", database.url().replace("127.0.0.1", host));
    let opened = PostgresStore::open(&url).await;
    let store = match opened {
        Ok(store) => store,
        refused => return Err(cannot_open(refused)),
    };
    store.commit(&OURS, marked(1)).await.expect("it stores");
    let ours = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                WHERE a.datname = current_database() AND a.application_name = 'ldk-fitness'";
    Ok(database.sql(ours) == "t")
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_keep_what_they_promise() {
    let Some(Secured { cluster, authority }) = &*SECURED else { return };
    let database = cluster.create_database();
    let (ours, others) = (file(authority.certificate()), file(CertificateAuthority::new().certificate()));
    let (ours, others) = (named(&ours), named(&others));
    for (host, query) in [
        (NAME, ""),
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", &format!("sslmode=require&sslrootcert={ours}")),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ours}")),
        (NAME, &format!("sslmode=verify-full&sslrootcert={ours}")),
    ] {
        assert_eq!(try_it(&database, host, query).await, Ok(true), "{host} {query}");
    }
    for (host, query, said) in [
        (NAME, "sslmode=disable", "no encryption"),
        (NAME, &*format!("sslmode=require&sslrootcert={others}"), "invalid peer certificate"),
        (NAME, &*format!("sslmode=verify-ca&sslrootcert={others}"), "invalid peer certificate"),
        (NAME, &*format!("sslmode=verify-full&sslrootcert={others}"), "invalid peer certificate"),
        ("127.0.0.1", &*format!("sslmode=verify-full&sslrootcert={ours}"), "not valid for name"),
        (NAME, "sslmode=verify-full&sslrootcert=%2Fno%2Fsuch%2Ffile", "/no/such/file"),
    ] {
        let reason = try_it(&database, host, query).await.expect_err(query);
        assert!(reason.contains(said), "{host} {query}: {reason}");
    }
    // Nobody on this machine trusts our authority; or nobody trusts anybody, which is said as well.
    let reason = try_it(&database, NAME, "sslmode=verify-full").await.expect_err("it is not trusted");
    assert!(
        reason.contains("invalid peer certificate") || reason.contains("no certificates to trust"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_takes_the_place_of_a_password() {
    let Some(Secured { cluster, authority }) = &*SECURED else { return };
    let database = cluster.create_database();
    database.sql("GRANT fitness TO certified");
    let (root, client) = (file(authority.certificate()), authority.issue_client_certificate("certified"));
    let (certificate, key) = (file(&client.certificate), file(&client.key));
    let address = format!("{NAME}:{}/{}", cluster.port(), database.name());
    let secured = format!("sslmode=verify-full&sslrootcert={}", named(&root));
    let url = format!(
        "postgres://certified@{address}?{secured}&sslcert={}&sslkey={}",
        named(&certificate),
        named(&key)
    );
    let store = PostgresStore::builder(&url).open().await.expect("it opens");
    store.commit(&OURS, marked(1)).await.expect("it stores");

    for (query, said) in [
        (secured.clone(), "client certificate"),
        (format!("{secured}&sslcert={}&sslkey={}", named(&certificate), named(&root)), "sslkey"),
        (format!("{secured}&sslcert=%2Fnowhere&sslkey={}", named(&key)), "/nowhere"),
    ] {
        let refused = PostgresStore::open(&format!("postgres://certified@{address}?{query}")).await;
        let reason = cannot_open(refused);
        assert!(reason.contains(said), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_where_that_will_do() {
    let database = database!();
    for query in ["", "sslmode=prefer", "sslmode=disable"] {
        assert_eq!(try_it(&database, "127.0.0.1", query).await, Ok(false), "{query}");
    }
    for query in ["sslmode=require", "sslmode=verify-full"] {
        let reason = try_it(&database, "127.0.0.1", query).await.expect_err(query);
        assert!(reason.contains("server does not support TLS") && reason.contains("sslmode"), "{reason}");
    }
}
