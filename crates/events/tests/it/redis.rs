//! Redis pub/sub, with Debian's redis-server.

use artesian_events::{BrokerKind, EventsError, TopicTemplate};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::{
    servers::{Directory, Server, certificate, free_port},
    suite::{TestBroker, hub, next, only_plain_regions, suite, topic, until},
};

suite!(Redis);

struct Redis {
    server: Server,
    user: Option<&'static str>,
    _directory: Directory,
}

impl Redis {
    /// With these arguments.
    async fn with(more: &[(&str, &str)]) -> Self {
        let (port, directory) = (free_port(), Directory::new());
        let path = directory.0.to_str().unwrap().to_owned();
        let port_text = port.to_string();
        let arguments = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--dir",
            &path,
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let more = more.iter().flat_map(|(name, value)| [*name, *value]);
        let arguments = arguments.into_iter().chain(more).map(str::to_owned).collect();
        let mut server = Server::new("redis-server", port, arguments);
        server.start().await;
        Self { server, user: None, _directory: directory }
    }

    async fn admin(&self) -> redis::aio::MultiplexedConnection {
        let url = format!("redis://127.0.0.1:{}", self.server.port);
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(crate::servers::PATIENCE))
            .set_response_timeout(Some(crate::servers::PATIENCE));
        let client = redis::Client::open(url).unwrap();
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }
}

impl TestBroker for Redis {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    fn settings(&self) -> Value {
        let mut settings =
            json!({ "redis": { "url": format!("redis://127.0.0.1:{}", self.server.port) } });
        if let Some(user) = self.user {
            settings["redis"]["username"] = json!(user);
            settings["redis"]["password"] = json!("secret");
        }
        settings
    }

    async fn publish(&self, topic: &str, payload: &str) {
        self.admin().await.publish::<_, _, ()>(topic, payload).await.unwrap();
    }

    async fn count(&self, topic: &str) -> usize {
        let mut admin = self.admin().await;
        let (_, count): (String, usize) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg(topic).query_async(&mut admin).await.unwrap();
        count
    }

    async fn stop(&mut self) {
        self.server.stop().await;
    }

    async fn start_again(&mut self) {
        self.server.start().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_are_the_authors_and_never_the_clients() {
    let broker = Redis::start().await;
    let hub = hub(&broker, json!({})).await;
    let mut all = hub.subscribe(&topic(&hub, "orders:*")).await.unwrap();
    let template = TopicTemplate::parse(hub.kind(), "orders:{{args.region}}", 255).unwrap();
    let bad = ["*", "e?", "[a-z]", "\\*", "eu:west", "eu west", ""];
    let eu = only_plain_regions(&template, &bad);
    let mut one = hub.subscribe(&eu).await.unwrap();
    // Both kinds of subscription get it, each once. A channel may have the name of a pattern.
    for (channel, payload) in
        [("orders:us", "1"), ("orders:eu", "2"), ("orders:*", "3"), ("order", "4")]
    {
        broker.publish(channel, payload).await;
    }
    for payload in ["1", "2", "3"] {
        assert_eq!(next(&mut all).await, payload);
    }
    assert_eq!(next(&mut one).await, "2");
    let mut admin = broker.admin().await;
    let mut patterns = async || -> usize {
        redis::cmd("PUBSUB").arg("NUMPAT").query_async(&mut admin).await.unwrap()
    };
    assert_eq!(patterns().await, 1);
    drop(all);
    until(0, patterns).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_may_not_read_is_refused() {
    let mut broker = Redis::start().await;
    let mut admin = broker.admin().await;
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("reader").arg(&[
        "on",
        ">secret",
        "resetchannels",
        "&open*",
        "+@all",
    ]);
    command.query_async::<()>(&mut admin).await.unwrap();
    broker.user = Some("reader");
    let hub = hub(&broker, json!({})).await;
    let names = ["open1", "closed1", "open2", "closed2", "open3"];
    let topics = names.map(|name| topic(&hub, name));
    let subscribed =
        futures_util::future::join_all(topics.iter().map(|topic| hub.subscribe(topic))).await;
    for (name, subscribed) in names.iter().zip(subscribed) {
        if name.starts_with("open") {
            let mut subscription = subscribed.unwrap();
            broker.publish(name, name).await;
            assert_eq!(next(&mut subscription).await, *name);
        } else {
            assert_eq!(subscribed.err(), Some(EventsError::Refused(BrokerKind::Redis)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_an_authority_of_ones_own() {
    let directory = Directory::new();
    let [cert, key] = certificate(&directory);
    let port = free_port();
    let port_text = port.to_string();
    let broker = Redis::with(&[
        ("--tls-cert-file", &cert),
        ("--tls-key-file", &key),
        ("--tls-ca-cert-file", &cert),
        ("--tls-port", &port_text),
    ])
    .await;
    let url = format!("rediss://127.0.0.1:{port}");
    let distrustful =
        hub(&broker, json!({ "redis": { "url": url }, "timeouts": { "subscribe": 300 } })).await;
    let refused = distrustful.subscribe(&topic(&distrustful, "t")).await.err();
    assert_eq!(refused, Some(EventsError::Unavailable(BrokerKind::Redis)));
    // The certificate of the client, too: Redis asks for one.
    let tls = json!({ "ca": cert, "cert": cert, "key": key });
    let hub = hub(&broker, json!({ "redis": { "url": url }, "tls": tls })).await;
    let mut subscription = hub.subscribe(&topic(&hub, "t")).await.unwrap();
    broker.publish("t", "1").await;
    assert_eq!(next(&mut subscription).await, "1");
}
