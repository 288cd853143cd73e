//! A database of its own for every test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use artesian_database::{Backend, BackendError, Values};
use artesian_postgres::{Postgres, Settings};
use artesian_sql::{Dialect, ParamType, QualifiedName, Statement};
use tokio_postgres::{Client, NoTls};

const VARIABLE: &str = "ARTESIAN_TEST_POSTGRES_URL";

/// The URL of the server to test against.
pub fn server_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "these tests need a PostgreSQL server and do not pass without one. Run `make test`, or:\n\
             \n    eval \"$(scripts/postgres.sh env target/test-postgres)\"\
             \n    cargo test -p artesian-postgres\n\
             \nto start one and set {VARIABLE}."
        )
    })
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
    tokio::spawn(connection);
    client
}

/// A server of a test's own.
pub struct Server {
    directory: PathBuf,
}

impl Server {
    /// Not started yet.
    pub fn new(name: &str) -> Self {
        // Without the other server something is amiss, which is to be said first.
        let _ = server_url();
        let name = format!("postgres-{name}-{}", std::process::id());
        Self { directory: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) }
    }

    pub fn script(&self, command: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres.sh");
        let output = Command::new(script).arg(command).arg(&self.directory).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "postgres.sh {command}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// An empty database, dropped at the end.
pub struct Database {
    pub url: String,
    name: String,
    server: String,
}

impl Database {
    pub async fn new() -> Self {
        Self::on(&server_url()).await
    }

    pub async fn on(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("artesian_test_{}_{count}_{now}", std::process::id());
        let client = connect(server).await;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (base, parameters) = server.split_once('?').unwrap_or((server, ""));
        let (base, _) = base.rsplit_once('/').unwrap();
        let url = format!("{base}/{name}?{parameters}");
        Self { url, name, server: server.to_owned() }
    }

    /// A database with these statements run in it.
    pub async fn with(sql: &str) -> Self {
        let database = Self::new().await;
        database.run(sql).await;
        database
    }

    pub async fn run(&self, sql: &str) {
        connect(&self.url).await.batch_execute(sql).await.unwrap();
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.url);
        settings.max_connections = 4;
        settings
    }

    pub fn backend(&self) -> Postgres {
        Postgres::new(self.settings()).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                if let Ok((client, connection)) = tokio_postgres::connect(&server, NoTls).await {
                    tokio::spawn(connection);
                    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    let _ = client.batch_execute(&sql).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

/// A statement whose parameters have these types (`int4`, `int4[]`, `"public"."mood"`).
pub fn statement(sql: &str, types: &[&str]) -> Statement {
    Statement {
        dialect: Dialect::Postgres,
        sql: sql.into(),
        batch_sql: "".into(),
        param_types: types
            .iter()
            .map(|name| ParamType {
                name: (*name).to_owned(),
                batch_element: if name.ends_with("[]") { "text" } else { name }.to_owned(),
            })
            .collect(),
        reads: [].into(),
        volatile: false,
    }
}

pub fn values(values: &[Option<&str>]) -> Values {
    values.iter().map(|value| value.map(Arc::from)).collect()
}

/// Runs a statement without parameters and returns the response as text.
pub async fn fetch(backend: &Postgres, sql: &str) -> Result<String, BackendError> {
    let bytes = backend.fetch(&statement(sql, &[]), &values(&[])).await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

pub fn name(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    QualifiedName::new(schema, name)
}

/// Asks again until the answer is yes.
pub async fn eventually(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !question().await {
        assert!(Instant::now() < deadline, "it never came to pass that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
