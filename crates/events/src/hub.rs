//! A broker's topics, each subscribed to once and fanned out to all subscribers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::time::timeout;

use crate::{
    broker::Broker,
    config::{EventsConfig, Limits, Timeouts},
    error::{EventsError, StartError},
    event::Message,
    fan::Receiver,
    line::Line,
    stats::{Counter, Counters, Stats},
    topic::{BrokerKind, Topic},
};

mod registry;

use registry::{Lease, Registry};

/// One broker. Dropping it ends all subscriptions and the connection.
pub struct Hub {
    registry: Arc<Registry>,
    broker: Broker,
    kind: BrokerKind,
    limits: Limits,
    timeouts: Timeouts,
    counters: Arc<Counters>,
}

impl Hub {
    /// Starts to connect. A broker that is down is tried again and again; nobody waits for it here.
    /// Needs a runtime of tokio.
    ///
    /// # Errors
    /// A setting is wrong, or a file that it names cannot be used.
    pub async fn start(config: &EventsConfig) -> Result<Self, StartError> {
        let counters = Arc::new(Counters::default());
        Ok(Self {
            registry: Registry::new(config.limits.clone(), Arc::clone(&counters)),
            broker: Broker::start(config, &counters).await?,
            kind: config.broker.kind(),
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            counters,
        })
    }

    /// Which broker it is.
    pub fn kind(&self) -> BrokerKind {
        self.kind
    }

    /// Subscribes to a topic. The broker has confirmed when this is ready: what is published from then on
    /// comes. Whoever drops the future or the subscription leaves.
    ///
    /// # Errors
    /// A limit, or the broker cannot be reached or does not confirm within `timeouts.subscribe`, refuses
    /// the topic, or does not have it.
    pub async fn subscribe(&self, topic: &Topic) -> Result<Subscription, EventsError> {
        self.subscribe_all(std::slice::from_ref(topic)).await
    }

    /// Subscribes to several topics as one. Events of one topic keep their order, those of several come
    /// as they come. A topic that is there twice counts once.
    ///
    /// # Errors
    /// As [`Hub::subscribe`], for any of the topics.
    pub async fn subscribe_all(&self, topics: &[Topic]) -> Result<Subscription, EventsError> {
        let subscribed = self.try_subscribe(topics).await;
        if subscribed.is_err() {
            self.counters.add(Counter::Refused);
        }
        subscribed
    }

    async fn try_subscribe(&self, topics: &[Topic]) -> Result<Subscription, EventsError> {
        let mut subscription = Subscription { parts: Vec::new(), next: 0 };
        let mut lines: Vec<Arc<Line>> = Vec::new();
        for topic in topics {
            if topic.name().len() > self.limits.topic_length {
                return Err(EventsError::TopicTooLong(self.limits.topic_length));
            }
            if lines.iter().any(|line| line.topic() == topic) {
                continue;
            }
            let (line, receiver, lease) =
                self.registry.join(topic, |line| self.broker.carry(line))?;
            subscription.parts.push(Part { receiver: Some(receiver), lease });
            lines.push(line);
        }
        let ready = async {
            for line in &lines {
                line.ready().await?;
            }
            Ok(())
        };
        let in_time = timeout(self.timeouts.subscribe, ready).await;
        in_time.unwrap_or(Err(EventsError::Unavailable(self.kind)))?;
        Ok(subscription)
    }

    /// The figures for metrics.
    pub fn stats(&self) -> Stats {
        self.registry.load(self.counters.read())
    }

    /// Ends all subscriptions with [`EventsError::Closed`], and those that come.
    pub fn close(&self) {
        self.registry.close();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

/// A subscriber's end: a stream of messages, which ends after [`Message::Failed`].
pub struct Subscription {
    parts: Vec<Part>,
    /// Which topic is asked first, so that none has precedence.
    next: usize,
}

struct Part {
    receiver: Option<Receiver>,
    lease: Lease,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.lease.leave(self.receiver.take());
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        let count = this.parts.len();
        if count == 0 {
            return Poll::Ready(None);
        }
        for step in 0..count {
            let at = (this.next + step) % count;
            let receiver = this.parts.get_mut(at).and_then(|part| part.receiver.as_mut());
            let Some(Poll::Ready(message)) = receiver.map(|receiver| receiver.poll_next(cx)) else {
                continue;
            };
            this.next = (at + 1) % count;
            if matches!(message, Some(Message::Failed(_)) | None) {
                this.parts.clear();
            }
            return Poll::Ready(message);
        }
        Poll::Pending
    }
}
