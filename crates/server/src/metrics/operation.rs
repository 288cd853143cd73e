//! The life of one operation in the metrics.

use std::{sync::Arc, time::Instant};

use artesian_engine::OperationKind;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::{Metrics, OperationLabels, OutcomeLabels, Transport, TransportLabel};
use crate::Prepared;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It gave results only.
    Ok,
    /// It ran, and its (last) result was an error.
    Error,
    /// It was refused before it ran.
    Rejected,
    /// It was dropped before its end.
    Cancelled,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One running operation; dropped before [`end`](Self::end), it counts as cancelled.
pub(crate) struct OperationMetrics {
    metrics: Arc<Metrics>,
    labels: OperationLabels,
    active: Gauge,
    pushed_messages: Counter,
    pushed_bytes: Counter,
    started: Instant,
    is_stream: bool,
    has_result: bool,
    outcome: Outcome,
}

impl OperationMetrics {
    /// A prepared operation that starts to run.
    pub fn of(metrics: &Arc<Metrics>, operation: &dyn Prepared, transport: Transport) -> Self {
        Self::start(metrics.clone(), transport, operation.kind(), operation.is_stream())
    }

    /// An operation that starts to run.
    pub fn start(
        metrics: Arc<Metrics>,
        transport: Transport,
        kind: OperationKind,
        is_stream: bool,
    ) -> Self {
        let transport = transport.as_str();
        let kind = match (kind, is_stream) {
            (OperationKind::Query, true) => "live-query",
            _ => kind.as_str(),
        };
        let labels = OperationLabels { transport, kind };
        let label = TransportLabel { transport };
        let active = metrics.active.get_or_create_owned(&labels);
        active.inc();
        Self {
            pushed_messages: metrics.pushed_messages.get_or_create_owned(&label),
            pushed_bytes: metrics.pushed_bytes.get_or_create_owned(&label),
            active,
            labels,
            metrics,
            started: Instant::now(),
            is_stream,
            has_result: false,
            outcome: Outcome::Cancelled,
        }
    }

    /// Notes an operation that was refused before it could run. Its kind may not be known.
    pub fn rejected(metrics: &Metrics, transport: Transport) {
        let labels = OutcomeLabels {
            transport: transport.as_str(),
            kind: "unknown",
            outcome: Outcome::Rejected.as_str(),
        };
        metrics.operations.get_or_create(&labels).inc();
    }

    /// A result is handed to the client.
    pub fn pushed(&mut self, bytes: usize) {
        self.pushed_messages.inc();
        self.pushed_bytes.inc_by(bytes as u64);
        if !std::mem::replace(&mut self.has_result, true) {
            let histograms =
                if self.is_stream { &self.metrics.first_result } else { &self.metrics.execution };
            let took = self.started.elapsed().as_secs_f64();
            histograms.get_or_create(&self.labels).observe(took);
        }
    }

    /// The operation is over.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for OperationMetrics {
    fn drop(&mut self) {
        self.active.dec();
        let labels = OutcomeLabels {
            transport: self.labels.transport,
            kind: self.labels.kind,
            outcome: self.outcome.as_str(),
        };
        self.metrics.operations.get_or_create(&labels).inc();
    }
}
