//! NATS core, with Debian's nats-server.

use artesian_events::{BrokerKind, EventsError, TopicTemplate};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    servers::{Directory, Server, certificate, free_port, get},
    suite::{TestBroker, hub, next, only_plain_regions, suite, topic, until},
};

suite!(Nats);

struct Nats {
    server: Server,
    monitor: u16,
    user: Option<&'static str>,
    tls: Option<String>,
    publisher: Mutex<Option<async_nats::Client>>,
    directory: Directory,
}

impl Nats {
    /// With these lines of the configuration.
    async fn with(config: &str) -> Self {
        let (port, monitor, directory) = (free_port(), free_port(), Directory::new());
        let text = format!("listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n{config}\n");
        let path = directory.write("nats.conf", &text);
        let mut server = Server::new("nats-server", port, vec!["--config".to_owned(), path]);
        server.start().await;
        Self { server, monitor, user: None, tls: None, publisher: Mutex::default(), directory }
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.server.port)
    }
}

impl TestBroker for Nats {
    async fn start() -> Self {
        Self::with("").await
    }

    fn settings(&self) -> Value {
        let mut settings = json!({ "nats": { "url": self.url() } });
        if let Some(user) = self.user {
            settings["nats"]["user"] = json!(user);
            settings["nats"]["password"] = json!("secret");
        }
        if let Some(ca) = &self.tls {
            settings["tls"] = json!({ "ca": ca });
        }
        settings
    }

    async fn publish(&self, topic: &str, payload: &str) {
        // One connection for all: what is sent right after a confirmation is not given time to arrive.
        let mut publisher = self.publisher.lock().await;
        if publisher.is_none() {
            let options = async_nats::ConnectOptions::new();
            let options = match &self.tls {
                Some(ca) => options.add_root_certificates(ca.into()),
                None => options,
            };
            let options = match self.user {
                Some(_) => options.user_and_password("publisher".to_owned(), "secret".to_owned()),
                None => options,
            };
            *publisher = Some(options.connect(self.url()).await.unwrap());
        }
        let client = publisher.as_ref().unwrap();
        client.publish(topic.to_owned(), payload.to_owned().into()).await.unwrap();
        client.flush().await.unwrap();
    }

    async fn count(&self, topic: &str) -> usize {
        let connections = get(self.monitor, "/connz?subs=1").await;
        let subscriptions = connections["connections"].as_array().unwrap().iter();
        subscriptions
            .filter_map(|connection| connection["subscriptions_list"].as_array())
            .flatten()
            .filter(|subject| *subject == topic)
            .count()
    }

    async fn stop(&mut self) {
        *self.publisher.lock().await = None;
        self.server.stop().await;
    }

    async fn start_again(&mut self) {
        self.server.start().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wildcards_are_the_authors_and_never_the_clients() {
    let broker = Nats::start().await;
    let hub = hub(&broker, json!({})).await;
    let mut all = hub.subscribe(&topic(&hub, "orders.*")).await.unwrap();
    let template = TopicTemplate::parse(hub.kind(), "orders.{{args.region}}", 255).unwrap();
    let bad = ["*", ">", "eu.>", "eu west", "eu\r\nSUB > 9\r\n", ""];
    let eu = only_plain_regions(&template, &bad);
    let mut one = hub.subscribe(&eu).await.unwrap();
    for (subject, payload) in
        [("orders.us", "1"), ("orders.eu", "2"), ("orders.eu.x", "3"), ("orders.us", "4")]
    {
        broker.publish(subject, payload).await;
    }
    for payload in ["1", "2", "4"] {
        assert_eq!(next(&mut all).await, payload);
    }
    assert_eq!(next(&mut one).await, "2");
    assert!(futures_util::poll!(futures_util::StreamExt::next(&mut one)).is_pending());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_listens_to_everything_is_no_hindrance() {
    let broker = Nats::start().await;
    let client = async_nats::connect(broker.url()).await.unwrap();
    let _everything = client.subscribe(">").await.unwrap();
    until(1, async || broker.count(">").await).await;
    let hub = hub(&broker, json!({})).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    broker.publish("t", "1").await;
    assert_eq!(next(&mut subscription).await, "1");
    // And nobody hears of what is sent to oneself.
    let mut everything = hub.subscribe(&topic(&hub, ">")).await.unwrap();
    let _other = hub.subscribe(&topic(&hub, "u")).await.unwrap();
    broker.publish("t", "2").await;
    assert_eq!(next(&mut everything).await, "2");
}

/// Whether the refusal comes before the confirmation or after it, it comes.
async fn assert_refused(hub: &artesian_events::Hub, name: &str) {
    match hub.subscribe(&topic(hub, name)).await {
        Ok(mut subscription) => assert_eq!(next(&mut subscription).await, "(topic-refused)"),
        Err(error) => assert_eq!(error, EventsError::Refused(BrokerKind::Nats)),
    }
    until(0, async || hub.stats().topics).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_account_may_not_read_is_refused() {
    let accounts = r#"authorization { users: [
        { user: publisher, password: secret }
        { user: reader, password: secret, permissions: { subscribe: ["open.>", "_INBOX.>"] } }
        { user: narrow, password: secret, permissions: { subscribe: ["open.>", "_INBOX.>"], publish: ["nothing"] } }
        { user: mute, password: secret, permissions: { subscribe: ["open.>"] } }
    ] }"#;
    let mut broker = Nats::with(accounts).await;
    for user in ["reader", "narrow", "mute"] {
        broker.user = Some(user);
        let hub = hub(&broker, json!({})).await;
        assert_refused(&hub, "closed.a").await;
        let mut open = hub.subscribe(&topic(&hub, "open.a")).await.unwrap();
        if user == "mute" {
            // Without a confirmation the server's own view is the only one.
            until(1, async || broker.count("open.a").await).await;
        }
        broker.publish("open.a", user).await;
        assert_eq!(next(&mut open).await, user);
    }
    broker.user = Some("nobody");
    let hub = hub(&broker, json!({ "timeouts": { "subscribe": 200 } })).await;
    let refused = hub.subscribe(&topic(&hub, "open.a")).await.err();
    assert_eq!(refused, Some(EventsError::Unavailable(BrokerKind::Nats)));
    until(true, async || hub.stats().connect_failed > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_an_authority_of_ones_own() {
    let directory = Directory::new();
    let [cert, key] = certificate(&directory);
    let mut broker = Nats::with(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}")).await;
    let distrustful = hub(&broker, json!({ "tls": {}, "timeouts": { "subscribe": 300 } })).await;
    let refused = distrustful.subscribe(&topic(&distrustful, "t")).await.err();
    assert_eq!(refused, Some(EventsError::Unavailable(BrokerKind::Nats)));
    broker.tls = Some(cert);
    let hub = hub(&broker, json!({})).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    broker.publish("t", "1").await;
    assert_eq!(next(&mut subscription).await, "1");
    assert!(broker.directory.0.exists());
}
