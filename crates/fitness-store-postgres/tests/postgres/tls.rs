//! All TLS modes, with a server that has a certificate of a test authority.

use std::io::Write;
use std::sync::LazyLock;

use fitness_pgtest::{CertificateAuthority, Cluster, Database, NEEDS_POSTGRESQL};
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;
use tempfile::NamedTempFile;

use crate::support::{OBSERVER, batch, create_database, open_failure};

struct TlsServer {
    cluster: Cluster,
    authority: CertificateAuthority,
}

/// The host name in the server's certificate, which does not contain the address.
const NAME: &str = "localhost";

static SERVER: LazyLock<TlsServer> = LazyLock::new(|| {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority, &[NAME]).start().expect(NEEDS_POSTGRESQL);
    TlsServer { cluster, authority }
});

fn write_file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(pem.as_bytes()).expect("a successful write");
    file
}

/// Returns the percent-encoded path.
fn encoded_path(file: &NamedTempFile) -> String {
    file.path().display().to_string().replace('/', "%2F")
}

/// Opens a store with this host and query, commits a batch, and returns whether the connections use TLS.
async fn commit_over(database: &Database<'_>, host: &str, query: &str) -> Result<bool, String> {
    let url = format!("{}?{query}", database.url().replace("127.0.0.1", host));
    let store = match PostgresStore::open(&url).await {
        Ok(store) => store,
        failed => return Err(open_failure(failed)),
    };
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let uses_tls = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                WHERE a.datname = current_database() AND a.application_name = 'ldk-fitness'";
    Ok(database.sql(uses_tls) == "t")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn each_mode_verifies_what_it_documents() {
    let TlsServer { cluster, authority } = &*SERVER;
    let database = cluster.create_database();
    let trusted = write_file(authority.certificate());
    let other = write_file(CertificateAuthority::new().certificate());
    let (trusted, other) = (encoded_path(&trusted), encoded_path(&other));
    for (host, query) in [
        (NAME, ""),
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", &format!("sslmode=require&sslrootcert={trusted}")),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={trusted}")),
        (NAME, &format!("sslmode=verify-full&sslrootcert={trusted}")),
    ] {
        assert_eq!(commit_over(&database, host, query).await, Ok(true), "{host} {query}");
    }
    for (host, query, expected) in [
        (NAME, "sslmode=disable", "no encryption"),
        (NAME, &*format!("sslmode=require&sslrootcert={other}"), "invalid peer certificate"),
        (NAME, &*format!("sslmode=verify-ca&sslrootcert={other}"), "invalid peer certificate"),
        (NAME, &*format!("sslmode=verify-full&sslrootcert={other}"), "invalid peer certificate"),
        ("127.0.0.1", &*format!("sslmode=verify-full&sslrootcert={trusted}"), "not valid for name"),
        (NAME, "sslmode=verify-full&sslrootcert=%2Fno%2Fsuch%2Ffile", "/no/such/file"),
    ] {
        let reason = commit_over(&database, host, query).await.expect_err(query);
        assert!(reason.contains(expected), "{host} {query}: {reason}");
    }
    // This system does not trust the test authority. It may also have no trusted certificates at all.
    let reason =
        commit_over(&database, NAME, "sslmode=verify-full").await.expect_err("an untrusted authority");
    assert!(
        reason.contains("invalid peer certificate") || reason.contains("no trusted certificates"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn client_certificate_replaces_the_password() {
    let TlsServer { cluster, authority } = &*SERVER;
    let database = cluster.create_database();
    database.sql("GRANT fitness TO certified");
    let root = write_file(authority.certificate());
    let client = authority.issue_client_certificate("certified");
    let (certificate, key) = (write_file(&client.certificate), write_file(&client.key));
    let address = format!("{NAME}:{}/{}", cluster.port(), database.name());
    let verified = format!("sslmode=verify-full&sslrootcert={}", encoded_path(&root));
    let url = format!(
        "postgres://certified@{address}?{verified}&sslcert={}&sslkey={}",
        encoded_path(&certificate),
        encoded_path(&key)
    );
    let store = PostgresStore::builder(&url).open().await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");

    for (query, expected) in [
        (verified.clone(), "client certificate"),
        (
            format!("{verified}&sslcert={}&sslkey={}", encoded_path(&certificate), encoded_path(&root)),
            "sslkey",
        ),
        (format!("{verified}&sslcert=%2Fnowhere&sslkey={}", encoded_path(&key)), "/nowhere"),
    ] {
        let opened = PostgresStore::open(&format!("postgres://certified@{address}?{query}")).await;
        let reason = open_failure(opened);
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn server_without_tls_is_accepted_unless_tls_is_required() {
    let database = create_database();
    for query in ["", "sslmode=prefer", "sslmode=disable"] {
        assert_eq!(commit_over(&database, "127.0.0.1", query).await, Ok(false), "{query}");
    }
    for query in ["sslmode=require", "sslmode=verify-full"] {
        let reason = commit_over(&database, "127.0.0.1", query).await.expect_err(query);
        assert!(reason.contains("server does not support TLS") && reason.contains("sslmode"), "{reason}");
    }
}
