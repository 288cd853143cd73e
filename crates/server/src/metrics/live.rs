//! Metrics of the live-query engine.

use std::{fmt, time::Duration};

use artesian_live::Observer;
use parking_lot::RwLock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram,
    },
    registry::Registry,
};

/// How much the live-query engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Statements that are kept live.
    pub plans: u64,
    /// Plans with the values that distinguish their results.
    pub cohorts: u64,
    /// Operations of clients.
    pub subscribers: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Counts what the live-query engine tells its [`Observer`].
pub struct LiveMetrics {
    statements: Family<ResultLabel, Counter>,
    statement_seconds: Histogram,
    batch_cohorts: Histogram,
    results: Family<ResultLabel, Counter>,
    deliveries: Counter,
    quarantined: Counter,
    unavailable: Counter,
    feeds_lost: Counter,
    stats: std::sync::Arc<Stats>,
}

type Read = Box<dyn Fn() -> LiveStats + Send + Sync>;

/// Asks for the sizes at each scrape.
#[derive(Default)]
struct Stats(RwLock<Vec<Read>>);

impl LiveMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let seconds =
            [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let cohorts = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
        let live = Self {
            statements: Family::default(),
            statement_seconds: Histogram::new(seconds),
            batch_cohorts: Histogram::new(cohorts),
            results: Family::default(),
            deliveries: Counter::default(),
            quarantined: Counter::default(),
            unavailable: Counter::default(),
            feeds_lost: Counter::default(),
            stats: std::sync::Arc::default(),
        };
        registry.register(
            "live_reruns",
            "Statements that re-ran live queries, by result: ok or error",
            live.statements.clone(),
        );
        registry.register(
            "live_rerun_seconds",
            "Time of those statements",
            live.statement_seconds.clone(),
        );
        registry.register(
            "live_rerun_cohorts",
            "Cohorts that one statement re-ran",
            live.batch_cohorts.clone(),
        );
        registry.register(
            "live_results",
            "Results of re-runs, by whether they differed from the last: changed or unchanged",
            live.results.clone(),
        );
        registry.register(
            "live_deliveries",
            "Changed results handed to subscribers, once for each of them",
            live.deliveries.clone(),
        );
        registry.register(
            "live_quarantined",
            "Failures of single cohorts, each retry included",
            live.quarantined.clone(),
        );
        registry.register(
            "live_database_unavailable",
            "Re-runs that could not reach the database",
            live.unavailable.clone(),
        );
        registry.register(
            "live_feeds_lost",
            "Change feeds that ended, so that polling took over",
            live.feeds_lost.clone(),
        );
        registry.register_collector(Box::new(live.stats.clone()));
        live
    }

    /// Asks this function for the sizes of an engine at each scrape. Those of several engines are
    /// added up.
    pub fn watch(&self, read: impl Fn() -> LiveStats + Send + Sync + 'static) {
        self.stats.0.write().push(Box::new(read));
    }
}

impl Observer for LiveMetrics {
    fn rerun(&self, cohorts: usize, took: Duration, ok: bool) {
        let result = if ok { "ok" } else { "error" };
        self.statements.get_or_create(&ResultLabel { result }).inc();
        self.statement_seconds.observe(took.as_secs_f64());
        self.batch_cohorts.observe(cohorts as f64);
    }

    fn pushed(&self, subscribers: usize) {
        self.results.get_or_create(&ResultLabel { result: "changed" }).inc();
        self.deliveries.inc_by(subscribers as u64);
    }

    fn unchanged(&self) {
        self.results.get_or_create(&ResultLabel { result: "unchanged" }).inc();
    }

    fn quarantined(&self) {
        self.quarantined.inc();
    }

    fn unavailable(&self) {
        self.unavailable.inc();
    }

    fn feed_lost(&self) {
        self.feeds_lost.inc();
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stats")
    }
}

impl Collector for Stats {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut sum = LiveStats::default();
        for read in self.0.read().iter() {
            let one = read();
            sum.plans += one.plans;
            sum.cohorts += one.cohorts;
            sum.subscribers += one.subscribers;
        }
        let rows = [
            ("live_plans", "Statements that are kept live", sum.plans),
            ("live_cohorts", "Live results that are kept up to date", sum.cohorts),
            ("live_subscribers", "Operations that follow a live result", sum.subscribers),
        ];
        for (name, help, value) in rows {
            let gauge = ConstGauge::new(value as i64);
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
