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
    servers::{PostgresWorld, SqliteWorld, learn_relationships, setting},
    world::World,
};
use serde_json::Value as Json;

/// Numbers compare by value: databases differ in how they write them.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            let (x, y) =
                (x.to_string().parse::<f64>().unwrap(), y.to_string().parse::<f64>().unwrap());
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

async fn check<B: Backend>(backend: B, mut world: World, random: &mut Random, what: &str) {
    let database = Database::open(
        Arc::new(backend),
        DatabaseConfig { name: "default".into(), ..DatabaseConfig::default() },
        Arc::new(NoObserver),
    )
    .await
    .unwrap();
    learn_relationships(&mut world, &database.model());
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
        let server = SqliteWorld::create(&world);
        let backend = server.backend().await;
        check(backend, world, &mut random, &format!("seed {seed}, world {n} on SQLite")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_answers_as_the_evaluator() {
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    for n in 0..setting("ARTESIAN_ORACLE_WORLDS", 25) {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(n));
        let world = World::random(&mut random);
        let server = PostgresWorld::create(&world).await;
        let backend = server.backend(std::time::Duration::from_secs(1));
        check(backend, world, &mut random, &format!("seed {seed}, world {n} on PostgreSQL")).await;
        server.remove().await;
    }
}
