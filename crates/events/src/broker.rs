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

/// A broker and the tasks that hold the connection to it.
pub(crate) enum Broker {
    Nats(Arc<nats::Nats>, Task),
    Redis(Arc<redis::Redis>, Task),
    Kafka(Arc<kafka::Kafka>),
}

impl Broker {
    pub async fn start(config: &EventsConfig, counters: &Arc<Counters>) -> Result<Self, StartError> {
        Ok(match &config.broker {
            BrokerConfig::Nats(settings) => {
                let nats = nats::Nats::new(settings, config, Arc::clone(counters)).await?;
                let task = Task::spawn(Arc::clone(&nats).run());
                Self::Nats(nats, task)
            }
            BrokerConfig::Redis(settings) => {
                let redis = redis::Redis::new(settings, config, Arc::clone(counters)).await?;
                let task = Task::spawn(Arc::clone(&redis).run());
                Self::Redis(redis, task)
            }
            BrokerConfig::Kafka(settings) => {
                Self::Kafka(kafka::Kafka::new(settings, config, Arc::clone(counters)).await?)
            }
        })
    }

    pub fn carry(&self, line: Arc<Line>) -> BoxFuture<'static, ()> {
        match self {
            Self::Nats(nats, _) => Arc::clone(nats).carry(line).boxed(),
            Self::Redis(redis, _) => Arc::clone(redis).carry(line).boxed(),
            Self::Kafka(kafka) => Arc::clone(kafka).carry(line).boxed(),
        }
    }
}

/// A task that ends with its owner.
pub(crate) struct Task(JoinHandle<()>);

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
