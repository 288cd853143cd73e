//! Metrics of telling clients apart.

use std::{fmt, sync::Arc};

use artesian_auth::Counters;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
    registry::Registry,
};

/// Reads the counters at each scrape.
#[derive(Debug)]
struct AuthMetrics(Arc<Counters>);

/// From now on these are shown.
pub(super) fn register(registry: &mut Registry, counters: Arc<Counters>) {
    registry.register_collector(Box::new(AuthMetrics(counters)));
}

impl Collector for AuthMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.0.read();
        let families: [(_, _, &[_]); 3] = [
            (
                "auth_tokens",
                "Tokens of clients, by outcome: verified, cached or refused",
                &[
                    ("verified", now.tokens_verified),
                    ("cached", now.tokens_cached),
                    ("refused", now.tokens_refused),
                ],
            ),
            (
                "auth_webhook",
                "Clients of whom the webhook had to say who they are, by outcome",
                &[
                    ("allowed", now.webhook_allowed),
                    ("refused", now.webhook_refused),
                    ("failed", now.webhook_failed),
                    ("cached", now.webhook_cached),
                    ("shared", now.webhook_shared),
                ],
            ),
            (
                "auth_key_sets",
                "Requests for key sets, by outcome: ok or failed",
                &[("ok", now.key_sets_fetched), ("failed", now.key_sets_failed)],
            ),
        ];
        for (name, help, rows) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (outcome, value) in rows {
                let labels = [("outcome", *outcome)];
                ConstCounter::new(*value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
