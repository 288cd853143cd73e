//! Reloads of configuration and metadata.

use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// How often settings were read again. Cloning is cheap.
#[derive(Clone, Default)]
pub(crate) struct ReloadMetrics {
    reloads: Family<ResultLabel, Counter>,
    last_success: Gauge<f64, AtomicU64>,
}

impl ReloadMetrics {
    /// The settings of the start count as a success.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "reloads",
            "Readings of configuration and metadata after the start: ok, or refused",
            metrics.reloads.clone(),
        );
        registry.register(
            "reload_last_success_time_seconds",
            "When the settings in force were read, in seconds since 1970",
            metrics.last_success.clone(),
        );
        metrics.succeeded();
        metrics
    }

    /// One more reload.
    pub fn done(&self, is_good: bool) {
        let result = if is_good { "ok" } else { "refused" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
        if is_good {
            self.succeeded();
        }
    }

    fn succeeded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success.set(now.as_secs_f64());
    }
}
