//! What the compiler and the databases answer equals what a plain evaluator answers.
//!
//! `ARTESIAN_ORACLE_SEED` and `ARTESIAN_ORACLE_WORLDS` make other and longer runs.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use artesian_database::{Backend, Database, DatabaseConfig};
use artesian_engine::{Allow, Engine, EngineConfig, Identity, Request, Source};
use artesian_live::NoObserver;
use artesian_oracle::{
    evaluate::evaluate,
    query::Query,
    random::Random,
    world::{Relationship, World},
};
use artesian_sql::model::{Cardinality, Model};
use serde_json::Value as Json;

/// Reads how the server named the relationships.
fn learn_relationships(world: &mut World, model: &Model) {
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

/// Numbers compare by value: databases differ in how they write them.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            let (x, y) = (x.to_string().parse::<f64>().unwrap(), y.to_string().parse::<f64>().unwrap());
            (x - y).abs() <= 1e-9 * x.abs().max(1.0)
        }
        (Json::Array(x), Json::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Json::Object(x), Json::Object(y)) => {
            // Keys in the order of the selection, on both sides.
            x.len() == y.len() && x.iter().zip(y).all(|((k, v), (l, w))| k == l && same(v, w))
        }
        (a, b) => a == b,
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().unwrap())
}

async fn check<B: Backend>(backend: B, mut world: World, random: &mut Random, what: &str) {
    let database = Database::open(
        Arc::new(backend),
        DatabaseConfig { name: "default".into(), ..DatabaseConfig::default() },
        Arc::new(NoObserver),
    )
    .await
    .unwrap();
    learn_relationships(&mut world, database.model());
    let engine = Engine::new(Arc::clone(&database) as Arc<dyn Source>, EngineConfig::default());
    for n in 0..40 {
        let query = Query::random(&world, random, false);
        let request = Request {
            query: query.document("query").into(),
            variables: query.variables.clone(),
            ..Request::default()
        };
        let describe = || {
            format!(
                "{what}, query {n}:\n{}\nvariables {}\n{}",
                query.document("query"),
                Json::Object(query.variables.clone()),
                world.sql()
            )
        };
        let operation = match engine.prepare(request, &Identity::admin(), Allow::POST) {
            Ok(operation) => operation,
            Err(errors) => panic!("{}\nrefused: {errors:?}", describe()),
        };
        let answer = operation.execute().await;
        let json: Json = serde_json::from_slice(&answer.bytes).unwrap();
        let expected = evaluate(&world, &query);
        assert!(
            json.get("data").is_some_and(|d| same(d, &expected)),
            "{}\nSQL {}\nexpected {expected}\ngot {json}",
            describe(),
            operation.explain().map(|e| e.sql).unwrap_or_default()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_answers_as_the_evaluator() {
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    for n in 0..setting("ARTESIAN_ORACLE_WORLDS", 25) {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(n));
        let world = World::random(&mut random);
        let dir = std::env::temp_dir().join(format!("artesian-oracle-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("world.db");
        artesian_sqlite::rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(&world.sql())
            .unwrap();
        let backend =
            artesian_sqlite::Sqlite::open(artesian_sqlite::Settings::new(&path)).await.unwrap();
        check(backend, world, &mut random, &format!("seed {seed}, world {n} on SQLite")).await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_answers_as_the_evaluator() {
    let url = std::env::var("ARTESIAN_TEST_POSTGRES_URL").expect(
        "ARTESIAN_TEST_POSTGRES_URL names no server: run `make test`, or start one with \
         scripts/postgres.sh",
    );
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    let (admin, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for n in 0..setting("ARTESIAN_ORACLE_WORLDS", 25) {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(n));
        let world = World::random(&mut random);
        let name = format!("oracle_{}_{n}", std::process::id());
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C'"))
            .await
            .unwrap();
        let own = with_database(&url, &name);
        let (client, connection) = tokio_postgres::connect(&own, tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(&world.sql()).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        let backend = artesian_postgres::Postgres::new(artesian_postgres::Settings::new(&own)).unwrap();
        check(backend, world, &mut random, &format!("seed {seed}, world {n} on PostgreSQL")).await;
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
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
