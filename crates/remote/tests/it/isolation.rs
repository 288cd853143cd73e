//! Nobody's credentials are used for another, on any transport.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use artesian_remote::{Credentials, RemoteError, Transport, config::Method};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::json;

use crate::support::{
    COMPLETE, Service, config, credentials, event, next, query,
    server::{Live, Order, Server, result},
    settle, subscription,
};

const ALL: [Transport; 6] = [
    Transport::Auto,
    Transport::TransportWs,
    Transport::LegacyWs,
    Transport::Sse(Method::Get),
    Transport::Sse(Method::Post),
    Transport::Multipart,
];

#[tokio::test(start_paused = true)]
async fn twenty_callers_at_once_get_what_is_theirs() {
    for transport in ALL {
        // Cold, and then with everything in place.
        let service = Arc::new(Service::new());
        let server = Server::start(&service, transport);
        let client = service.client(config(transport));
        for round in 0..2 {
            let mut running = Vec::new();
            for n in 0..20 {
                let live = Live { token: format!("t{n}"), query: "subscription { n }".into() };
                let own = client.subscribe(subscription(&live.query), credentials(&live.token));
                running.push((live, own.unwrap()));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut expected: Vec<Live> = running.iter().map(|(live, _)| live.clone()).collect();
            expected.sort();
            assert_eq!(server.live(), expected, "{transport:?}: each one's own, exactly once");
            assert_eq!(server.connections(), 20);
            server.emit("subscription { n }", round);
            for (live, own) in &mut running {
                assert_eq!(event(own).await, next(&result(live, round)), "{transport:?}");
            }
            drop(running);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(server.live(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_inherits_nothing() {
    for transport in ALL {
        let service = Arc::new(Service::new());
        let server = Server::start(&service, transport);
        let client = service.client(config(transport));
        let text = "subscription { n }";
        let _known = client.subscribe(subscription(text), credentials("t")).unwrap();
        settle().await;
        let mut unknown = client.subscribe(subscription(text), Credentials::none()).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let tokens: Vec<String> = server.live().into_iter().map(|live| live.token).collect();
        assert_eq!(tokens, ["", "t"], "{transport:?}");
        server.each(|live| live.token == "t", |id, live| Order::Next(id, result(live, 1)));
        server.each(|live| live.token.is_empty(), |id, _| Order::Complete(id));
        assert_eq!(event(&mut unknown).await, COMPLETE, "{transport:?}");
    }
}

/// Credentials that differ in one way only.
#[tokio::test(start_paused = true)]
async fn every_part_of_the_credentials_counts() {
    let header = |name: &'static str, value: &'static str| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let base = || Credentials::new([header("cookie", "a=1"), header("x-tenant", "1")]);
    let payload = |text: &'static str| Bytes::from_static(text.as_bytes());
    let all = [
        base(),
        Credentials::new([header("cookie", "a=2"), header("x-tenant", "1")]),
        Credentials::new([header("cookie", "a=1"), header("x-tenant", "2")]),
        Credentials::new([header("cookie", "a=1")]),
        Credentials::new([header("cookie", "a=1"), header("x-other", "1")]),
        base().with_init_payload(payload("{}")).unwrap(),
        base().with_init_payload(payload("{\"a\":1}")).unwrap(),
        base().with_init_payload(payload("{\"a\":2}")).unwrap(),
    ];
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = Vec::new();
    for credentials in &all {
        running.push(client.subscribe(subscription("{ n }"), credentials.clone()).unwrap());
        running.push(client.subscribe(subscription("{ n }"), credentials.clone()).unwrap());
    }
    settle().await;
    assert_eq!(service.dialled(), all.len(), "a socket for each");
    let stats = client.stats();
    assert_eq!((stats.subscriptions, stats.shared), (all.len(), all.len() as u64));
}

/// Mercurius' extension: one socket for all, and each one's payload on its own operations.
#[tokio::test(start_paused = true)]
async fn a_payload_per_operation() {
    for (transport, name) in
        [(Transport::TransportWs, "graphql-transport-ws"), (Transport::LegacyWs, "graphql-ws")]
    {
        let service = Service::new();
        let mut config = config(transport);
        config.init_payload = Some(Bytes::from_static(b"{\"token\":\"gateway\"}"));
        let client = service.client(config);
        let join = |token: &str| {
            let payload = Bytes::from(format!("{{\"token\":\"{token}\"}}"));
            let credentials = Credentials::none().with_operation_payload(payload).unwrap();
            client.subscribe(subscription("{ n }"), credentials).unwrap()
        };
        let mut a = join("a");
        let (mut ws, init) = service.accept().await.welcome(name).await;
        assert_eq!(init["token"], "gateway");
        let message = ws.message().await;
        assert_eq!(message["payload"], json!({"query": "{ n }"}));
        let extension = json!([{"type": "connectionInit", "payload": {"token": "a"}}]);
        assert_eq!(message["extensions"], extension);
        let mut b = join("b");
        let message_b = ws.message().await;
        assert_eq!(message_b["extensions"][0]["payload"]["token"], "b");
        let _like_b = join("b");
        let mut nobody = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
        let message_nobody = ws.message().await;
        assert_eq!(message_nobody.get("extensions"), None);
        let kind = if name == "graphql-ws" { "data" } else { "next" };
        for (n, message) in [(1, &message), (2, &message_b), (3, &message_nobody)] {
            ws.next(kind, message["id"].as_str().unwrap(), n).await;
        }
        for (n, one) in [(1, &mut a), (2, &mut b), (3, &mut nobody)] {
            assert_eq!(event(one).await, next(&format!("{{\"data\":{{\"n\":{n}}}}}")));
        }
        assert_eq!((service.dialled(), client.stats().started), (1, 3));
    }
    // Other transports have no place for it.
    let service = Service::new();
    for transport in [Transport::Sse(Method::Post), Transport::Multipart, Transport::None] {
        let client = service.client(config(transport));
        let credentials =
            Credentials::none().with_operation_payload(Bytes::from_static(b"{}")).unwrap();
        let refused = client.subscribe(subscription("{ n }"), credentials);
        assert!(matches!(refused, Err(RemoteError::Request(_))), "{transport:?}");
    }
    assert_eq!(service.dialled(), 0);
}

/// And every part of the operation.
#[tokio::test(start_paused = true)]
async fn every_part_of_the_operation_counts() {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let all = [
        subscription("subscription A { n } subscription B { m }"),
        subscription("subscription A { n } subscription B { m }").with_name("A"),
        subscription("subscription A { n } subscription B { m }").with_name("B"),
        subscription("subscription A { n }"),
        subscription("subscription A { n }").with_variables(text("{}")).unwrap(),
        subscription("subscription A { n }").with_variables(text("{\"a\":1}")).unwrap(),
        subscription("subscription A { n }").with_variables(text("{\"a\":2}")).unwrap(),
        subscription("subscription A { n }").with_extensions(text("{\"a\":1}")).unwrap(),
    ];
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = Vec::new();
    for operation in &all {
        running.push(client.subscribe(operation.clone(), credentials("a")).unwrap());
        running.push(client.subscribe(operation.clone(), credentials("a")).unwrap());
    }
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    for _ in &all {
        ws.started().await;
    }
    let stats = client.stats();
    assert_eq!((stats.started, stats.subscriptions), (all.len() as u64, all.len()));
}

#[tokio::test(start_paused = true)]
async fn requests_of_many_callers_over_few_connections() {
    let service = Arc::new(Service::new());
    let mut config = config(Transport::Auto);
    config.limits.concurrent_requests = 3;
    config.headers =
        vec![(HeaderName::from_static("authorization"), HeaderValue::from_static("gateway"))];
    let client = Arc::new(service.client(config));
    let seen = Arc::new(parking_lot::Mutex::new(BTreeMap::<String, usize>::new()));
    let serving = tokio::spawn({
        let (service, seen) = (Arc::clone(&service), Arc::clone(&seen));
        async move {
            loop {
                let mut peer = service.accept().await;
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    while let Some(head) = peer.try_request().await {
                        let token = head.all("authorization").join(",");
                        *seen.lock().entry(token.clone()).or_default() += 1;
                        let body = format!("{{\"data\":{{\"who\":\"{token}\"}}}}");
                        peer.respond(200, "application/json", body).await;
                    }
                });
            }
        }
    });
    let ask = |credentials: Credentials, expected: String| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let response = client.request(&query("{ who }"), &credentials).await.unwrap();
            assert_eq!(response.text, format!("{{\"data\":{{\"who\":\"{expected}\"}}}}"));
        })
    };
    let mut running = Vec::new();
    for n in 0..20 {
        running.push(ask(credentials(&format!("t{n}")), format!("t{n}")));
        running.push(ask(Credentials::none(), "gateway".to_owned()));
    }
    for one in running {
        one.await.unwrap();
    }
    let seen = seen.lock();
    assert_eq!(seen.len(), 21);
    assert!(seen.iter().all(|(who, times)| *times == if who == "gateway" { 20 } else { 1 }));
    assert!(service.dialled() <= 3, "{}", service.dialled());
    serving.abort();
}
