//! After random writes settle, every subscriber's last result equals a fresh query; and no
//! subscriber ever gets the same result twice in a row.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use artesian_database::{Backend, Database, DatabaseConfig};
use artesian_engine::{Allow, Engine, EngineConfig, Event, Identity, Operation, Request, Source};
use artesian_live::NoObserver;
use artesian_oracle::{
    query::Query,
    random::Random,
    servers::{PostgresWorld, SqliteWorld, learn_relationships, setting},
    world::{World, insert, literal},
};
use tokio::{sync::Notify, task::JoinHandle};

/// A subscriber and what it saw last.
struct Watcher {
    query: Query,
    last: Arc<Mutex<Option<Vec<u8>>>>,
    task: JoinHandle<()>,
}

/// A server with subscribers.
struct Scene {
    engine: Engine,
    world: World,
    watchers: Vec<Watcher>,
    news: Arc<Notify>,
    live: Box<dyn Fn() -> artesian_live::Stats>,
}

impl Scene {
    async fn open<B: Backend>(backend: B, mut world: World, interval: Duration) -> Self {
        let config = DatabaseConfig {
            name: "default".into(),
            live: artesian_live::Config {
                refetch_interval: interval,
                ..artesian_live::Config::default()
            },
            ..DatabaseConfig::default()
        };
        let database =
            Database::open(Arc::new(backend), config, Arc::new(NoObserver)).await.unwrap();
        learn_relationships(&mut world, &database.model());
        let source = Arc::clone(&database) as Arc<dyn Source>;
        Self {
            engine: Engine::new(source, EngineConfig::default()),
            world,
            watchers: Vec::new(),
            news: Arc::new(Notify::new()),
            live: Box::new(move || database.live().stats()),
        }
    }

    fn operation(&self, query: &Query, keyword: &str) -> Operation {
        let request = Request {
            query: query.document(keyword).into(),
            variables: query.variables.clone(),
            ..Request::default()
        };
        self.engine.prepare(request, &Identity::admin(), Allow::ALL).unwrap()
    }

    async fn subscribe(&mut self, random: &mut Random) {
        let single = random.one_in(2);
        let query = Query::random(&self.world, random, single);
        let keyword = if single { "subscription" } else { "query q" };
        let operation = if single {
            self.operation(&query, keyword)
        } else {
            // `query q (…) @live {…}`
            let document = query.document("query q");
            let at = if query.declarations.is_empty() {
                "query q".len()
            } else {
                "query q (".len() + query.declarations.len() + 1
            };
            let (head, body) = document.split_at(at);
            let request = Request {
                query: format!("{head} @live {body}").into(),
                variables: query.variables.clone(),
                ..Request::default()
            };
            self.engine.prepare(request, &Identity::admin(), Allow::ALL).unwrap()
        };
        let mut stream = operation.subscribe().await.unwrap();
        let last = Arc::new(Mutex::new(None));
        let (seen, news) = (Arc::clone(&last), Arc::clone(&self.news));
        let task = tokio::spawn(async move {
            while let Some(event) = stream.next().await {
                let Event::Result(payload) = event else { panic!("{event:?}") };
                let bytes = payload.bytes.to_vec();
                let before = seen.lock().unwrap().replace(bytes.clone());
                assert_ne!(before.as_ref(), Some(&bytes), "told the same result twice");
                news.notify_waiters();
            }
        });
        self.watchers.push(Watcher { query, last, task });
    }

    /// Waits until every subscriber has what a fresh query gives.
    async fn settle(&self, what: &str) {
        for (n, watcher) in self.watchers.iter().enumerate() {
            let operation = self.operation(&watcher.query, "query");
            let fresh = operation.execute().await;
            assert!(!fresh.is_error, "{}", String::from_utf8_lossy(&fresh.bytes));
            let current = async {
                loop {
                    let news = self.news.notified();
                    tokio::pin!(news);
                    news.as_mut().enable();
                    if watcher.last.lock().unwrap().as_deref() == Some(&fresh.bytes[..]) {
                        return;
                    }
                    assert!(!watcher.task.is_finished(), "{what}: subscriber {n} ended");
                    news.await;
                }
            };
            if tokio::time::timeout(Duration::from_secs(30), current).await.is_err() {
                panic!(
                    "{what}: subscriber {n} is stale\n{}\nvariables {:?}\nfresh {}\nlast  {}",
                    watcher.query.document("query"),
                    watcher.query.variables,
                    String::from_utf8_lossy(&fresh.bytes),
                    String::from_utf8_lossy(
                        watcher.last.lock().unwrap().as_deref().unwrap_or_default()
                    ),
                );
            }
        }
    }

    async fn leave(&mut self, what: &str) {
        for watcher in self.watchers.drain(..) {
            watcher.task.abort();
            let _ = watcher.task.await;
        }
        let stats = (self.live)();
        assert_eq!((stats.cohorts, stats.subscribers), (0, 0), "{what}: {stats:?}");
    }
}

/// A random transaction as statements, and whether it commits. References may fail to hold; such a
/// transaction is rolled back by the caller.
fn transaction(world: &World, random: &mut Random, next_id: &mut i64) -> (Vec<String>, bool) {
    let mut statements = Vec::new();
    for _ in 0..1 + random.below(4) {
        let t = random.below(world.tables.len());
        let table = &world.tables[t];
        let id = 1 + random.below(16);
        let column = random.pick(&table.columns[1..]).clone();
        let value = literal(&world.random_cell(random, &column));
        statements.push(match random.below(6) {
            0 | 1 => {
                *next_id += 1;
                insert(table, &world.random_row(random, t, *next_id))
            }
            2 => format!("DELETE FROM {} WHERE id = {id}", table.name),
            3 => format!("UPDATE {} SET {} = {value}", table.name, column.name),
            _ => format!("UPDATE {} SET {} = {value} WHERE id <= {id}", table.name, column.name),
        });
    }
    (statements, !random.one_in(4))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_subscribers_have_the_latest_result() {
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    for n in 0..setting("ARTESIAN_ORACLE_LIVE_WORLDS", 6) {
        let what = format!("seed {seed}, live world {n} on SQLite");
        let mut random = Random::new(seed.wrapping_mul(7_000_003).wrapping_add(n));
        let world = World::random(&mut random);
        let server = SqliteWorld::create(&world);
        let backend = server.backend().await;
        let writer = backend.writer();
        let other_process = server.connection();
        let mut scene = Scene::open(backend, world, Duration::from_millis(50)).await;
        let mut next_id = 1000;
        for round in 0..6 {
            for _ in 0..6 {
                scene.subscribe(&mut random).await;
            }
            for _ in 0..15 {
                let (statements, commit) = transaction(&scene.world, &mut random, &mut next_id);
                if random.one_in(3) {
                    let sql = statements.join(";\n");
                    let end = if commit { "COMMIT" } else { "ROLLBACK" };
                    if other_process
                        .execute_batch(&format!("BEGIN IMMEDIATE;\n{sql};\n{end}"))
                        .is_err()
                    {
                        other_process.execute_batch("ROLLBACK").unwrap();
                    }
                } else {
                    // A broken reference rolls the transaction back.
                    let _ = writer
                        .transaction(move |t| {
                            for s in &statements {
                                t.execute_batch(s)?;
                            }
                            if commit {
                                Ok(())
                            } else {
                                Err(artesian_sqlite::rusqlite::Error::InvalidQuery)
                            }
                        })
                        .await;
                }
            }
            scene.settle(&format!("{what}, round {round}")).await;
        }
        scene.leave(&what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_subscribers_have_the_latest_result() {
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    let interval = Duration::from_millis(40);
    for n in 0..setting("ARTESIAN_ORACLE_LIVE_WORLDS", 6) {
        let what = format!("seed {seed}, live world {n} on PostgreSQL");
        let mut random = Random::new(seed.wrapping_mul(7_000_003).wrapping_add(n));
        let world = World::random(&mut random);
        let server = PostgresWorld::create(&world).await;
        let client = server.client().await;
        let mut scene = Scene::open(server.backend(interval), world, interval).await;
        let mut next_id = 1000;
        for round in 0..4 {
            for _ in 0..6 {
                scene.subscribe(&mut random).await;
            }
            for _ in 0..15 {
                let (statements, commit) = transaction(&scene.world, &mut random, &mut next_id);
                let sql = statements.join(";\n");
                let end = if commit { "COMMIT" } else { "ROLLBACK" };
                if client.batch_execute(&format!("BEGIN;\n{sql};\n{end}")).await.is_err() {
                    client.batch_execute("ROLLBACK").await.unwrap();
                }
            }
            scene.settle(&format!("{what}, round {round}")).await;
        }
        scene.leave(&what).await;
        drop(scene);
        server.remove().await;
    }
}

/// A table that is created, altered and dropped while the server runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_is_read_again() {
    let mut random = Random::new(3);
    let world = World::random(&mut random);
    let server = SqliteWorld::create(&world);
    let backend = server.backend().await;
    let writer = backend.writer();
    let scene = Scene::open(backend, world, Duration::from_millis(50)).await;
    let served = |field: &str| {
        let request = Request { query: format!("{{ {field} }}").into(), ..Request::default() };
        scene.engine.prepare(request, &Identity::admin(), Allow::POST).is_ok()
    };
    for (sql, field, expected) in [
        ("CREATE TABLE later (id INTEGER PRIMARY KEY)", "later { id }", true),
        ("ALTER TABLE later ADD COLUMN note TEXT", "later { note }", true),
        ("DROP TABLE later", "later { id }", false),
    ] {
        writer.transaction(move |t| t.execute_batch(sql)).await.unwrap();
        let noticed = async {
            while served(field) != expected {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), noticed).await.is_ok(), "{sql}");
    }
}
