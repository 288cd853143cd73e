//! Ten thousand clients that come at once, as after the loss of a node. What the database sees must
//! not depend on how many there are at a time, and its statements not on how many are alike.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use artesian_live::Config;
use common::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

const CLIENTS: usize = 10_000;

/// Statements that run at a time, and the cohorts of one.
fn config() -> Config {
    Config { connections: 4, batch_size: 100, ..Config::default() }
}

/// All of them subscribe at once, each in a task of its own, and have their first result.
async fn storm(
    engine: &Engine,
    database: &Arc<Database>,
    of: impl Fn(usize) -> (Arc<Query>, String),
) -> Vec<Live> {
    let mut tasks = JoinSet::new();
    for n in 0..CLIENTS {
        let (plan, key) = of(n);
        let (engine, database) = (engine.clone(), Arc::clone(database));
        tasks.spawn(async move {
            let mut live = subscribe(&engine, &database, &plan, &key);
            assert_eq!(data(&mut live).await, "start");
            live
        });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn equal_clients_cost_one_statement() {
    let (engine, db) = engine(config());
    db.delay(ms(5), ms(5));
    let plan = query("q", &["t"]);
    let lives = storm(&engine, &db, |_| (Arc::clone(&plan), "a".to_owned())).await;
    assert_eq!((lives.len(), db.statements()), (CLIENTS, 1));
    assert_eq!(db.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn clients_that_differ_in_their_values_share_statements() {
    let (engine, db) = engine(config());
    db.delay(ms(5), ms(5));
    let plan = query("q", &["t"]);
    let mut lives = storm(&engine, &db, |n| (Arc::clone(&plan), n.to_string())).await;
    let batches = CLIENTS / 100;
    // The first of them set out before the others were there.
    assert!((batches..=batches + 4).contains(&db.statements()), "{}", db.statements());
    assert_eq!(db.most.load(Ordering::SeqCst), 4);
    // A change that all have to hear of costs as much again, not more.
    let before = db.statements();
    db.write("t", "0");
    engine.invalidate(&tables(&["t"]));
    assert_eq!(data(lives.first_mut().unwrap()).await, "[1]");
    sleep(ms(60_000)).await;
    assert!(db.statements() - before <= batches, "{}", db.statements() - before);
    assert_eq!(db.most.load(Ordering::SeqCst), 4);
    // They go as they came.
    drop(lives);
    sleep(ms(1_000)).await;
    assert_eq!((engine.stats().cohorts, engine.stats().plans), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn clients_that_have_nothing_in_common_wait_for_each_other() {
    let (engine, db) = engine(config());
    db.delay(ms(5), ms(5));
    let lives = storm(&engine, &db, |n| (query(&format!("q{n}"), &["t"]), "a".to_owned())).await;
    assert_eq!((lives.len(), db.statements()), (CLIENTS, CLIENTS));
    assert_eq!(db.most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_storm_that_goes_before_it_is_served_leaves_nothing_to_do() {
    let (engine, db) = engine(config());
    db.delay(ms(5), ms(5));
    let plan = query("q", &["t"]);
    db.knows(&plan);
    let lives: Vec<Live> =
        (0..CLIENTS).map(|n| subscribe(&engine, &db, &plan, &n.to_string())).collect();
    drop(lives);
    sleep(ms(60_000)).await;
    assert!(db.statements() <= 4, "{}", db.statements());
    assert_eq!(engine.stats().cohorts, 0);
}
