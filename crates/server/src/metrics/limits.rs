//! Metrics of limits.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::Limit;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

/// What stands in queues, or behind them.
#[derive(Default)]
pub(crate) struct Gates {
    /// WebSockets without acknowledgement.
    pub pending: Gauge,
    /// Requests that are parsed, validated and planned.
    pub preparing: Gauge,
    /// Queries and mutations that run.
    pub executing: Gauge,
    /// Operations that wait for either.
    pub waiting: Gauge,
}

/// How often limits were hit, and how near they are.
#[derive(Default)]
pub(super) struct LimitMetrics {
    hits: Family<LimitLabel, Counter>,
    pub(super) gates: Gates,
}

impl LimitMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // All are there from the start, so that a rate can be taken of the first hit too.
        for limit in Limit::ALL {
            drop(self.hits.get_or_create(&LimitLabel { limit: limit.as_str() }));
        }
        registry.register("limit_hits", "How often a limit was hit", self.hits.clone());
        let gates = &self.gates;
        registry.register(
            "sockets_pending",
            "WebSockets that are not acknowledged yet",
            gates.pending.clone(),
        );
        registry.register(
            "operations_preparing",
            "Requests that are parsed, validated and planned",
            gates.preparing.clone(),
        );
        registry.register(
            "operations_executing",
            "Queries and mutations that run",
            gates.executing.clone(),
        );
        registry.register(
            "operations_waiting",
            "Operations that wait to be prepared or to run",
            gates.waiting.clone(),
        );
    }

    pub(super) fn hit(&self, limit: Limit) {
        self.hits.get_or_create(&LimitLabel { limit: limit.as_str() }).inc();
    }
}
