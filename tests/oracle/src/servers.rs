//! Real databases that hold a world, for the length of a test.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use artesian_postgres::Postgres;
use artesian_sql::model::{Cardinality, Model};
use artesian_sqlite::{Settings, Sqlite, rusqlite::Connection};

use crate::world::{Relationship, World};

static NEXT: AtomicU32 = AtomicU32::new(0);

fn unique() -> String {
    format!("oracle_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().unwrap())
}

/// Reads how the server named the relationships.
pub fn learn_relationships(world: &mut World, model: &Model) {
    for (t, table) in world.tables.iter().enumerate() {
        let served = model.tables.iter().find(|m| m.name == table.name).unwrap();
        world.relationships[t] = served
            .relationships
            .iter()
            .map(|r| {
                let target_name = &model.tables[r.target].name;
                let target = world.tables.iter().position(|x| x.name == *target_name).unwrap();
                let column = |t: usize, name: &str| {
                    world.tables[t].columns.iter().position(|c| c.name == name).unwrap()
                };
                let [(own, other)] = r.mapping.as_slice() else { panic!("one column") };
                Relationship {
                    name: r.name.clone(),
                    many: r.cardinality == Cardinality::Many,
                    target,
                    on: (column(t, own), column(target, other)),
                }
            })
            .collect();
    }
}

/// A SQLite file with a world in it, removed when dropped.
pub struct SqliteWorld {
    directory: PathBuf,
}

impl SqliteWorld {
    /// Writes the file.
    pub fn create(world: &World) -> Self {
        Self::with(&world.sql())
    }

    /// Writes a file with what these statements make.
    pub fn with(sql: &str) -> Self {
        let directory = std::env::temp_dir().join(unique());
        std::fs::create_dir_all(&directory).unwrap();
        let this = Self { directory };
        this.connection().execute_batch(sql).unwrap();
        this
    }

    /// A connection of another process, as far as the server can tell.
    pub fn connection(&self) -> Connection {
        let connection = Connection::open(self.directory.join("world.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection
    }

    /// The server's side.
    pub async fn backend(&self) -> Sqlite {
        let mut settings = Settings::new(self.directory.join("world.db"));
        settings.data_version_interval = Duration::from_millis(10);
        Sqlite::open(settings).await.unwrap()
    }
}

impl Drop for SqliteWorld {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A PostgreSQL database with a world in it.
pub struct PostgresWorld {
    server: String,
    name: String,
}

impl PostgresWorld {
    /// Creates the database on the server that `ARTESIAN_TEST_POSTGRES_URL` names.
    pub async fn create(world: &World) -> Self {
        Self::with(&world.sql()).await
    }

    /// The same with what these statements make.
    pub async fn with(sql: &str) -> Self {
        let server = std::env::var("ARTESIAN_TEST_POSTGRES_URL").expect(
            "ARTESIAN_TEST_POSTGRES_URL names no server: run `make test`, or start one with \
             scripts/postgres.sh",
        );
        let this = Self { server, name: unique() };
        let admin = connect(&this.server).await;
        let name = &this.name;
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C'"))
            .await
            .unwrap();
        this.client().await.batch_execute(sql).await.unwrap();
        this
    }

    /// A client beside the server.
    pub async fn client(&self) -> tokio_postgres::Client {
        connect(&with_database(&self.server, &self.name)).await
    }

    /// The server's side.
    pub fn backend(&self, refetch_interval: Duration) -> Postgres {
        let mut settings =
            artesian_postgres::Settings::new(with_database(&self.server, &self.name));
        settings.refetch_interval = refetch_interval;
        // Other tests may keep both cores busy.
        settings.connect_timeout = Duration::from_secs(30);
        settings.acquire_timeout = Duration::from_secs(60);
        Postgres::new(settings).unwrap()
    }

    /// Drops the database.
    pub async fn remove(self) {
        let admin = connect(&self.server).await;
        let name = &self.name;
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(b, q)| (b, Some(q)));
    let scheme_end = base.find("://").unwrap() + 3;
    let base = match base[scheme_end..].find('/') {
        Some(i) => &base[..scheme_end + i],
        None => base,
    };
    match query {
        Some(q) => format!("{base}/{name}?{q}"),
        None => format!("{base}/{name}"),
    }
}
