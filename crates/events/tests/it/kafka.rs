//! Kafka, against a scripted broker.

use artesian_events::{BrokerKind, EventsError};
use serde_json::{Value, json};

use crate::suite::{TestBroker, hub, next, suite, topic, until};

mod broker;

use broker::Broker;

suite!(Broker);

impl TestBroker for Broker {
    // The place in a partition is kept.
    const HAS_GAPS: bool = false;

    async fn start() -> Self {
        Broker::start().await
    }

    fn settings(&self) -> Value {
        json!({ "kafka": { "brokers": [format!("127.0.0.1:{}", self.port)], "refresh": "100ms" } })
    }

    async fn create(&self, topic: &str) {
        self.store.create(topic, 2);
    }

    async fn publish(&self, topic: &str, payload: &str) {
        self.store.append(topic, 0, Some(payload));
    }

    async fn count(&self, topic: &str) -> usize {
        assert_eq!(self.store.created_by_accident.lock().len(), 0);
        self.store.readers(topic, 0)
    }

    async fn stop(&mut self) {
        Broker::stop(self).await;
    }

    async fn start_again(&mut self) {
        Broker::start_again(self).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_partitions_are_read_and_new_ones_are_noticed() {
    let broker = Broker::start().await;
    broker.store.create("t", 3);
    for partition in 0..3 {
        broker.store.append("t", partition, Some("before"));
    }
    let hub = hub(&broker, json!({})).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    for partition in 0..3 {
        let payload = format!("of {partition}");
        broker.store.append("t", partition, Some(&payload));
        assert_eq!(next(&mut subscription).await, payload);
    }
    broker.store.create("t", 5);
    // What is there before anybody notices is not lost.
    broker.store.append("t", 4, Some("new 1"));
    broker.store.append("t", 4, Some("new 2"));
    assert_eq!(next(&mut subscription).await, "new 1");
    assert_eq!(next(&mut subscription).await, "new 2");
    until(1, async || broker.store.readers("t", 3)).await;
    drop(subscription);
    for partition in 0..5 {
        until(0, async || broker.store.readers("t", partition)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_while_the_connection_was_lost_comes() {
    let mut broker = <Broker as TestBroker>::start().await;
    broker.store.create("t", 1);
    let hub = hub(&broker, json!({})).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    broker.stop().await;
    broker.store.append("t", 0, Some("1"));
    // Without a value.
    broker.store.append("t", 0, None);
    broker.store.append("t", 0, Some("2"));
    broker.start_again().await;
    assert_eq!(next(&mut subscription).await, "1");
    assert_eq!(next(&mut subscription).await, "2");
    // What the broker has deleted meanwhile is a gap.
    broker.stop().await;
    broker.store.append("t", 0, Some("deleted"));
    broker.store.delete_records("t", 0);
    broker.store.append("t", 0, Some("3"));
    broker.start_again().await;
    assert_eq!(next(&mut subscription).await, "(gap)");
    assert_eq!(next(&mut subscription).await, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_not_there_are_refused_and_not_made() {
    let broker = Broker::start().await;
    broker.store.create("gone", 1);
    let hub = hub(&broker, json!({})).await;
    let refused = hub.subscribe(&topic(&hub, "nowhere")).await.err();
    assert_eq!(refused, Some(EventsError::UnknownTopic(BrokerKind::Kafka)));
    let mut subscription = hub.subscribe(&topic(&hub, "gone")).await.unwrap();
    assert_eq!(*broker.store.created_by_accident.lock(), Vec::<String>::new());
    broker.store.delete_topic("gone");
    assert_eq!(next(&mut subscription).await, "(topic-unknown)");
    until(0, async || hub.stats().topics).await;
}
