//! What `/metrics` shows. Every name begins with `artesian_` and has a row in `docs/operations.md`.

mod auth;
mod brokers;
mod compression;
mod documents;
mod limits;
mod live;
mod operation;
mod reload;
mod sockets;
mod upstreams;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{SystemTime, UNIX_EPOCH},
};

use artesian_auth::Counters;
use artesian_engine::StoreStats;
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

pub use brokers::BrokerStats;
pub(crate) use compression::CompressionMetrics;
pub(crate) use limits::Gates;
pub use live::{LiveMetrics, LiveStats};
pub(crate) use operation::{OperationMetrics, Outcome};
use reload::ReloadMetrics;
pub(crate) use sockets::Unwelcome;
pub use upstreams::UpstreamStats;

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    /// HTTP with single answers.
    Http,
    /// Server-sent events.
    Sse,
    /// Multipart subscriptions.
    Multipart,
    /// WebSocket with `graphql-transport-ws`.
    ModernWs,
    /// WebSocket with the legacy `graphql-ws`.
    LegacyWs,
    /// WebSocket without a subprotocol that we speak.
    OtherWs,
}

impl Transport {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Multipart => "multipart",
            Self::ModernWs => "graphql-transport-ws",
            Self::LegacyWs => "graphql-ws",
            Self::OtherWs => "websocket",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabel {
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    transport: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    transport: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    transport: &'static str,
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReservationLabel {
    outcome: &'static str,
}

/// A step in the life of a reserved event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// It waits to be opened.
    Made,
    /// It was opened.
    Opened,
    /// It was not opened in time.
    Expired,
    /// It was not made, for there were too many.
    Refused,
}

type Histograms = Family<OperationLabels, Histogram, fn() -> Histogram>;

/// The metrics of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    live: Arc<LiveMetrics>,
    auth: Arc<Counters>,
    compression: CompressionMetrics,
    reload: ReloadMetrics,
    connections: Family<TransportLabel, Gauge>,
    opened: Family<TransportLabel, Counter>,
    closed: Family<CloseLabels, Counter>,
    responses: Family<StatusLabel, Counter>,
    operations: Family<OutcomeLabels, Counter>,
    active: Family<OperationLabels, Gauge>,
    execution: Histograms,
    first_result: Histograms,
    pushed_messages: Family<TransportLabel, Counter>,
    pushed_bytes: Family<TransportLabel, Counter>,
    queue_bytes: Gauge,
    limits: limits::LimitMetrics,
    sockets: sockets::SocketMetrics,
    batch_requests: Histogram,
    reservations: Gauge,
    reservations_ended: Family<ReservationLabel, Counter>,
}

impl Metrics {
    /// Metrics with nothing counted. `version` is shown as build information.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("artesian");
        let live = Arc::new(LiveMetrics::new(&mut registry));
        let auth = Arc::<Counters>::default();
        auth::register(&mut registry, auth.clone());
        let compression = CompressionMetrics::new(&mut registry);
        let reload = ReloadMetrics::new(&mut registry);
        let seconds = || Histogram::new(SECONDS);
        let metrics = Self {
            live,
            auth,
            compression,
            reload,
            connections: Family::default(),
            opened: Family::default(),
            closed: Family::default(),
            responses: Family::default(),
            operations: Family::default(),
            active: Family::default(),
            execution: Family::new_with_constructor(seconds),
            first_result: Family::new_with_constructor(seconds),
            pushed_messages: Family::default(),
            pushed_bytes: Family::default(),
            queue_bytes: Gauge::default(),
            limits: limits::LimitMetrics::default(),
            sockets: sockets::SocketMetrics::default(),
            batch_requests: Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
            reservations: Gauge::default(),
            reservations_ended: Family::default(),
            registry: Mutex::new(Registry::default()),
        };
        metrics.register(&mut registry);
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The version that runs", build);
        let started = Gauge::<f64, AtomicU64>::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(now.as_secs_f64());
        let help = "When the process started, in seconds since 1970";
        registry.register("process_start_time_seconds", help, started);
        *metrics.registry.lock() = registry;
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_opened", "Connections opened", self.opened.clone());
        registry.register(
            "connections_closed",
            "Connections closed, by the code of the close frame; 0 for HTTP, 1006 for lost sockets",
            self.closed.clone(),
        );
        registry.register("http_responses", "HTTP responses, by status", self.responses.clone());
        registry.register(
            "operations",
            "Operations that ended: ok, error (ran and gave an error), rejected (did not run), \
             cancelled (by the client or by the loss of its connection)",
            self.operations.clone(),
        );
        registry.register("operations_active", "Running operations", self.active.clone());
        registry.register(
            "execution_seconds",
            "Time to run a query or a mutation",
            self.execution.clone(),
        );
        registry.register(
            "first_result_seconds",
            "Time from the start of a live operation to its first result",
            self.first_result.clone(),
        );
        registry.register(
            "pushed_messages",
            "Results of operations handed to sockets and event streams",
            self.pushed_messages.clone(),
        );
        registry.register(
            "pushed_bytes",
            "Bytes of those results, without frames and envelopes",
            self.pushed_bytes.clone(),
        );
        registry.register(
            "outgoing_queue_bytes",
            "Bytes that wait to be written to WebSocket connections",
            self.queue_bytes.clone(),
        );
        self.limits.register(registry);
        self.sockets.register(registry);
        registry.register(
            "http_batch_requests",
            "Requests in one body, of bodies that are arrays",
            self.batch_requests.clone(),
        );
        registry.register(
            "event_stream_reservations",
            "Event streams (single connection mode) that are reserved and not open",
            self.reservations.clone(),
        );
        registry.register(
            "event_stream_reservations_ended",
            "What became of reservations: opened, expired, or refused for there were too many",
            self.reservations_ended.clone(),
        );
    }

    /// Metrics of the live-query engine: give it this as its observer.
    pub fn live(&self) -> Arc<LiveMetrics> {
        self.live.clone()
    }

    /// What telling clients apart counts.
    pub(crate) fn auth(&self) -> &Arc<Counters> {
        &self.auth
    }

    /// Configuration and metadata were read again, and are in force or were refused.
    pub fn reloaded(&self, is_good: bool) {
        self.reload.done(is_good);
    }

    /// Asks this function for the figures of registered documents at each scrape.
    pub fn watch_documents(&self, read: impl Fn() -> StoreStats + Send + Sync + 'static) {
        self.register_collector(Box::new(documents::DocumentMetrics(Box::new(read))));
    }

    /// The same for message brokers.
    pub fn watch_brokers(&self, read: impl Fn() -> Vec<BrokerStats> + Send + Sync + 'static) {
        self.register_collector(Box::new(brokers::BrokerMetrics(Box::new(read))));
    }

    /// Asks this function for the figures of the services behind a gateway at each scrape. It is to be
    /// called once; services may come and go.
    pub fn watch_upstreams(&self, read: impl Fn() -> Vec<UpstreamStats> + Send + Sync + 'static) {
        self.register_collector(Box::new(upstreams::UpstreamMetrics(Box::new(read))));
    }

    /// Adds metrics of another part of the program. Their names get the prefix `artesian_`.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.registry.lock().register_collector(collector);
    }

    /// Everything in the text format of OpenMetrics.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail; a collector that fails leaves the text cut short.
        if text::encode(&mut out, &self.registry.lock()).is_err() {
            tracing::warn!("a collector of metrics failed");
        }
        out
    }

    pub(crate) fn compression(&self) -> CompressionMetrics {
        self.compression.clone()
    }

    pub(crate) fn queue_bytes(&self) -> Gauge {
        self.queue_bytes.clone()
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.limits.gates
    }

    pub(crate) fn limit_hit(&self, limit: crate::Limit) {
        self.limits.hit(limit);
    }

    pub(crate) fn reservation(&self, step: Reservation) {
        let outcome = match step {
            Reservation::Made => {
                self.reservations.inc();
                return;
            }
            Reservation::Opened => "opened",
            Reservation::Expired => "expired",
            Reservation::Refused => "refused",
        };
        if step != Reservation::Refused {
            self.reservations.dec();
        }
        self.reservations_ended.get_or_create(&ReservationLabel { outcome }).inc();
    }

    pub(crate) fn batch(&self, requests: usize) {
        self.batch_requests.observe(requests as f64);
    }

    pub(crate) fn response(&self, status: http::StatusCode) {
        self.responses.get_or_create(&StatusLabel { status: status.as_u16() }).inc();
    }
}

/// One open connection; its drop ends it.
pub(crate) struct ConnectionMetrics {
    metrics: Arc<Metrics>,
    transport: Transport,
    code: u16,
}

impl ConnectionMetrics {
    /// A connection was opened.
    pub fn open(metrics: Arc<Metrics>, transport: Transport) -> Self {
        let label = TransportLabel { transport: transport.as_str() };
        metrics.connections.get_or_create(&label).inc();
        metrics.opened.get_or_create(&label).inc();
        let code = match transport {
            Transport::Http | Transport::Sse | Transport::Multipart => 0,
            _ => 1006,
        };
        Self { metrics, transport, code }
    }

    /// Notes the code that the connection ends with.
    pub fn closing(&mut self, code: u16) {
        self.code = code;
    }

    /// The code that was noted.
    pub fn code(&self) -> u16 {
        self.code
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        let transport = self.transport.as_str();
        self.metrics.connections.get_or_create(&TransportLabel { transport }).dec();
        // Clients may send any of thousands of codes; each would be a time series of its own.
        let code = match self.code {
            code @ (0 | 1000..=1014 | 4400..=4599) => code,
            _ => 4000,
        };
        self.metrics.closed.get_or_create(&CloseLabels { transport, code }).inc();
    }
}

const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
