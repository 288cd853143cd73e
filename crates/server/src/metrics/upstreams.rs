//! Metrics of the services behind a gateway.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// The figures of one service. Those of which the text says "how often" only ever grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamStats {
    /// The name of the source: the label `source`.
    pub source: Arc<str>,
    /// Whether its schema could be read the last time.
    pub is_up: bool,
    /// Whether it takes part: it has a schema.
    pub has_schema: bool,
    /// Whether it is left alone at present, or by all but one trial, since it has failed.
    pub is_circuit_open: bool,
    /// How often that came about.
    pub circuit_openings: u64,
    /// How often its schema was read.
    pub schemas_read: u64,
    /// How often its schema could not be read.
    pub schemas_failed: u64,
    /// How often it was asked for a single result.
    pub requests: u64,
    /// How often there was no GraphQL response to that.
    pub requests_failed: u64,
    /// How often something was tried again.
    pub retries: u64,
    /// How often a client subscribed.
    pub subscribed: u64,
    /// How often one joined a subscription that was there.
    pub shared: u64,
    /// How often a subscription was begun at the service.
    pub started: u64,
    /// How often the connection of a subscription broke.
    pub lost: u64,
    /// How often one was brought back.
    pub resumed: u64,
    /// How often a WebSocket was asked for.
    pub sockets_opened: u64,
    /// How often one did not come to be acknowledged.
    pub sockets_failed: u64,
    /// How many events came.
    pub events: u64,
    /// How many bytes these had.
    pub event_bytes: u64,
    /// How often something came that means nothing.
    pub junk: u64,
    /// How often a client lost its subscription since it read too slowly.
    pub too_slow: u64,
    /// How often a query was run for a poll.
    pub polls_run: u64,
    /// How often that was no news.
    pub polls_unchanged: u64,
    /// WebSockets now.
    pub sockets: u64,
    /// Event streams and multipart bodies now.
    pub streams: u64,
    /// Distinct subscriptions now.
    pub subscriptions: u64,
    /// Distinct queries that are polled now.
    pub polls: u64,
}

/// Asks for the figures of all services at each scrape.
pub(super) struct UpstreamMetrics(pub Box<dyn Fn() -> Vec<UpstreamStats> + Send + Sync>);

impl fmt::Debug for UpstreamMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamMetrics")
    }
}

/// The rows of a family: the value of its second label, and the figure.
type Rows = Vec<(&'static str, u64)>;

struct Shown {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    /// The second label; empty: there is none.
    label: &'static str,
    rows: fn(&UpstreamStats) -> Rows,
}

const FAMILIES: [Shown; 17] = [
    Shown {
        name: "upstream_up",
        help: "1 if the service's schema could be read the last time, else 0",
        kind: MetricType::Gauge,
        label: "",
        rows: |now| vec![("", now.is_up.into())],
    },
    Shown {
        name: "upstream_joined",
        help: "1 if the service has a schema and takes part, else 0",
        kind: MetricType::Gauge,
        label: "",
        rows: |now| vec![("", now.has_schema.into())],
    },
    Shown {
        name: "upstream_schema_reads",
        help: "Readings of the service's schema, by outcome: ok or failed",
        kind: MetricType::Counter,
        label: "outcome",
        rows: |now| vec![("ok", now.schemas_read), ("failed", now.schemas_failed)],
    },
    Shown {
        name: "upstream_circuit_open",
        help: "1 if the service is left alone since it has failed, else 0",
        kind: MetricType::Gauge,
        label: "",
        rows: |now| vec![("", now.is_circuit_open.into())],
    },
    Shown {
        name: "upstream_circuit_openings",
        help: "How often the service came to be left alone",
        kind: MetricType::Counter,
        label: "",
        rows: |now| vec![("", now.circuit_openings)],
    },
    Shown {
        name: "upstream_requests",
        help: "Requests for a single result, by outcome: ok (a GraphQL response) or failed",
        kind: MetricType::Counter,
        label: "outcome",
        rows: |now| {
            // Failures are counted later than requests.
            let ok = now.requests.saturating_sub(now.requests_failed);
            vec![("ok", ok), ("failed", now.requests_failed)]
        },
    },
    Shown {
        name: "upstream_retries",
        help: "Attempts beyond the first",
        kind: MetricType::Counter,
        label: "",
        rows: |now| vec![("", now.retries)],
    },
    Shown {
        name: "upstream_connections",
        help: "Open connections of subscriptions: socket or stream",
        kind: MetricType::Gauge,
        label: "kind",
        rows: |now| vec![("socket", now.sockets), ("stream", now.streams)],
    },
    Shown {
        name: "upstream_sockets_opened",
        help: "WebSockets that were asked for, by outcome: failed is not to be acknowledged",
        kind: MetricType::Counter,
        label: "outcome",
        rows: |now| {
            let ok = now.sockets_opened.saturating_sub(now.sockets_failed);
            vec![("ok", ok), ("failed", now.sockets_failed)]
        },
    },
    Shown {
        name: "upstream_subscriptions",
        help: "Distinct subscriptions and polled queries: subscription or poll",
        kind: MetricType::Gauge,
        label: "kind",
        rows: |now| vec![("subscription", now.subscriptions), ("poll", now.polls)],
    },
    Shown {
        name: "upstream_subscribers_joined",
        help: "Clients that subscribed: own (began a subscription) or shared (one was there)",
        kind: MetricType::Counter,
        label: "subscription",
        rows: |now| {
            vec![("own", now.subscribed.saturating_sub(now.shared)), ("shared", now.shared)]
        },
    },
    Shown {
        name: "upstream_operations_started",
        help: "Subscriptions begun at the service, those begun again included",
        kind: MetricType::Counter,
        label: "",
        rows: |now| vec![("", now.started)],
    },
    Shown {
        name: "upstream_interruptions",
        help: "Subscriptions whose connection broke (lost), and those brought back (resumed)",
        kind: MetricType::Counter,
        label: "outcome",
        rows: |now| vec![("lost", now.lost), ("resumed", now.resumed)],
    },
    Shown {
        name: "upstream_events",
        help: "Events of the service, once each however many clients get them",
        kind: MetricType::Counter,
        label: "",
        rows: |now| vec![("", now.events)],
    },
    Shown {
        name: "upstream_event_bytes",
        help: "Bytes of these events",
        kind: MetricType::Counter,
        label: "",
        rows: |now| vec![("", now.event_bytes)],
    },
    Shown {
        name: "upstream_polls",
        help: "Runs of polled queries, by result: changed or unchanged",
        kind: MetricType::Counter,
        label: "result",
        rows: |now| {
            let changed = now.polls_run.saturating_sub(now.polls_unchanged);
            vec![("changed", changed), ("unchanged", now.polls_unchanged)]
        },
    },
    Shown {
        name: "upstream_faults",
        help: "Messages that mean nothing (junk), and clients that lost a subscription since they \
               read too slowly (slow_client)",
        kind: MetricType::Counter,
        label: "fault",
        rows: |now| vec![("junk", now.junk), ("slow_client", now.too_slow)],
    },
];

impl Collector for UpstreamMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = (self.0)();
        if all.is_empty() {
            return Ok(());
        }
        for Shown { name, help, kind, label, rows } in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (now, (value, figure)) in
                all.iter().flat_map(|now| rows(now).into_iter().map(move |row| (now, row)))
            {
                let labels = [("source", &*now.source), (label, value)];
                let labels = if label.is_empty() { labels.get(..1) } else { Some(&labels[..]) };
                let labels = labels.unwrap_or_default();
                let metric = family.encode_family(&labels)?;
                match kind {
                    MetricType::Gauge => {
                        ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX))
                            .encode(metric)?;
                    }
                    _ => ConstCounter::new(figure).encode(metric)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    #[test]
    fn every_figure_is_shown_by_source_and_documented() {
        let metrics = Metrics::new("test");
        let one = UpstreamStats {
            source: "reviews".into(),
            is_up: true,
            has_schema: true,
            is_circuit_open: true,
            circuit_openings: 1,
            schemas_read: 2,
            schemas_failed: 3,
            requests: 10,
            requests_failed: 4,
            retries: 5,
            subscribed: 20,
            shared: 7,
            started: 8,
            lost: 9,
            resumed: 11,
            sockets_opened: 30,
            sockets_failed: 12,
            events: 13,
            event_bytes: 14,
            junk: 15,
            too_slow: 16,
            polls_run: 40,
            polls_unchanged: 17,
            sockets: 18,
            streams: 19,
            subscriptions: 21,
            polls: 22,
        };
        let other = UpstreamStats { source: "od\"d".into(), ..UpstreamStats::default() };
        metrics.watch_upstreams(move || vec![one.clone(), other.clone()]);
        let text = metrics.encode();
        for line in [
            "up{source=\"reviews\"} 1",
            "up{source=\"od\\\"d\"} 0",
            "joined{source=\"reviews\"} 1",
            "circuit_open{source=\"reviews\"} 1",
            "circuit_openings_total{source=\"reviews\"} 1",
            "schema_reads_total{source=\"reviews\",outcome=\"ok\"} 2",
            "schema_reads_total{source=\"reviews\",outcome=\"failed\"} 3",
            "requests_total{source=\"reviews\",outcome=\"ok\"} 6",
            "requests_total{source=\"reviews\",outcome=\"failed\"} 4",
            "retries_total{source=\"reviews\"} 5",
            "subscribers_joined_total{source=\"reviews\",subscription=\"own\"} 13",
            "subscribers_joined_total{source=\"reviews\",subscription=\"shared\"} 7",
            "operations_started_total{source=\"reviews\"} 8",
            "interruptions_total{source=\"reviews\",outcome=\"lost\"} 9",
            "interruptions_total{source=\"reviews\",outcome=\"resumed\"} 11",
            "sockets_opened_total{source=\"reviews\",outcome=\"ok\"} 18",
            "sockets_opened_total{source=\"reviews\",outcome=\"failed\"} 12",
            "events_total{source=\"reviews\"} 13",
            "event_bytes_total{source=\"reviews\"} 14",
            "faults_total{source=\"reviews\",fault=\"junk\"} 15",
            "faults_total{source=\"reviews\",fault=\"slow_client\"} 16",
            "polls_total{source=\"reviews\",result=\"changed\"} 23",
            "polls_total{source=\"reviews\",result=\"unchanged\"} 17",
            "connections{source=\"reviews\",kind=\"socket\"} 18",
            "connections{source=\"reviews\",kind=\"stream\"} 19",
            "subscriptions{source=\"reviews\",kind=\"subscription\"} 21",
            "subscriptions{source=\"reviews\",kind=\"poll\"} 22",
        ] {
            let line = format!("artesian_upstream_{line}");
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
        let documentation = include_str!("../../../../docs/operations.md");
        for family in FAMILIES {
            let total = if matches!(family.kind, MetricType::Counter) { "_total" } else { "" };
            let row = format!("| `artesian_{}{total}` |", family.name);
            assert!(documentation.contains(&row), "{row}");
        }
    }

    #[test]
    fn without_services_there_is_nothing() {
        let metrics = Metrics::new("test");
        metrics.watch_upstreams(Vec::new);
        assert!(!metrics.encode().contains("upstream"));
    }
}
