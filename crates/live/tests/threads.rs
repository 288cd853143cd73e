//! Real threads: what simulated time on one thread cannot reach.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use artesian_live::{Config, LiveEngine, NoObserver, Stats};
use common::*;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    const WRITES: u64 = 2_000;
    let db = Database::new(1);
    let config = Config { batch_size: 2, min_interval: Duration::ZERO, ..Config::default() };
    let engine = LiveEngine::new(Arc::clone(&db), config, Arc::new(NoObserver));
    let plan = query("q", &["t"]);
    db.knows(&plan);
    let readers: Vec<_> = (0..16u64)
        .map(|n| {
            let (engine, db, plan) = (engine.clone(), Arc::clone(&db), Arc::clone(&plan));
            tokio::spawn(async move {
                let mut random = Random(n);
                let key = (n % 5).to_string();
                // Come and go, and stay in the end.
                for _ in 0..200 {
                    let mut live = subscribe(&engine, &db, &plan, &key);
                    for _ in 0..random.below(3) {
                        let _ = timeout(Duration::from_millis(1), live.next()).await;
                    }
                }
                let mut live = subscribe(&engine, &db, &plan, &key);
                let last = format!("[{WRITES}]");
                while data(&mut live).await != last {}
            })
        })
        .collect();
    let (writer, store) = (engine.clone(), Arc::clone(&db));
    let writes = std::thread::spawn(move || {
        for _ in 0..WRITES {
            for key in ["0", "1", "2", "3", "4"] {
                store.write("t", key);
            }
            writer.invalidate(&tables(&["t"]));
            std::thread::yield_now();
        }
    });
    for reader in readers {
        timeout(Duration::from_secs(60), reader).await.expect("the last state").unwrap();
    }
    writes.join().unwrap();
    let stats = Stats { in_flight: 0, ..engine.stats() };
    assert_eq!(stats, Stats::default());
}
