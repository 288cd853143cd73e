//! What holds for every broker.

use std::{task::Poll, time::Duration};

use artesian_events::{
    Context, EventsConfig, EventsError, Hub, Message, Root, Subscription, Topic, TopicTemplate,
};
use futures_util::{StreamExt as _, future::join_all};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::servers::PATIENCE;

/// A broker that the suite can use.
#[allow(async_fn_in_trait)]
pub trait TestBroker {
    /// Whether subscribers are told of a gap after a restart.
    const HAS_GAPS: bool = true;

    async fn start() -> Self;
    /// `nats: { … }` and the like.
    fn settings(&self) -> Value;
    /// Makes a topic.
    async fn create(&self, _topic: &str) {}
    async fn publish(&self, topic: &str, payload: &str);
    /// How many subscriptions to the topic the broker knows.
    async fn count(&self, topic: &str) -> usize;
    async fn stop(&mut self);
    async fn start_again(&mut self);
}

pub async fn hub(broker: &impl TestBroker, more: Value) -> Hub {
    let mut settings = broker.settings();
    settings["schema"] = json!("");
    settings["retry"] = json!({ "first": 10, "longest": 100 });
    // The machine may be busy.
    settings["timeouts"] = json!({ "connect": "20s", "subscribe": "60s" });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    Hub::start(&EventsConfig::from_json(&settings).unwrap()).await.unwrap()
}

pub fn topic(hub: &Hub, name: &str) -> Topic {
    Topic::new(hub.kind(), name).unwrap()
}

/// Tries a template of a topic with `args.region`: none of the bad ones gets through. Gives the topic of
/// `eu`.
pub fn only_plain_regions(template: &TopicTemplate, bad: &[&str]) -> Topic {
    let expand = |region: &str| {
        let args = json!({ "region": region });
        template.expand(&Context::new().with(Root::Args, &args))
    };
    for region in bad {
        assert!(expand(region).is_err(), "{region:?}");
    }
    expand("eu").unwrap()
}

/// The next message, as a text.
pub async fn next(subscription: &mut Subscription) -> String {
    match timeout(PATIENCE, subscription.next()).await.expect("a message") {
        Some(Message::Event(event)) => String::from_utf8(event.bytes().to_vec()).unwrap(),
        Some(Message::Gap) => "(gap)".to_owned(),
        Some(Message::Failed(error)) => format!("({})", error.code()),
        None => "(end)".to_owned(),
    }
}

/// Waits until something is so.
pub async fn until<T: PartialEq + std::fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    let begun = Instant::now();
    loop {
        let found = look().await;
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "found {found:?} and not {expected:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub async fn one_subscription_for_a_thousand<B: TestBroker>() {
    let broker = B::start().await;
    broker.create("all").await;
    let hub = hub(&broker, json!({})).await;
    let all = topic(&hub, "all");
    let subscribed = join_all((0..1000).map(|_| hub.subscribe(&all))).await;
    let mut subscriptions: Vec<Subscription> = subscribed.into_iter().map(Result::unwrap).collect();
    until(1, async || broker.count("all").await).await;
    assert_eq!((hub.stats().topics, hub.stats().subscribers), (1, 1000));
    for payload in ["1", "2", "3"] {
        broker.publish("all", payload).await;
    }
    for subscription in &mut subscriptions {
        for payload in ["1", "2", "3"] {
            assert_eq!(next(subscription).await, payload);
        }
    }
    assert_eq!((hub.stats().events, hub.stats().event_bytes), (3, 3));
    assert_eq!(hub.stats().buffered_bytes, 0);
    subscriptions.truncate(1);
    assert_eq!(hub.stats().subscribers, 1);
    broker.publish("all", "4").await;
    assert_eq!(next(&mut subscriptions[0]).await, "4");
    assert_eq!(broker.count("all").await, 1);
    drop(subscriptions);
    assert_eq!((hub.stats().topics, hub.stats().subscribers), (0, 0));
    until(0, async || broker.count("all").await).await;
}

/// The last one leaves by dropping the future, by the end of its task, by falling behind, and with the hub.
pub async fn the_last_leaver_unsubscribes<B: TestBroker>() {
    let broker = B::start().await;
    broker.create("t").await;
    let hub = hub(&broker, json!({ "limits": { "buffer_bytes": 1000 } })).await;
    let t = topic(&hub, "t");
    {
        let mut subscribing = std::pin::pin!(hub.subscribe(&t));
        assert!(futures_util::poll!(&mut subscribing).is_pending());
        assert_eq!(hub.stats().topics, 1);
    }
    assert_eq!(hub.stats().topics, 0);
    until(0, async || broker.count("t").await).await;

    let subscription = hub.subscribe(&t).await.unwrap();
    until(1, async || broker.count("t").await).await;
    let task = tokio::spawn(async move { subscription.collect::<Vec<_>>().await });
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    until(0, async || broker.count("t").await).await;

    // It is there again for somebody else.
    let mut subscription = hub.subscribe(&t).await.unwrap();
    broker.publish("t", "1").await;
    assert_eq!(next(&mut subscription).await, "1");
    // Not read at all.
    for _ in 0..3 {
        broker.publish("t", &"x".repeat(600)).await;
    }
    until(0, async || broker.count("t").await).await;
    assert_eq!(next(&mut subscription).await, "(too-slow)");
    assert_eq!(next(&mut subscription).await, "(end)");

    let mut subscription = hub.subscribe(&t).await.unwrap();
    drop(hub);
    assert_eq!(next(&mut subscription).await, "(shut-down)");
    until(0, async || broker.count("t").await).await;
}

/// Also if events come while the connection comes back.
pub async fn the_gap_comes_first<B: TestBroker>() {
    if !B::HAS_GAPS {
        return;
    }
    let mut broker = B::start().await;
    broker.create("t").await;
    let hub = hub(&broker, json!({})).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    for round in 0..20 {
        broker.stop().await;
        broker.start_again().await;
        // Not cut off in the middle, or its event could come in the next round.
        let is_over = std::cell::Cell::new(false);
        let publishing = async {
            while !is_over.get() {
                broker.publish("t", "at any time").await;
            }
        };
        let reading = async {
            let first = next(&mut subscription).await;
            is_over.set(true);
            first
        };
        let ((), first) = tokio::join!(publishing, reading);
        assert_eq!(first, "(gap)");
        broker.publish("t", &format!("after {round}")).await;
        loop {
            let event = next(&mut subscription).await;
            if event == format!("after {round}") {
                break;
            }
            assert_eq!(event, "at any time");
        }
    }
}

pub async fn a_restart_in_the_middle<B: TestBroker>() {
    let mut broker = B::start().await;
    let hub = hub(&broker, json!({})).await;
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let mut subscriptions = Vec::new();
    for name in &names {
        broker.create(name).await;
        for _ in 0..5 {
            subscriptions.push((name, hub.subscribe(&topic(&hub, name)).await.unwrap()));
        }
    }
    for name in &names {
        broker.publish(name, &format!("{name} before")).await;
    }
    for (name, subscription) in &mut subscriptions {
        assert_eq!(next(subscription).await, format!("{name} before"));
    }
    for round in 0..2 {
        broker.stop().await;
        broker.start_again().await;
        if B::HAS_GAPS {
            for (_, subscription) in &mut subscriptions {
                assert_eq!(next(subscription).await, "(gap)");
            }
        }
        // Somebody new joins what has been brought back.
        let mut late = hub.subscribe(&topic(&hub, "t0")).await.unwrap();
        for name in &names {
            until(1, async || broker.count(name).await).await;
            broker.publish(name, &format!("{name} after {round}")).await;
        }
        for (name, subscription) in &mut subscriptions {
            assert_eq!(next(subscription).await, format!("{name} after {round}"));
        }
        assert_eq!(next(&mut late).await, format!("t0 after {round}"));
        drop(late);
    }
    let stats = hub.stats();
    // The library for Kafka does not tell of connections that it brings back by itself.
    assert!(!B::HAS_GAPS || stats.disconnected >= 2 && stats.connected >= 3, "{stats:?}");
    assert_eq!((stats.topics, stats.subscribers), (20, 100));
    assert_eq!(stats.gaps, if B::HAS_GAPS { 40 } else { 0 });
}

pub async fn the_slow_one_loses_and_nobody_waits<B: TestBroker>() {
    let broker = B::start().await;
    broker.create("t").await;
    let hub = hub(&broker, json!({ "limits": { "buffer_bytes": 10_000 } })).await;
    let mut slow = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    let mut quick = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    let payload = "x".repeat(1000);
    for _ in 0..20 {
        broker.publish("t", &payload).await;
        assert_eq!(next(&mut quick).await, payload);
        assert!(hub.stats().buffered_bytes <= 10_000);
    }
    assert_eq!(next(&mut slow).await, "(too-slow)");
    assert_eq!(next(&mut slow).await, "(end)");
    assert_eq!((hub.stats().too_slow, hub.stats().subscribers), (1, 1));
    broker.publish("t", "last").await;
    assert_eq!(next(&mut quick).await, "last");
}

pub async fn topics_never_mix<B: TestBroker>() {
    let broker = B::start().await;
    let hub = hub(&broker, json!({})).await;
    let names: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    let mut subscriptions = Vec::new();
    for name in &names {
        broker.create(name).await;
        for _ in 0..3 {
            subscriptions.push((name, hub.subscribe(&topic(&hub, name)).await.unwrap()));
        }
    }
    for round in 0..20 {
        for name in &names {
            broker.publish(name, &format!("{name} {round}")).await;
        }
    }
    for (name, subscription) in &mut subscriptions {
        for round in 0..20 {
            assert_eq!(next(subscription).await, format!("{name} {round}"));
        }
        assert!(futures_util::poll!(subscription.next()).is_pending());
    }
    // Several as one.
    let pair = [topic(&hub, "t0"), topic(&hub, "t1"), topic(&hub, "t0")];
    let mut both = hub.subscribe_all(&pair).await.unwrap();
    assert_eq!(hub.stats().topics, 10);
    for name in ["t1", "t2", "t0"] {
        broker.publish(name, name).await;
    }
    let mut found = [next(&mut both).await, next(&mut both).await];
    found.sort();
    assert_eq!(found, ["t0", "t1"]);
}

/// What is published after `subscribe` is ready always comes.
pub async fn nothing_is_lost_after_the_confirmation<B: TestBroker>() {
    let broker = B::start().await;
    let hub = hub(&broker, json!({})).await;
    let names: Vec<String> = (0..30).map(|n| format!("t{n}")).collect();
    for name in &names {
        broker.create(name).await;
    }
    for name in names {
        let mut subscription = hub.subscribe(&topic(&hub, &name)).await.unwrap();
        broker.publish(&name, "first").await;
        assert_eq!(next(&mut subscription).await, "first");
    }
}

pub async fn a_broker_that_is_down_is_waited_for<B: TestBroker>() {
    let mut broker = B::start().await;
    broker.create("t").await;
    broker.stop().await;
    let short = hub(&broker, json!({ "timeouts": { "subscribe": 200 } })).await;
    let refused = short.subscribe(&topic(&short, "t")).await.err();
    assert_eq!(refused, Some(EventsError::Unavailable(short.kind())));
    assert_eq!((short.stats().topics, short.stats().refused), (0, 1));
    let hub = hub(&broker, json!({})).await;
    let t = topic(&hub, "t");
    let mut subscribing = std::pin::pin!(hub.subscribe(&t));
    assert!(futures_util::poll!(&mut subscribing).is_pending());
    broker.start_again().await;
    let mut subscription = subscribing.await.unwrap();
    broker.publish("t", "1").await;
    // Nothing was promised before, so there is no gap.
    assert_eq!(next(&mut subscription).await, "1");
}

pub async fn limits_are_kept<B: TestBroker>() {
    let broker = B::start().await;
    for name in ["a", "b", "c"] {
        broker.create(name).await;
    }
    let limits = json!({ "limits": { "topics": 2, "topic_length": 5, "message_bytes": 100 } });
    let hub = hub(&broker, limits).await;
    let mut a = hub.subscribe(&topic(&hub, "a")).await.unwrap();
    let b = hub.subscribe(&topic(&hub, "b")).await.unwrap();
    let refused = hub.subscribe(&topic(&hub, "c")).await.err().unwrap();
    assert_eq!((refused.code(), &refused), ("limit-exceeded", &EventsError::TooManyTopics(2)));
    // One that is there may be joined, and a place that was given up is free.
    hub.subscribe(&topic(&hub, "a")).await.unwrap();
    drop(b);
    let _c = hub.subscribe(&topic(&hub, "c")).await.unwrap();
    let refused = hub.subscribe(&topic(&hub, "abcdef")).await.err();
    assert_eq!(refused, Some(EventsError::TopicTooLong(5)));
    broker.publish("a", &"x".repeat(101)).await;
    broker.publish("a", "small").await;
    assert_eq!(next(&mut a).await, "(gap)");
    assert_eq!(next(&mut a).await, "small");
    assert_eq!((hub.stats().oversized, hub.stats().events), (1, 1));
}

/// Clients come and go at random, some before they have been confirmed; whenever all is quiet the broker
/// knows one subscription of each topic that somebody reads.
pub async fn the_broker_knows_what_is_read<B: TestBroker>() {
    const TOPICS: usize = 4;
    let broker = B::start().await;
    let hub = hub(&broker, json!({})).await;
    let names: Vec<String> = (0..TOPICS).map(|n| format!("t{n}")).collect();
    for name in &names {
        broker.create(name).await;
    }
    // A linear congruential generator, so that a failure comes again (Numerical Recipes, 7.1).
    let mut state = 7_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let mut clients: Vec<(usize, Subscription)> = Vec::new();
    for round in 0..20 {
        for _ in 0..20 {
            let at = random(TOPICS);
            match random(5) {
                0 | 1 => clients.push((at, hub.subscribe(&topic(&hub, &names[at])).await.unwrap())),
                2 => {
                    let topic = topic(&hub, &names[at]);
                    let mut subscribing = std::pin::pin!(hub.subscribe(&topic));
                    if let Poll::Ready(subscribed) = futures_util::poll!(&mut subscribing) {
                        clients.push((at, subscribed.unwrap()));
                    }
                }
                _ if clients.is_empty() => {}
                _ => drop(clients.swap_remove(random(clients.len()))),
            }
        }
        if round % 5 == 4 {
            clients.retain(|(at, _)| *at == 0);
        }
        for (at, name) in names.iter().enumerate() {
            let living = clients.iter().filter(|(of, _)| *of == at).count();
            until(living.min(1), async || broker.count(name).await).await;
            broker.publish(name, &format!("{name} {round}")).await;
        }
        assert_eq!(hub.stats().subscribers, clients.len());
        for (at, subscription) in &mut clients {
            assert_eq!(next(subscription).await, format!("{} {round}", names[*at]));
        }
    }
    assert_eq!(hub.stats().gaps, 0);
}

/// Makes a test of each for one broker.
macro_rules! suite {
    ($broker:ty: $($name:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            crate::suite::$name::<$broker>().await;
        })*
    };
    ($broker:ty) => {
        crate::suite::suite!($broker:
            one_subscription_for_a_thousand,
            the_last_leaver_unsubscribes,
            a_restart_in_the_middle,
            the_gap_comes_first,
            the_slow_one_loses_and_nobody_waits,
            topics_never_mix,
            nothing_is_lost_after_the_confirmation,
            a_broker_that_is_down_is_waited_for,
            limits_are_kept,
            the_broker_knows_what_is_read,
        );
    };
}
pub(crate) use suite;
