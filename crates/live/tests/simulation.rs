//! Random schedules of everything at once, in simulated time.
//!
//! `ARTESIAN_SIMULATIONS` sets how many seeds are tried, `ARTESIAN_SEED` runs
//! one of them.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use artesian_live::{Change, Config, LiveEngine, NoObserver, Stats, Update};
use common::*;
use parking_lot::Mutex;
use tokio::time::sleep;

/// What one subscriber was told.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Data(String),
    Error(String),
}

struct Client {
    plan: String,
    key: String,
    told: Arc<Mutex<Vec<Told>>>,
    task: tokio::task::JoinHandle<()>,
}

fn client(mut live: Live, plan: &str, key: &str, seed: u64) -> Client {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let mut random = Random(seed);
    let slow = if random.chance(30) { 400 } else { 1 };
    let task = tokio::spawn(async move {
        loop {
            // Some give up and ask again.
            let update = if random.chance(20) {
                match tokio::time::timeout(ms(random.below(30)), live.next()).await {
                    Ok(update) => update,
                    Err(_) => continue,
                }
            } else {
                live.next().await
            };
            let entry = match update {
                Some(Update::Data(s)) => Told::Data(String::from_utf8(s.bytes.to_vec()).unwrap()),
                Some(Update::Error(e)) => Told::Error(e),
                None => return,
            };
            log.lock().push(entry);
            sleep(ms(random.below(slow))).await;
        }
    });
    Client { plan: plan.into(), key: key.into(), told, task }
}

/// Every result existed at some time, they come in order, and nothing is said
/// twice in a row.
fn check_story(seed: u64, client: &Client, database: &Database) {
    let inside = database.inside.lock();
    let start = vec!["start".to_string()];
    let history = inside.history.get(&(client.plan.clone(), client.key.clone())).unwrap_or(&start);
    let told = client.told.lock();
    let mut reached = 0;
    let mut last: Option<&Told> = None;
    for entry in told.iter() {
        assert_ne!(last, Some(entry), "seed {seed}: told twice in a row");
        if let Told::Data(value) = entry {
            let place = history[reached..].iter().position(|v| v == value);
            let Some(place) = place else {
                panic!("seed {seed}: {value} is invented, or out of order: {told:?}");
            };
            reached += place;
        }
        last = Some(entry);
    }
}

async fn simulate(seed: u64) {
    let mut random = Random(seed);
    let faulty = seed % 2 == 1;
    let config = Config {
        batch_size: 1 + random.below(8) as usize,
        connections: 1 + random.below(3) as usize,
        min_interval: ms(random.below(20)),
        refetch_interval: ms(300 + random.below(1_000)),
        backoff_min: ms(20),
        backoff_max: ms(2_000),
    };
    let database = Database::new(seed ^ 0xabcd);
    {
        let mut inside = database.inside.lock();
        inside.jitter_ms = random.below(40);
        if faulty {
            inside.faults.flaky = random.below(15);
        }
    }
    let engine = LiveEngine::new(Arc::clone(&database), config.clone(), Arc::new(NoObserver));
    let names = ["a", "b", "c"];
    let plans = [
        query("one", &["a"]),
        query("two", &["a", "b"]),
        query("three", &["b", "c"]),
        volatile("four", &["c"]),
    ];
    for plan in &plans {
        database.knows(plan);
    }
    let (mut sender, feed) = wire();
    engine.attach(feed);

    let mut clients: Vec<Client> = Vec::new();
    let mut gone: Vec<Client> = Vec::new();
    let mut causes = 0usize;
    for step in 0..400u64 {
        match random.below(100) {
            0..30 => {
                // One transaction, announced some time after its commit.
                let mut changed = Vec::new();
                for _ in 0..=random.below(3) {
                    let table = names[random.below(3) as usize];
                    database.write(table, &random.below(6).to_string());
                    changed.push(Arc::from(table));
                }
                causes += clients.len();
                let change =
                    if random.chance(5) { Change::Everything } else { Change::Tables(changed) };
                let lag = random.below(20);
                if random.chance(50) {
                    // A feed that broke meanwhile forgets it, as it may.
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        sleep(ms(lag)).await;
                        let _ = sender.send(change);
                    });
                } else {
                    engine.invalidate(&change);
                }
            }
            30..60 => {
                let plan = &plans[random.below(4) as usize];
                let key = random.below(6).to_string();
                let live = subscribe(&engine, &database, plan, &key);
                causes += 1;
                clients.push(client(live, &plan.name, &key, seed ^ (step << 20)));
            }
            60..75 if !clients.is_empty() => {
                let client = clients.swap_remove(random.below(clients.len() as u64) as usize);
                client.task.abort();
                gone.push(client);
            }
            75..80 if faulty => {
                database.faults(|f| {
                    f.down = f.down.is_none().then(|| "down".to_string());
                });
            }
            80..90 if faulty => {
                let key = random.below(6).to_string();
                database.faults(|f| {
                    let set = match random.below(3) {
                        0 => &mut f.poison,
                        1 => &mut f.panics,
                        _ => &mut f.short,
                    };
                    if !set.remove(&key) {
                        set.insert(key);
                    }
                });
            }
            90..91 if faulty => {
                // The feed breaks, and comes back later with a gap.
                let (next, feed) = wire();
                sender = next;
                if random.chance(70) {
                    engine.attach(feed);
                }
            }
            _ => sleep(ms(random.below(60))).await,
        }
    }

    // The feed may be gone by now, and then all is found by polling.
    database.faults(|f| *f = Faults::default());
    sleep(Duration::from_secs(60)).await;
    for client in &clients {
        let fresh = Told::Data(database.value(&client.plan, &client.key));
        let told = client.told.lock().clone();
        assert_eq!(
            told.last(),
            Some(&fresh),
            "seed {seed}: {}({}) is stale: {told:?} {engine:?}",
            client.plan,
            client.key
        );
    }
    for client in clients.iter().chain(&gone) {
        check_story(seed, client, &database);
    }

    // Bounds.
    assert!(database.most.load(Ordering::SeqCst) <= config.connections, "seed {seed}");
    let log = database.inside.lock().log.clone();
    for statement in &log {
        let mut keys = statement.keys.clone();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), statement.keys.len(), "seed {seed}: run twice");
        assert!(keys.len() <= config.batch_size, "seed {seed}");
    }
    if !faulty {
        let run: usize = log.iter().filter(|s| s.plan != "four").map(|s| s.keys.len()).sum();
        assert!(run <= causes, "seed {seed}: {run} runs for {causes} causes");
    }

    // Nothing is left when all have left.
    for client in clients {
        client.task.abort();
    }
    sleep(ms(1_000)).await;
    assert_eq!(engine.stats(), Stats::default(), "seed {seed}");
    let before = database.statements();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(database.statements(), before, "seed {seed}");
    drop(engine);
    sleep(ms(1)).await;
    assert_eq!(Arc::strong_count(&database), 1, "seed {seed}: a task is left");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_schedules() {
    // The simulated panics are many, and not news.
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("simulated") && !text.contains("Box<dyn Any>") && !text.contains("whim") {
            eprintln!("{text}");
        }
    }));
    let seeds = match number("ARTESIAN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ARTESIAN_SIMULATIONS").unwrap_or(100),
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(simulate(seed));
    }
}
