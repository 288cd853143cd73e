//! Statements that nobody waits for any more end at the server.

use std::{sync::Arc, time::Duration};

use crate::common::{Database, connect, eventually, fetch, statement, values};
use artesian_database::Backend;
use artesian_postgres::Postgres;
use tokio::time::timeout;
use tokio_postgres::Client;

async fn running(client: &Client, mark: &str) -> i64 {
    let row = client
        .query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database()
             AND query LIKE $1 AND pid <> pg_backend_pid()",
            &[&format!("%{mark}%")],
        )
        .await;
    row.unwrap().get(0)
}

async fn session(backend: &Postgres) -> String {
    fetch(backend, "SELECT pg_backend_pid()::text").await.unwrap()
}

#[tokio::test]
async fn a_dropped_future_cancels_its_statement() {
    let database = Database::new().await;
    let watcher = connect(&database.url).await;
    let mut settings = database.settings();
    settings.max_connections = 1;
    let backend = Arc::new(Postgres::new(settings).unwrap());
    let before = session(&backend).await;

    // Unprepared, then while it is being prepared, then prepared.
    for _ in 0..4 {
        let other = backend.clone();
        let sleeper =
            tokio::spawn(
                async move { fetch(&other, "SELECT pg_sleep(60)::text AS sleeper").await },
            );
        eventually("it runs", async || running(&watcher, "sleeper").await == 1).await;
        sleeper.abort();
        eventually("it is gone", async || running(&watcher, "sleeper").await == 0).await;
        // The only connection is free again, is the same, and is not hit by the cancellation.
        for _ in 0..20 {
            assert_eq!(session(&backend).await, before);
        }
    }
    let batch = {
        let mut batch = statement("SELECT $1::text", &["text"]);
        batch.batch_sql = "SELECT 1, pg_sleep(60)::text AS sleeper, $1::text[], $2::int4".into();
        batch
    };
    let sets = [values(&[None]), values(&[None])];
    assert!(timeout(Duration::from_millis(50), backend.fetch_batch(&batch, &sets)).await.is_err());
    eventually("the batch is gone", async || running(&watcher, "sleeper").await == 0).await;
}

#[tokio::test]
async fn a_cancelled_write_is_undone() {
    let database = Database::with("CREATE TABLE t (id int)").await;
    let backend = database.backend();
    let write = "WITH w AS (INSERT INTO t VALUES (1) RETURNING id)
        SELECT (SELECT id FROM w)::text || pg_sleep(60)::text";
    assert!(timeout(Duration::from_millis(100), fetch(&backend, write)).await.is_err());
    let watcher = connect(&database.url).await;
    eventually("it is gone", async || running(&watcher, "pg_sleep").await == 0).await;
    assert_eq!(fetch(&backend, "SELECT count(*)::text FROM t").await.unwrap(), "{\"data\":0}");
}

/// Futures dropped at any moment: before, while and after their statement runs. No later statement
/// may suffer from a cancellation that was meant for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellations_hit_nothing_else() {
    let database = Database::new().await;
    let mut settings = database.settings();
    settings.max_connections = 3;
    let backend = Arc::new(Postgres::new(settings).unwrap());
    let watcher = connect(&database.url).await;
    let sessions = "SELECT string_agg(pid::text, ',' ORDER BY pid)::text FROM pg_stat_activity
         WHERE application_name = 'artesian' AND datname = current_database()";
    let all = (0..3).map(|_| fetch(&backend, "SELECT pg_sleep(0.05)::text"));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    let before = fetch(&backend, sessions).await.unwrap();
    let mut tasks = Vec::new();
    for task in 0..6_u64 {
        let backend = backend.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..40_u64 {
                let number = task * 1_000 + round;
                if task % 2 == 0 {
                    let sql = format!("SELECT (pg_sleep(0.0{})::text || '{number}')", number % 9);
                    let patience = Duration::from_micros(number * 7_919 % 40_000);
                    let _ = timeout(patience, fetch(&backend, &sql)).await;
                } else {
                    let sql = format!("SELECT (pg_sleep(0.002)::text || '{number}')");
                    let answer = fetch(&backend, &sql).await;
                    assert_eq!(answer.unwrap(), format!("{{\"data\":{number}}}"));
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    eventually("nothing runs", async || running(&watcher, "pg_sleep").await == 0).await;
    eventually("all connections are free", async || {
        let (open, free) = backend.connections();
        open == free
    })
    .await;
    assert_eq!(fetch(&backend, sessions).await.unwrap(), before, "no connection was lost");
}
