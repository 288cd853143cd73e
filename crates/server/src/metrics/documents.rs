//! Documents that clients have registered (automatic persisted queries).

use std::fmt;

use artesian_engine::StoreStats;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Asks an engine for its figures at each scrape.
pub(crate) struct DocumentMetrics(pub Box<dyn Fn() -> StoreStats + Send + Sync>);

impl fmt::Debug for DocumentMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentMetrics")
    }
}

impl Collector for DocumentMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let stats = (self.0)();
        let counters = [
            ("persisted_query_hits", "Requests by hash whose document was known", stats.hits),
            ("persisted_query_misses", "Requests by hash whose document was not", stats.misses),
            ("persisted_query_registrations", "Documents that clients registered", stats.stored),
        ];
        for (name, help, value) in counters {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let (name, help) = ("persisted_query_bytes", "Registered documents that are kept");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(stats.bytes).unwrap_or(i64::MAX)).encode(metric)
    }
}
