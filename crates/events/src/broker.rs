//! The brokers. Each carries topics: a future per topic, which tells a [`Line`] what happens, and whose
//! end or drop unsubscribes.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::task::JoinHandle;

use crate::{
    config::{BrokerConfig, EventsConfig},
    error::StartError,
    line::Line,
    stats::Counters,
};

mod kafka;
mod nats;
mod redis;
mod tls;

/// A broker, and the task that holds the connection to it.
pub(crate) struct Broker {
    kind: Kind,
    _task: Option<Task>,
}

enum Kind {
    Nats(Arc<nats::Nats>),
    Redis(Arc<redis::Redis>),
    Kafka(Arc<kafka::Kafka>),
}

impl Broker {
    pub async fn start(
        config: &EventsConfig,
        counters: &Arc<Counters>,
    ) -> Result<Self, StartError> {
        let counters = Arc::clone(counters);
        Ok(match &config.broker {
            BrokerConfig::Nats(settings) => {
                let nats = nats::Nats::new(settings, config, counters).await?;
                let task = Task::spawn(Arc::clone(&nats).run());
                Self { kind: Kind::Nats(nats), _task: Some(task) }
            }
            BrokerConfig::Redis(settings) => {
                let redis = redis::Redis::new(settings, config, counters).await?;
                let task = Task::spawn(Arc::clone(&redis).run());
                Self { kind: Kind::Redis(redis), _task: Some(task) }
            }
            // It connects for each partition.
            BrokerConfig::Kafka(settings) => {
                let kafka = kafka::Kafka::new(settings, config, counters).await?;
                Self { kind: Kind::Kafka(kafka), _task: None }
            }
        })
    }

    /// What carries a topic until it is dropped.
    pub fn carry(&self, line: Arc<Line>) -> BoxFuture<'static, ()> {
        match &self.kind {
            Kind::Nats(nats) => Arc::clone(nats).carry(line).boxed(),
            Kind::Redis(redis) => Arc::clone(redis).carry(line).boxed(),
            Kind::Kafka(kafka) => Arc::clone(kafka).carry(line).boxed(),
        }
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Task {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
