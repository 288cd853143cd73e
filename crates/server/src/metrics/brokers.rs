//! Metrics of the message brokers among the sources.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// The figures of one broker. Those of which the text says "how often" only ever grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerStats {
    /// The name of the source: the label `source`.
    pub source: Arc<str>,
    /// How often a connection came about.
    pub connected: u64,
    /// How often one broke, or did not come about.
    pub disconnected: u64,
    /// Distinct topics now.
    pub topics: u64,
    /// Subscribers now, each topic counted.
    pub subscribers: u64,
    /// Bytes of events that some subscriber has not read yet.
    pub buffered_bytes: u64,
    /// How many events came.
    pub events: u64,
    /// How many bytes these had.
    pub event_bytes: u64,
    /// How often events may have been lost.
    pub gaps: u64,
    /// How often an event was dropped, since it was too large or no JSON.
    pub dropped: u64,
    /// How often a client lost its subscription since it read too slowly.
    pub too_slow: u64,
    /// Events now that wait until what they lack can be asked for.
    pub completions_waiting: u64,
}

/// Asks for the figures of all brokers at each scrape.
pub(super) struct BrokerMetrics(pub Box<dyn Fn() -> Vec<BrokerStats> + Send + Sync>);

impl fmt::Debug for BrokerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerMetrics")
    }
}

/// Name, help, whether it is a gauge, and the figure.
type Shown = (&'static str, &'static str, bool, fn(&BrokerStats) -> u64);

const FAMILIES: [Shown; 11] = [
    ("broker_connections", "Connections to the broker that came about", false, |now| now.connected),
    ("broker_interruptions", "Connections that broke or did not come about", false, |now| {
        now.disconnected
    }),
    ("broker_topics", "Distinct topics, however many clients want them", true, |now| now.topics),
    ("broker_subscribers", "Subscribers, each topic counted", true, |now| now.subscribers),
    ("broker_buffered_bytes", "Bytes of events that some client has not read yet", true, |now| {
        now.buffered_bytes
    }),
    ("broker_events", "Events, once each however many clients get them", false, |now| now.events),
    ("broker_event_bytes", "Bytes of these events", false, |now| now.event_bytes),
    ("broker_gaps", "How often events may have been lost", false, |now| now.gaps),
    ("broker_dropped", "Events that were too large or no JSON", false, |now| now.dropped),
    (
        "broker_slow_clients",
        "Clients that lost a subscription since they read too slowly",
        false,
        |now| now.too_slow,
    ),
    (
        "broker_completions_waiting",
        "Events that wait until what they lack can be asked for",
        true,
        |now| now.completions_waiting,
    ),
];

impl Collector for BrokerMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = (self.0)();
        if all.is_empty() {
            return Ok(());
        }
        for (name, help, is_gauge, figure) in FAMILIES {
            let kind = if is_gauge { MetricType::Gauge } else { MetricType::Counter };
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for now in &all {
                let labels = [("source", &*now.source)];
                let metric = family.encode_family(&labels)?;
                if is_gauge {
                    let figure = i64::try_from(figure(now)).unwrap_or(i64::MAX);
                    ConstGauge::new(figure).encode(metric)?;
                } else {
                    ConstCounter::new(figure(now)).encode(metric)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn every_broker_has_its_rows() {
        let mut registry = Registry::with_prefix("artesian");
        let of = |source: &str, topics| BrokerStats {
            source: source.into(),
            topics,
            events: 7,
            ..BrokerStats::default()
        };
        let read = move || vec![of("a", 1), of("b", 2)];
        registry.register_collector(Box::new(BrokerMetrics(Box::new(read))));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for row in [
            "artesian_broker_topics{source=\"a\"} 1\n",
            "artesian_broker_topics{source=\"b\"} 2\n",
            "artesian_broker_events_total{source=\"b\"} 7\n",
        ] {
            assert!(text.contains(row), "{text}");
        }
        assert_eq!(text.matches("# TYPE").count(), FAMILIES.len());
    }
}
