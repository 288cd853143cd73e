//! A simulated database, with counters for rows.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artesian_live::{
    Change, ChangeFeed, Config, Dependencies, Failure, Fault, LiveEngine, NoObserver, Params, Plan,
    Refetch, Subscription, Update,
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// splitmix64
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Query {
    pub name: String,
    pub reads: Dependencies,
}

impl Plan for Query {
    fn dependencies(&self) -> &Dependencies {
        &self.reads
    }
}

/// A plan that reads these tables. Its name is not part of what it reads.
pub fn query(name: &str, tables: &[&str]) -> Arc<Query> {
    Arc::new(Query {
        name: name.into(),
        reads: Dependencies {
            tables: tables.iter().map(|&t| Arc::from(t)).collect(),
            volatile: false,
        },
    })
}

pub fn volatile(name: &str, tables: &[&str]) -> Arc<Query> {
    let mut plan = Arc::into_inner(query(name, tables)).unwrap();
    plan.reads.volatile = true;
    Arc::new(plan)
}

pub fn key(key: impl ToString) -> Params {
    Arc::from([Some(Arc::from(key.to_string()))])
}

pub fn tables(names: &[&str]) -> Change {
    Change::Tables(names.iter().map(|&t| Arc::from(t)).collect())
}

/// One statement that ran.
#[derive(Debug, Clone)]
pub struct Statement {
    pub at: Instant,
    pub plan: String,
    pub keys: Vec<String>,
}

#[derive(Default)]
pub struct Faults {
    pub down: Option<String>,
    /// Keys that make a statement fail.
    pub poison: HashSet<String>,
    /// Panic, or too few results, for statements with these keys.
    pub panics: HashSet<String>,
    pub short: HashSet<String>,
    /// Percent of statements that fail for no reason in each way.
    pub flaky: u64,
}

type History = HashMap<(String, String), Vec<String>>;

pub struct Inside {
    rows: BTreeMap<(String, String), u64>,
    plans: HashMap<String, Vec<String>>,
    pub history: History,
    pub faults: Faults,
    pub log: Vec<Statement>,
    /// Before and after the moment that the statement sees.
    pub before: Duration,
    pub after: Duration,
    /// Up to this much more on either side.
    pub jitter_ms: u64,
    random: Random,
    running: HashSet<(String, String)>,
    /// One cohort ran twice at a time.
    pub overlapped: bool,
}

pub struct Database {
    pub inside: Mutex<Inside>,
    now: AtomicUsize,
    pub most: AtomicUsize,
}

impl Database {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            inside: Mutex::new(Inside {
                rows: BTreeMap::new(),
                plans: HashMap::new(),
                history: HashMap::new(),
                faults: Faults::default(),
                log: Vec::new(),
                before: ms(0),
                after: ms(0),
                jitter_ms: 0,
                random: Random(seed),
                running: HashSet::new(),
                overlapped: false,
            }),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    pub fn knows(&self, plan: &Query) {
        self.inside
            .lock()
            .plans
            .entry(plan.name.clone())
            .or_insert_with(|| plan.reads.tables.iter().map(|t| t.to_string()).collect());
    }

    /// Commits a change of one row; the feed is another matter.
    pub fn write(&self, table: &str, key: &str) {
        let mut inside = self.inside.lock();
        *inside.rows.entry((table.into(), key.into())).or_default() += 1;
        let touched: Vec<String> = inside
            .plans
            .iter()
            .filter(|(_, tables)| tables.iter().any(|t| t == table))
            .map(|(plan, _)| plan.clone())
            .collect();
        for plan in touched {
            let value = inside.value(&plan, key);
            inside
                .history
                .entry((plan, key.into()))
                .or_insert_with(|| vec!["start".into()])
                .push(value);
        }
    }

    pub fn value(&self, plan: &str, key: &str) -> String {
        self.inside.lock().value(plan, key)
    }

    pub fn statements(&self) -> usize {
        self.inside.lock().log.len()
    }

    pub fn delay(&self, before: Duration, after: Duration) {
        let mut inside = self.inside.lock();
        inside.before = before;
        inside.after = after;
    }

    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.inside.lock().faults)
    }
}

impl Inside {
    fn value(&self, plan: &str, key: &str) -> String {
        let versions: Vec<u64> = self.plans[plan]
            .iter()
            .map(|t| {
                let row = (t.clone(), key.to_string());
                self.rows.get(&row).copied().unwrap_or_default()
            })
            .collect();
        if versions.iter().all(|&v| v == 0) {
            return "start".into();
        }
        format!("{versions:?}")
    }
}

/// Marks what is running, also if it is dropped half-way.
struct Running<'a>(&'a Database, Vec<(String, String)>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        let mut inside = self.0.inside.lock();
        for cohort in &self.1 {
            inside.running.remove(cohort);
        }
    }
}

#[async_trait]
impl Refetch for Database {
    type Plan = Query;
    type Error = String;

    async fn refetch(
        &self,
        plan: &Arc<Query>,
        batch: &[Params],
    ) -> Result<Vec<Bytes>, Failure<String>> {
        let keys: Vec<String> =
            batch.iter().map(|p| p[0].as_deref().unwrap_or("null").to_string()).collect();
        let (before, after, whim) = {
            let mut inside = self.inside.lock();
            inside.log.push(Statement {
                at: Instant::now(),
                plan: plan.name.clone(),
                keys: keys.clone(),
            });
            for key in &keys {
                let cohort = (plan.name.clone(), key.clone());
                if !inside.running.insert(cohort) {
                    inside.overlapped = true;
                }
            }
            let jitter = inside.jitter_ms + 1;
            let whim = if inside.faults.flaky > 0 && {
                let flaky = inside.faults.flaky;
                inside.random.chance(flaky)
            } {
                1 + inside.random.below(4)
            } else {
                0
            };
            (
                inside.before + ms(inside.random.below(jitter)),
                inside.after + ms(inside.random.below(jitter)),
                whim,
            )
        };
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let cohorts = keys.iter().map(|k| (plan.name.clone(), k.clone()));
        let _running = Running(self, cohorts.collect());

        if !before.is_zero() {
            sleep(before).await;
        }
        let answer = {
            let inside = self.inside.lock();
            let faults = &inside.faults;
            if let Some(error) = &faults.down {
                Err(Failure::Unavailable(error.clone()))
            } else if let Some(bad) = keys.iter().find(|k| faults.poison.contains(*k)) {
                Err(Failure::Rejected(format!("bad {bad}")))
            } else if keys.iter().any(|k| faults.short.contains(k)) {
                Ok(vec![Bytes::new(); keys.len() - 1])
            } else {
                Ok(keys.iter().map(|k| Bytes::from(inside.value(&plan.name, k))).collect())
            }
        };
        let panics = self.faults(|f| keys.iter().any(|k| f.panics.contains(k)));
        assert!(!panics, "simulated");
        if !after.is_zero() {
            sleep(after).await;
        }
        match whim {
            1 => Err(Failure::Unavailable("whim".into())),
            2 => Err(Failure::Rejected("whim".into())),
            3 => Ok(vec![Bytes::new(); keys.len() + 1]),
            4 => std::panic::panic_any("whim"),
            _ => answer,
        }
    }

    fn fault(&self, fault: Fault) -> String {
        fault.to_string()
    }
}

pub type Engine = LiveEngine<Database>;
pub type Live = Subscription<String>;

pub fn engine(config: Config) -> (Engine, Arc<Database>) {
    let database = Database::new(1);
    let engine = LiveEngine::new(Arc::clone(&database), config, Arc::new(NoObserver));
    (engine, database)
}

pub fn subscribe(engine: &Engine, database: &Database, plan: &Arc<Query>, k: &str) -> Live {
    database.knows(plan);
    engine.subscribe(Arc::clone(plan), key(k))
}

/// The next update, which is data.
pub async fn data(live: &mut Live) -> String {
    match update(live).await {
        Some(Update::Data(snapshot)) => String::from_utf8(snapshot.bytes.to_vec()).unwrap(),
        other => panic!("expected data, got {other:?}"),
    }
}

/// The next update, which is an error.
pub async fn error(live: &mut Live) -> String {
    match update(live).await {
        Some(Update::Error(error)) => error,
        other => panic!("expected an error, got {other:?}"),
    }
}

async fn update(live: &mut Live) -> Option<Update<String>> {
    timeout(Duration::from_secs(120), live.next()).await.expect("an update")
}

/// Nothing comes for this long.
pub async fn quiet(live: &mut Live, time: Duration) {
    if let Ok(update) = timeout(time, live.next()).await {
        panic!("expected nothing, got {update:?}");
    }
}

/// A feed that the test writes.
pub struct Wire(mpsc::UnboundedReceiver<Change>);

pub fn wire() -> (mpsc::UnboundedSender<Change>, Wire) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Wire(receiver))
}

#[async_trait]
impl ChangeFeed for Wire {
    async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }
}
