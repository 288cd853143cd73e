//! Clients of every transport against SQLite and PostgreSQL, with tokens and with a webhook.
//!
//! `ISOLATION_SEED` and `ISOLATION_STEPS` make other and longer runs.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use artesian_isolation::{
    judge::Mode,
    rows::TABLES,
    scene::{Plan, run},
    store::{PostgresStore, SqliteStore},
};
use artesian_oracle::servers::{PostgresWorld, SqliteWorld, setting};

fn plan(what: &str, mode: Mode) -> Plan {
    let seed = setting("ISOLATION_SEED", 1);
    Plan { what: what.to_owned(), seed, steps: setting("ISOLATION_STEPS", 160), mode }
}

async fn sqlite(what: &str, mode: Mode) {
    let world = SqliteWorld::with(TABLES);
    let backend = world.backend().await;
    let store = SqliteStore { writer: backend.writer(), world };
    run(plan(what, mode), backend, "sqlite", &store).await;
}

async fn postgres(what: &str, mode: Mode) {
    let world = PostgresWorld::with(TABLES).await;
    let backend = world.backend(Duration::from_millis(50));
    let store = PostgresStore { client: world.client().await, world };
    run(plan(what, mode), backend, "postgres", &store).await;
    let PostgresStore { client, world } = store;
    drop(client);
    world.remove().await;
}

/// A failure is told of long before this, unless it is the database that stands still.
async fn bounded(run: impl Future<Output = ()>) {
    let longest = Duration::from_secs(300 + setting("ISOLATION_STEPS", 0));
    tokio::time::timeout(longest, run).await.expect("it does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_on_sqlite() {
    bounded(sqlite("tokens on SQLite", Mode::Jwt)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_on_sqlite() {
    bounded(sqlite("a webhook on SQLite", Mode::Webhook)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_on_postgres() {
    bounded(postgres("tokens on PostgreSQL", Mode::Jwt)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_on_postgres() {
    bounded(postgres("a webhook on PostgreSQL", Mode::Webhook)).await;
}
