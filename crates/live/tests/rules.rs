//! One example for each rule of the engine.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artesian_live::{Change, ChangeFeed, Config, LiveEngine, Observer, PollFeed, Stats, Update};
use common::*;
use tokio::time::{Instant, sleep};

fn start() -> (Engine, Arc<Database>) {
    engine(Config::default())
}

#[tokio::test(start_paused = true)]
async fn the_first_run_is_the_first_result() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut live).await, "start");
    sleep(ms(10_000)).await;
    assert_eq!(db.statements(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_table_that_is_read_is_pushed() {
    let (engine, db) = start();
    let plan = query("q", &["t", "u"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    db.write("u", "a");
    engine.invalidate(&tables(&["x", "u"]));
    assert_eq!(data(&mut live).await, "[0, 1]");
    engine.invalidate(&tables(&["x"]));
    quiet(&mut live, ms(5_000)).await;
    assert_eq!(db.statements(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_equal_result_is_not_pushed() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    db.write("t", "another");
    engine.invalidate(&tables(&["t"]));
    quiet(&mut live, ms(1_000)).await;
    assert_eq!(db.statements(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_run_is_not_lost() {
    let (engine, db) = start();
    db.delay(ms(0), ms(50));
    let plan = query("q", &["t"]);
    // During the first run, after the moment that its statement sees.
    let mut live = subscribe(&engine, &db, &plan, "a");
    sleep(ms(20)).await;
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    assert_eq!(data(&mut live).await, "start");
    assert_eq!(data(&mut live).await, "[1]");
    // And during a later one.
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    sleep(ms(120)).await;
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    assert_eq!(data(&mut live).await, "[2]");
    assert_eq!(data(&mut live).await, "[3]");
    assert!(!db.inside.lock().overlapped);
    assert_eq!(db.statements(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_cohort_has_one_run_at_a_time() {
    let (engine, db) = start();
    db.delay(ms(30), ms(30));
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    for _ in 0..500 {
        db.write("t", "a");
        engine.invalidate(&tables(&["t"]));
        sleep(ms(1)).await;
    }
    sleep(ms(1_000)).await;
    assert_eq!(data(&mut live).await, "[500]");
    assert!(!db.inside.lock().overlapped);
    assert_eq!(db.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_one_plan_costs_a_handful_of_statements() {
    let (engine, db) = start();
    db.delay(ms(5), ms(5));
    let plan = query("q", &["t"]);
    let mut all: Vec<Live> =
        (0..1_000).map(|n| subscribe(&engine, &db, &plan, &n.to_string())).collect();
    for live in &mut all {
        assert_eq!(data(live).await, "start");
    }
    assert_eq!(db.statements(), 10);
    assert_eq!(db.most.load(Ordering::SeqCst), 4);
    let sizes: Vec<usize> = db.inside.lock().log.iter().map(|s| s.keys.len()).collect();
    assert!(sizes.iter().all(|&size| size == 100), "{sizes:?}");
    // The same when they all change.
    engine.invalidate(&Change::Everything);
    sleep(ms(1_000)).await;
    assert_eq!(db.statements(), 20);
}

#[tokio::test(start_paused = true)]
async fn equal_plans_and_values_share_one_cohort() {
    let (engine, db) = start();
    let mut first = subscribe(&engine, &db, &query("q", &["t"]), "a");
    let mut second = subscribe(&engine, &db, &query("q", &["t"]), "a");
    let other = subscribe(&engine, &db, &query("q", &["t"]), "b");
    let another = subscribe(&engine, &db, &query("r", &["t"]), "a");
    data(&mut first).await;
    data(&mut second).await;
    let stats = engine.stats();
    assert_eq!((stats.plans, stats.cohorts, stats.subscribers), (2, 3, 4));
    let null = engine.subscribe(query("q", &["t"]), Arc::from([None]));
    assert_eq!(engine.stats().cohorts, 4);
    drop((other, another, null));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_the_held_result_at_once() {
    let (engine, db) = start();
    db.delay(ms(50), ms(50));
    let plan = query("q", &["t"]);
    let mut first = subscribe(&engine, &db, &plan, "a");
    data(&mut first).await;
    let before = Instant::now();
    let mut second = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut second).await, "start");
    assert_eq!(before.elapsed(), ms(0));
    assert_eq!(db.statements(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_of_a_dirty_cohort_waits_for_the_fresh_result() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut first = subscribe(&engine, &db, &plan, "a");
    data(&mut first).await;
    db.delay(ms(0), ms(100));

    // Queued.
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let mut queued = subscribe(&engine, &db, &plan, "a");
    sleep(ms(50)).await;
    // Under way, and the run under way is good enough.
    let mut current = subscribe(&engine, &db, &plan, "a");
    // Under way, but something changed since it began.
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let mut late = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut queued).await, "[1]");
    assert_eq!(data(&mut current).await, "[1]");
    assert_eq!(data(&mut late).await, "[2]");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_hears_of_a_fresh_result_that_is_equal() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut first = subscribe(&engine, &db, &plan, "a");
    data(&mut first).await;
    db.delay(ms(10), ms(10));
    engine.invalidate(&tables(&["t"]));
    let mut second = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut second).await, "start");
    assert_eq!(db.statements(), 2);
    quiet(&mut first, ms(100)).await;
}

#[tokio::test(start_paused = true)]
async fn newcomers_that_wait_for_different_runs_each_hear_of_theirs() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut first = subscribe(&engine, &db, &plan, "a");
    data(&mut first).await;
    db.delay(ms(0), ms(50));
    engine.invalidate(&tables(&["t"]));
    sleep(ms(20)).await;
    let mut this = subscribe(&engine, &db, &plan, "a");
    engine.invalidate(&tables(&["t"]));
    let mut next = subscribe(&engine, &db, &plan, "a");
    let (this, next) = tokio::join!(data(&mut this), data(&mut next));
    assert_eq!((&*this, &*next), ("start", "start"));
    assert_eq!(db.statements(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_gets_only_the_newest() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut slow = subscribe(&engine, &db, &plan, "a");
    data(&mut slow).await;
    for _ in 0..20 {
        db.write("t", "a");
        engine.invalidate(&tables(&["t"]));
        sleep(ms(50)).await;
    }
    assert_eq!(data(&mut slow).await, "[20]");
    quiet(&mut slow, ms(1_000)).await;
}

#[tokio::test(start_paused = true)]
async fn next_may_be_cancelled() {
    let (engine, db) = start();
    db.delay(ms(20), ms(20));
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    for _ in 0..10 {
        quiet(&mut live, ms(3)).await;
    }
    assert_eq!(data(&mut live).await, "start");
}

#[tokio::test(start_paused = true)]
async fn the_first_change_is_at_once_and_a_hot_cohort_is_held_back() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    sleep(ms(1_000)).await;
    let start = Instant::now();
    for _ in 0..1_000 {
        db.write("t", "a");
        engine.invalidate(&tables(&["t"]));
        sleep(ms(1)).await;
    }
    sleep(ms(100)).await;
    let log = db.inside.lock().log.clone();
    assert!(log[1].at - start <= ms(1), "the leading edge");
    assert!(log.len() <= 103, "{}", log.len());
    assert_eq!(data(&mut live).await, "[1000]");
}

#[tokio::test(start_paused = true)]
async fn a_costly_cohort_waits_twice_its_cost() {
    let (engine, db) = start();
    db.delay(ms(0), ms(100));
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    for _ in 0..2_000 {
        engine.invalidate(&tables(&["t"]));
        sleep(ms(1)).await;
    }
    let statements = db.statements();
    assert!((9..=12).contains(&statements), "{statements}");
}

#[tokio::test(start_paused = true)]
async fn plans_do_not_starve_each_other() {
    let (engine, db) = engine(Config { connections: 1, batch_size: 10, ..Config::default() });
    db.delay(ms(5), ms(5));
    let big = query("big", &["t"]);
    let _crowd: Vec<Live> =
        (0..1_000).map(|n| subscribe(&engine, &db, &big, &n.to_string())).collect();
    sleep(ms(25)).await;
    let small = query("small", &["t"]);
    let mut live = subscribe(&engine, &db, &small, "a");
    let before = Instant::now();
    data(&mut live).await;
    assert!(before.elapsed() <= ms(40), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_last_leaver_takes_cohort_and_plan_along() {
    let (engine, db) = start();
    db.delay(ms(10), ms(10));
    let plan = query("q", &["t"]);
    let first = subscribe(&engine, &db, &plan, "a");
    let second = subscribe(&engine, &db, &plan, "a");
    drop(first);
    assert_eq!(engine.stats().cohorts, 1);
    drop(second);
    assert_eq!(engine.stats(), Stats::default());
    sleep(ms(1_000)).await;
    engine.invalidate(&Change::Everything);
    sleep(ms(100_000)).await;
    assert_eq!(db.statements(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cohort_that_is_left_in_flight_is_not_run_again() {
    let (engine, db) = start();
    db.delay(ms(10), ms(10));
    let live = subscribe(&engine, &db, &volatile("q", &["t"]), "a");
    sleep(ms(5)).await;
    engine.invalidate(&Change::Everything);
    drop(live);
    sleep(ms(100_000)).await;
    assert_eq!(db.statements(), 1);
    assert_eq!(engine.stats(), Stats::default());
}

#[tokio::test(start_paused = true)]
async fn a_cohort_that_comes_again_does_not_get_the_result_of_its_former_life() {
    let (engine, db) = start();
    db.delay(ms(0), ms(100));
    let plan = query("q", &["t"]);
    let first = subscribe(&engine, &db, &plan, "a");
    sleep(ms(50)).await;
    drop(first);
    // Nobody is there to be told.
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let mut second = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut second).await, "[1]");
    quiet(&mut second, ms(1_000)).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_cohort_is_quarantined_and_the_others_go_on() {
    let (engine, db) = start();
    db.faults(|f| f.poison.insert("13".into()));
    let plan = query("q", &["t"]);
    let mut all: Vec<Live> =
        (0..100).map(|n| subscribe(&engine, &db, &plan, &n.to_string())).collect();
    for (n, live) in all.iter_mut().enumerate() {
        if n == 13 {
            assert_eq!(error(live).await, "bad 13");
        } else {
            assert_eq!(data(live).await, "start");
        }
    }
    let statements = db.statements();
    assert!(statements <= 15, "{statements}");

    // It is retried alone, with growing pauses, and told once.
    quiet(&mut all[13], ms(60_000)).await;
    let log = db.inside.lock().log.clone();
    let retries = &log[statements..];
    assert!(retries.iter().all(|s| s.keys == ["13"]), "{retries:?}");
    assert!((7..=10).contains(&retries.len()), "{}", retries.len());

    // Others do not suffer, however often they are run.
    for _ in 0..8_000 {
        engine.invalidate(&tables(&["t"]));
        sleep(ms(5)).await;
    }
    let log = db.inside.lock().log.split_off(statements);
    let mixed = |s: &&Statement| s.keys.len() > 1 && s.keys.contains(&"13".to_string());
    assert_eq!(log.iter().filter(mixed).count(), 0);
    db.write("t", "12");
    engine.invalidate(&tables(&["t"]));
    assert_eq!(data(&mut all[12]).await, "[1]");

    // A newcomer hears of it at once.
    let mut newcomer = subscribe(&engine, &db, &plan, "13");
    assert_eq!(error(&mut newcomer).await, "bad 13");

    // It recovers by itself.
    db.faults(|f| f.poison.clear());
    assert_eq!(data(&mut all[13]).await, "start");
    assert_eq!(data(&mut newcomer).await, "start");
    sleep(ms(100)).await;
    let before = db.statements();
    engine.invalidate(&tables(&["t"]));
    sleep(ms(100)).await;
    assert_eq!(db.statements(), before + 1, "back in the batch");
}

#[tokio::test(start_paused = true)]
async fn recovery_is_pushed_even_if_equal_to_the_last_good_result() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    db.faults(|f| f.poison.insert("a".into()));
    engine.invalidate(&tables(&["t"]));
    assert_eq!(error(&mut live).await, "bad a");
    db.faults(|f| f.poison.clear());
    assert_eq!(data(&mut live).await, "start");
}

#[tokio::test(start_paused = true)]
async fn a_change_brings_a_retry_forward_but_does_not_defeat_the_backoff() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    db.faults(|f| f.poison.insert("a".into()));
    let mut live = subscribe(&engine, &db, &plan, "a");
    error(&mut live).await;
    sleep(ms(60_000)).await;
    // Pauses are long by now; a change mends it.
    db.faults(|f| f.poison.clear());
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let before = Instant::now();
    assert_eq!(data(&mut live).await, "[1]");
    assert!(before.elapsed() <= ms(250), "{:?}", before.elapsed());

    // A busy table.
    db.faults(|f| f.poison.insert("a".into()));
    let before = db.statements();
    for _ in 0..60_000 {
        engine.invalidate(&tables(&["t"]));
        sleep(ms(1)).await;
    }
    let retries = db.statements() - before;
    assert!(retries <= 22, "{retries}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_ends_by_itself() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut all: Vec<Live> =
        (0..1_000).map(|n| subscribe(&engine, &db, &plan, &n.to_string())).collect();
    for live in &mut all {
        data(live).await;
    }
    db.faults(|f| f.down = Some("down".into()));
    db.write("t", "7");
    engine.invalidate(&tables(&["t"]));
    let before = db.statements();
    let since = Instant::now();
    for live in &mut all {
        assert_eq!(error(live).await, "down");
    }
    assert!(since.elapsed() <= ms(300), "{:?}", since.elapsed());
    // Not bisected, and one probe at a time.
    sleep(ms(60_000)).await;
    let tries = db.statements() - before;
    assert!(tries <= 14, "{tries}");
    // Who comes now is told, and does not wait for the database.
    let since = Instant::now();
    let mut newcomer = subscribe(&engine, &db, &plan, "new");
    assert_eq!(error(&mut newcomer).await, "down");
    assert!(since.elapsed() <= ms(10));
    for live in &mut all[..10] {
        quiet(live, ms(3_000)).await;
    }

    db.faults(|f| f.down = None);
    for (n, live) in all.iter_mut().enumerate() {
        let expected = if n == 7 { "[1]" } else { "start" };
        assert_eq!(data(live).await, expected);
    }
    assert_eq!(data(&mut newcomer).await, "start");
    assert_eq!(engine.stats().dirty, 0);
}

#[tokio::test(start_paused = true)]
async fn one_broken_connection_is_not_an_outage() {
    let (engine, db) = engine(Config { batch_size: 1, connections: 1, ..Config::default() });
    let plan = query("q", &["t"]);
    db.delay(ms(1), ms(0));
    db.faults(|f| f.down = Some("reset".into()));
    let mut first = subscribe(&engine, &db, &plan, "a");
    let mut second = subscribe(&engine, &db, &plan, "b");
    assert_eq!(error(&mut first).await, "reset");
    db.faults(|f| f.down = None);
    assert_eq!(data(&mut second).await, "start");
    assert_eq!(data(&mut first).await, "start");
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_an_outage_that_nobody_saw_end_is_not_told_of_it() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    db.faults(|f| f.down = Some("down".into()));
    let mut live = subscribe(&engine, &db, &plan, "a");
    error(&mut live).await;
    sleep(ms(10_000)).await;
    drop(live);
    db.faults(|f| f.down = None);
    sleep(ms(3_600_000)).await;
    let mut live = subscribe(&engine, &db, &plan, "a");
    assert_eq!(data(&mut live).await, "start");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_not_a_hang() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    db.faults(|f| f.panics.insert("b".into()));
    let mut good = subscribe(&engine, &db, &plan, "a");
    let mut bad = subscribe(&engine, &db, &plan, "b");
    assert_eq!(data(&mut good).await, "start");
    assert_eq!(error(&mut bad).await, "the query engine panicked");
    db.faults(|f| f.panics.clear());
    assert_eq!(data(&mut bad).await, "start");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_of_results_is_an_error_and_not_a_hang() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    db.faults(|f| f.short.insert("b".into()));
    let mut good = subscribe(&engine, &db, &plan, "a");
    let mut bad = subscribe(&engine, &db, &plan, "b");
    assert_eq!(data(&mut good).await, "start");
    assert_eq!(error(&mut bad).await, "expected 1 results, got 0");
    db.faults(|f| f.short.clear());
    assert_eq!(data(&mut bad).await, "start");
}

#[tokio::test(start_paused = true)]
async fn volatile_plans_are_polled_besides() {
    let (engine, db) = start();
    let (_sender, feed) = wire();
    engine.attach(feed);
    let mut timed = subscribe(&engine, &db, &volatile("v", &["t"]), "a");
    let mut plain = subscribe(&engine, &db, &query("q", &["t"]), "a");
    data(&mut timed).await;
    data(&mut plain).await;
    let before = db.statements();
    sleep(ms(10_100)).await;
    assert_eq!(db.statements() - before, 10);
    db.write("t", "a");
    assert_eq!(data(&mut timed).await, "[1]");
    quiet(&mut plain, ms(5_000)).await;
    // A change does not wait for the next poll.
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let since = Instant::now();
    assert_eq!(data(&mut timed).await, "[2]");
    assert!(since.elapsed() <= ms(11));
}

#[tokio::test(start_paused = true)]
async fn the_feed_brings_changes_and_when_it_ends_everything_is_polled() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    // What changed before the feed was there.
    db.write("t", "a");
    let (sender, feed) = wire();
    engine.attach(feed);
    assert_eq!(data(&mut live).await, "[1]");
    db.write("t", "a");
    sender.send(tables(&["t"])).unwrap();
    assert_eq!(data(&mut live).await, "[2]");
    db.write("t", "a");
    quiet(&mut live, ms(10_000)).await;
    // Found at once, when the feed ends, and by polling from then on.
    drop(sender);
    let since = Instant::now();
    assert_eq!(data(&mut live).await, "[3]");
    assert!(since.elapsed() <= ms(20));
    for n in 4..8 {
        db.write("t", "a");
        let since = Instant::now();
        assert_eq!(data(&mut live).await, format!("[{n}]"));
        assert!(since.elapsed() <= ms(1_100));
    }
    // A plan that comes later is polled too.
    let mut other = subscribe(&engine, &db, &query("r", &["t"]), "b");
    data(&mut other).await;
    db.write("t", "b");
    assert_eq!(data(&mut other).await, "[1]");
    // Until there is a feed again.
    let (_sender, feed) = wire();
    engine.attach(feed);
    sleep(ms(2_000)).await;
    let before = db.statements();
    sleep(ms(10_000)).await;
    assert_eq!(db.statements(), before);
}

struct Explosive;

#[async_trait::async_trait]
impl ChangeFeed for Explosive {
    async fn next(&mut self) -> Option<Change> {
        sleep(ms(500)).await;
        std::panic::panic_any("simulated")
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_panics_has_ended() {
    let (engine, db) = start();
    let mut live = subscribe(&engine, &db, &query("q", &["t"]), "a");
    engine.attach(Explosive);
    data(&mut live).await;
    sleep(ms(1_000)).await;
    db.write("t", "a");
    assert_eq!(data(&mut live).await, "[1]");
}

#[tokio::test(start_paused = true)]
async fn polling_is_a_feed() {
    let (engine, db) = start();
    engine.attach(PollFeed::new(ms(250)));
    sleep(ms(10_000)).await;
    assert_eq!(db.statements(), 0);
    let mut live = subscribe(&engine, &db, &query("q", &["t"]), "a");
    data(&mut live).await;
    let before = db.statements();
    sleep(ms(2_500)).await;
    let polls = db.statements() - before;
    assert!((9..=10).contains(&polls), "{polls}");
    db.write("t", "a");
    assert_eq!(data(&mut live).await, "[1]");
}

#[tokio::test(start_paused = true)]
async fn polling_does_not_overtake_a_database_that_cannot_keep_up() {
    let (engine, db) = start();
    db.delay(ms(0), ms(3_000));
    let mut live = subscribe(&engine, &db, &volatile("q", &["t"]), "a");
    sleep(ms(1_500)).await;
    // A poll came due during the first run, which is good enough all the same.
    let mut newcomer = subscribe(&engine, &db, &volatile("q", &["t"]), "a");
    let since = Instant::now();
    data(&mut newcomer).await;
    assert!(since.elapsed() <= ms(1_600), "{:?}", since.elapsed());
    data(&mut live).await;
    sleep(ms(60_000)).await;
    let statements = db.statements();
    assert!(statements <= 17, "{statements}");
}

#[derive(Default)]
struct Counts {
    runs: AtomicUsize,
    failed: AtomicUsize,
    pushed: AtomicUsize,
    unchanged: AtomicUsize,
    quarantined: AtomicUsize,
}

impl Observer for Counts {
    fn rerun(&self, _cohorts: usize, _took: Duration, ok: bool) {
        let counter = if ok { &self.runs } else { &self.failed };
        counter.fetch_add(1, Ordering::SeqCst);
    }
    fn pushed(&self, subscribers: usize) {
        self.pushed.fetch_add(subscribers, Ordering::SeqCst);
    }
    fn unchanged(&self) {
        self.unchanged.fetch_add(1, Ordering::SeqCst);
    }
    fn quarantined(&self) {
        self.quarantined.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_what_happens() {
    let db = Database::new(1);
    let counts = Arc::new(Counts::default());
    let engine = LiveEngine::new(
        Arc::clone(&db),
        Config::default(),
        Arc::clone(&counts) as Arc<dyn Observer>,
    );
    let plan = query("q", &["t"]);
    let mut first = subscribe(&engine, &db, &plan, "a");
    let _second = subscribe(&engine, &db, &plan, "a");
    data(&mut first).await;
    engine.invalidate(&tables(&["t"]));
    sleep(ms(100)).await;
    db.faults(|f| f.poison.insert("a".into()));
    engine.invalidate(&tables(&["t"]));
    error(&mut first).await;
    // A retry that fails in the same way is no news.
    sleep(ms(250)).await;
    let read = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert_eq!(read(&counts.runs), 2);
    assert_eq!(read(&counts.failed), 2);
    assert_eq!(read(&counts.pushed), 4);
    assert_eq!(read(&counts.unchanged), 1);
    assert_eq!(read(&counts.quarantined), 2);
}

/// An observer with a bug.
#[derive(Default)]
struct Clumsy(AtomicUsize);

impl Observer for Clumsy {
    fn rerun(&self, _cohorts: usize, _took: Duration, _ok: bool) {
        if self.0.fetch_add(1, Ordering::SeqCst) < 8 {
            std::panic::panic_any("simulated");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_dies_leaves_neither_cohorts_nor_connections_behind() {
    let db = Database::new(1);
    let engine = LiveEngine::new(Arc::clone(&db), Config::default(), Arc::new(Clumsy::default()));
    let mut live = subscribe(&engine, &db, &query("q", &["t"]), "a");
    assert_eq!(data(&mut live).await, "start");
    sleep(ms(100)).await;
    assert_eq!((engine.stats().in_flight, engine.stats().dirty), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_every_subscription() {
    let (engine, db) = start();
    let (sender, feed) = wire();
    engine.attach(feed);
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    db.delay(ms(50), ms(50));
    let mut waiting = subscribe(&engine, &db, &plan, "b");
    sleep(ms(10)).await;
    engine.close();
    assert_eq!(live.next().await, None);
    assert_eq!(waiting.next().await, None);
    let mut late = subscribe(&engine, &db, &plan, "c");
    assert_eq!(late.next().await, None);
    let before = db.statements();
    sleep(ms(60_000)).await;
    assert_eq!(db.statements(), before);
    assert!(sender.is_closed(), "the feed is let go");
    drop((live, waiting, late));
    assert_eq!(engine.stats(), Stats::default());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_outlive_the_handle_and_nothing_outlives_both() {
    let (engine, db) = start();
    let (sender, feed) = wire();
    engine.attach(feed);
    let mut live = subscribe(&engine, &db, &query("q", &["t"]), "a");
    drop(engine);
    data(&mut live).await;
    db.write("t", "a");
    sender.send(Change::Everything).unwrap();
    assert_eq!(data(&mut live).await, "[1]");
    drop(live);
    sleep(ms(1_000)).await;
    assert!(sender.is_closed());
    assert_eq!(Arc::strong_count(&db), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_subscribers_of_one_cohort() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut all: Vec<Live> = (0..100_000).map(|_| subscribe(&engine, &db, &plan, "a")).collect();
    for live in &mut all {
        assert!(matches!(live.next().await, Some(Update::Data(_))));
    }
    db.write("t", "a");
    engine.invalidate(&tables(&["t"]));
    let mut bytes = Vec::new();
    for live in &mut all {
        let Some(Update::Data(snapshot)) = live.next().await else {
            panic!("no data");
        };
        bytes.push(snapshot.bytes.as_ptr());
    }
    bytes.dedup();
    assert_eq!(bytes.len(), 1, "all share the same bytes");
    assert_eq!(db.statements(), 2);
    drop(all);
    assert_eq!(engine.stats(), Stats::default());
}

#[tokio::test]
async fn changes_may_come_from_any_thread() {
    let (engine, db) = start();
    let plan = query("q", &["t"]);
    let mut live = subscribe(&engine, &db, &plan, "a");
    data(&mut live).await;
    let (writer, store) = (engine.clone(), Arc::clone(&db));
    std::thread::spawn(move || {
        store.write("t", "a");
        writer.invalidate(&tables(&["t"]));
    })
    .join()
    .unwrap();
    assert_eq!(data(&mut live).await, "[1]");
}
