//! TLS in all of libpq's modes, and sockets, against a server with a certificate of its own.

use std::{path::Path, time::Duration};

use crate::common::{Server, connect, eventually, fetch};
use artesian_database::{Backend, BackendError};
use artesian_postgres::{Postgres, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::time::timeout;

/// A certificate for `localhost` and its key, and the authority that signed it.
fn certificates() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (certificate.pem(), key.serialize_pem(), authority.pem())
}

#[tokio::test]
async fn modes() {
    let server = Server::new("tls");
    let url = server.script("start");
    let (certificate, key, authority) = certificates();
    let (_, _, stranger) = certificates();
    let roots = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str, pem: &str| {
        let path = roots.join(format!("{name}-{}.pem", std::process::id()));
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ours, strange) = (file("ours", &authority), file("strange", &stranger));

    let admin = connect(&url).await;
    let answer = async |sql: &str| {
        let postgres = Postgres::new(Settings::new(&url)).unwrap();
        fetch(&postgres, sql).await.unwrap().replace("{\"data\":", "").replace('}', "")
    };
    let data = answer("SHOW data_directory").await;
    for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
        let sql = format!(
            "COPY (SELECT line FROM string_to_table('{pem}', E'\\n') AS line)
             TO PROGRAM 'umask 077; cat > \"{data}/{name}\"'"
        );
        admin.batch_execute(&sql).await.unwrap();
    }
    for (host, encrypted) in [("127.0.0.1", "false"), ("localhost", "false")] {
        assert_eq!(mode(&url, host, "prefer").await.unwrap(), encrypted, "no TLS at the server");
        let refused = mode(&url, host, "require").await;
        assert!(matches!(refused, Err(BackendError::Unavailable(_))), "{refused:?}");
    }

    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    eventually("it has TLS", async || answer("SHOW ssl").await == "on").await;
    let by_us = format!("&sslrootcert={ours}");
    let by_them = format!("&sslrootcert={strange}");
    for (host, parameters, expected) in [
        ("127.0.0.1", "disable".to_owned(), Some("false")),
        ("127.0.0.1", "prefer".to_owned(), Some("true")),
        ("127.0.0.1", "require".to_owned(), Some("true")),
        ("127.0.0.1", format!("require{by_us}"), Some("true")),
        ("127.0.0.1", format!("require{by_them}"), None),
        ("127.0.0.1", format!("verify-ca{by_us}"), Some("true")),
        ("127.0.0.1", format!("verify-ca{by_them}"), None),
        ("127.0.0.1", format!("verify-full{by_us}"), None),
        ("localhost", format!("verify-full{by_us}"), Some("true")),
        ("localhost", format!("verify-full{by_us}&hostaddr=127.0.0.1"), Some("true")),
        ("localhost", format!("verify-full{by_them}"), None),
    ] {
        let encrypted = mode(&url, host, &parameters).await;
        match expected {
            Some(expected) => assert_eq!(encrypted.unwrap(), expected, "{host} {parameters}"),
            None => assert!(
                matches!(encrypted, Err(BackendError::Unavailable(_))),
                "{host} {parameters}: {encrypted:?}"
            ),
        }
    }
    assert!(
        Postgres::new(Settings::new(format!("{url}?sslmode=verify-full&sslrootcert=/no/such")))
            .is_err()
    );

    // Cancelling goes the same way, and waits for the end of it there too.
    let mut settings = Settings::new(url.replace("127.0.0.1", "localhost"));
    settings.url.push_str(&format!("?sslmode=verify-full{by_us}"));
    settings.max_connections = 1;
    let backend = Postgres::new(settings).unwrap();
    let session = "SELECT pg_backend_pid()::text";
    let before = fetch(&backend, session).await.unwrap();
    for _ in 0..5 {
        let sleep = fetch(&backend, "SELECT pg_sleep(60)::text");
        assert!(timeout(Duration::from_millis(30), sleep).await.is_err());
        assert_eq!(fetch(&backend, session).await.unwrap(), before);
    }

    for path in [ours, strange] {
        std::fs::remove_file(path).unwrap();
    }
    let sockets = answer("SHOW unix_socket_directories").await;
    if !sockets.is_empty() {
        let (_, port) = url.trim_end_matches("/postgres").rsplit_once(':').unwrap();
        let socket = format!("postgres://postgres@/postgres?host={sockets}&port={port}");
        let backend = Postgres::new(Settings::new(socket)).unwrap();
        let sleep = fetch(&backend, "SELECT pg_sleep(60)::text");
        assert!(timeout(Duration::from_millis(30), sleep).await.is_err());
        backend.ping().await.unwrap();
        let local =
            "SELECT (client_addr IS NULL)::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        assert_eq!(fetch(&backend, local).await.unwrap(), "{\"data\":true}");
        eventually("the cancelled one is free", async || {
            let (open, free) = backend.connections();
            open == free
        })
        .await;
    }
}

/// Whether a connection with this `sslmode` (and more) is encrypted.
async fn mode(url: &str, host: &str, parameters: &str) -> Result<String, BackendError> {
    let url = url.replace("127.0.0.1", host);
    let backend = Postgres::new(Settings::new(format!("{url}?sslmode={parameters}"))).unwrap();
    let sql = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let answer = fetch(&backend, sql).await?;
    Ok(answer.replace("{\"data\":", "").replace('}', ""))
}
