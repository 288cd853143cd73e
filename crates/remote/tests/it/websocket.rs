//! Sockets: both subprotocols, what is shared, keepalive, limits.

use std::time::Duration;

use artesian_protocol::ws::{Event as Frame, OutFrame};
use artesian_remote::{Credentials, End, Event, RemoteError, Sharing, Transport};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    COMPLETE, Service, config, credentials, end, event, next, settle, subscription,
};

#[tokio::test(start_paused = true)]
async fn a_subscription_over_either_subprotocol() {
    for (transport, name, start, result, stop) in [
        (Transport::TransportWs, "graphql-transport-ws", "subscribe", "next", "complete"),
        (Transport::LegacyWs, "graphql-ws", "start", "data", "stop"),
    ] {
        let service = Service::new();
        let client = service.client(config(transport));
        let operation = subscription("subscription { n }")
            .with_variables(Bytes::from_static(b"{\"a\":1}"))
            .unwrap();
        let mut first = client.subscribe(operation, credentials("a")).unwrap();
        let (mut ws, init) = service.accept().await.welcome(name).await;
        assert_eq!(ws.head.path, "/graphql?key=1");
        assert_eq!(ws.head.all("sec-websocket-protocol"), [name]);
        assert_eq!(ws.head.all("host"), ["service.test"]);
        assert_eq!(ws.head.all("authorization"), ["a"]);
        assert_eq!(init, json!({"token": "a"}));
        let message = ws.message().await;
        assert_eq!(
            message,
            json!({"id": message["id"], "type": start,
                   "payload": {"query": "subscription { n }", "variables": {"a": 1}}})
        );
        let id = message["id"].as_str().unwrap().to_owned();
        let mut second =
            client.subscribe(subscription("subscription { m }"), credentials("a")).unwrap();
        let (other, _) = ws.started().await;
        assert_ne!(id, other);
        ws.next(result, &id, 1).await;
        ws.next(result, &other, 2).await;
        assert_eq!(event(&mut first).await, next(r#"{"data":{"n":1}}"#));
        assert_eq!(event(&mut second).await, next(r#"{"data":{"n":2}}"#));
        ws.text(format!(r#"{{"id":"{id}","type":"complete"}}"#)).await;
        assert_eq!(end(&mut first).await, End::Complete);
        ws.text(format!(r#"{{"id":"{other}","type":"error","payload":[{{"message":"x"}}]}}"#))
            .await;
        assert_eq!(
            end(&mut second).await,
            End::Errors(Bytes::from_static(b"[{\"message\":\"x\"}]"))
        );

        // Leaving is told at once.
        let third = client.subscribe(subscription("subscription { o }"), credentials("a")).unwrap();
        let (id, _) = ws.started().await;
        drop(third);
        assert_eq!(ws.message().await, json!({"id": id, "type": stop}));
        let stats = client.stats();
        assert_eq!((stats.sockets_opened, stats.started, stats.subscriptions), (1, 3, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_chooses_where_both_are_offered() {
    for (selected, start) in [
        (Some("graphql-ws"), "start"),
        (Some("graphql-transport-ws"), "subscribe"),
        (None, "subscribe"),
    ] {
        let service = Service::new();
        let client = service.client(config(Transport::Auto));
        let _running = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
        let mut ws = service.accept().await.upgrade(selected).await;
        assert_eq!(ws.head.all("sec-websocket-protocol"), ["graphql-transport-ws, graphql-ws"]);
        assert_eq!(ws.message().await, json!({"type": "connection_init"}));
        ws.text(r#"{"type":"connection_ack","payload":{}}"#).await;
        assert_eq!(ws.message().await["type"], start, "{selected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_after_the_other_is_offered_if_both_come_to_nothing() {
    const BOTH: &str = "graphql-transport-ws, graphql-ws";
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    // subscriptions-transport-ws with the `ws` package: the first one is selected, and not spoken.
    for offered in [BOTH, "graphql-transport-ws"] {
        let mut ws = service.accept().await.upgrade(Some("graphql-transport-ws")).await;
        assert_eq!(ws.head.all("sec-websocket-protocol"), [offered]);
        ws.close(1002, "").await;
    }
    let (mut ws, _) = service.accept().await.welcome("graphql-ws").await;
    assert_eq!(ws.head.all("sec-websocket-protocol"), ["graphql-ws"]);
    let (id, _) = ws.started().await;
    ws.next("data", &id, 1).await;
    assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
    // That is remembered, for everybody, until it comes to nothing in turn.
    let mut other = client.subscribe(subscription("{ n }"), credentials("b")).unwrap();
    let mut peer = service.accept().await;
    assert_eq!(peer.request().await.all("sec-websocket-protocol"), ["graphql-ws"]);
    peer.respond(400, "text/plain", "").await;
    for offered in [BOTH, "graphql-transport-ws"] {
        let mut peer = service.accept().await;
        assert_eq!(peer.request().await.all("sec-websocket-protocol"), [offered]);
        peer.respond(400, "text/plain", "").await;
    }
    assert_eq!(end(&mut other).await, End::Failed(RemoteError::Status(400)));
}

#[tokio::test(start_paused = true)]
async fn a_subprotocol_that_is_not_graphqls_ends_it() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
    let _ws = service.accept().await.upgrade(Some("mqtt")).await;
    assert!(matches!(end(&mut running).await, End::Failed(RemoteError::Protocol(_))));
}

#[tokio::test(start_paused = true)]
async fn equal_subscriptions_are_one_upstream() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let join = || client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let mut clients = [join(), join(), join()];
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    let (id, _) = ws.started().await;
    ws.next("next", &id, 1).await;
    for client in &mut clients {
        assert_eq!(event(client).await, next(r#"{"data":{"n":1}}"#));
    }
    let stats = client.stats();
    assert_eq!((stats.subscribed, stats.shared, stats.started, stats.events), (3, 2, 1, 1));
    // Those who leave do not end it, the last one does.
    let [a, b, mut c] = clients;
    drop((a, b));
    ws.next("next", &id, 2).await;
    assert_eq!(event(&mut c).await, next(r#"{"data":{"n":2}}"#));
    drop(c);
    assert_eq!(ws.message().await, json!({"id": id, "type": "complete"}));
    // Who comes then gets an operation of its own; what comes of the old one is nobody's.
    let mut again = join();
    let (new, _) = ws.started().await;
    assert_ne!(new, id);
    ws.next("next", &id, 3).await;
    ws.next("next", &new, 4).await;
    assert_eq!(event(&mut again).await, next(r#"{"data":{"n":4}}"#));
    assert_eq!(client.stats().junk, 1);
}

#[tokio::test(start_paused = true)]
async fn sharing_can_be_turned_off_or_begin_with_the_latest_result() {
    let service = Service::new();
    let mut none = config(Transport::TransportWs);
    none.sharing = Sharing::None;
    let client = service.client(none);
    let _a = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let _b = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    assert_ne!(ws.started().await.0, ws.started().await.0);

    let service = Service::new();
    let mut latest = config(Transport::TransportWs);
    latest.sharing = Sharing::Latest;
    let client = service.client(latest);
    let mut a = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    let (id, _) = ws.started().await;
    ws.next("next", &id, 1).await;
    ws.next("next", &id, 2).await;
    assert_eq!(event(&mut a).await, next(r#"{"data":{"n":1}}"#));
    assert_eq!(event(&mut a).await, next(r#"{"data":{"n":2}}"#));
    let mut b = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    assert_eq!(event(&mut b).await, next(r#"{"data":{"n":2}}"#));
}

#[tokio::test(start_paused = true)]
async fn an_idle_socket_closes_and_the_next_one_is_opened() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    drop(running);
    let left = Instant::now();
    assert_eq!(ws.closed().await, Some(1000));
    assert_eq!(left.elapsed().as_secs(), 10);
    settle().await;
    assert_eq!(client.stats().sockets, 0);
    let _again = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    // An operation is reason enough to stay.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(client.stats().sockets, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_loses_its_subscription_and_delays_nobody() {
    let service = Service::new();
    let mut config = config(Transport::TransportWs);
    config.limits.buffer_bytes = 10_000;
    let client = service.client(config);
    let mut slow = client.subscribe(subscription("{ slow }"), credentials("a")).unwrap();
    let mut fast = client.subscribe(subscription("{ fast }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    let [slow_id, fast_id] = ws.started_as(["{ slow }", "{ fast }"]).await;
    let mut last = 0;
    for n in 0..1000 {
        ws.next("next", &slow_id, n).await;
        ws.next("next", &fast_id, n).await;
        assert_eq!(event(&mut fast).await, next(&format!("{{\"data\":{{\"n\":{n}}}}}")));
        last = n;
    }
    assert_eq!(last, 999);
    // The service was told as soon as nobody was left who could follow.
    assert_eq!(ws.message().await, json!({"id": slow_id, "type": "complete"}));
    assert_eq!(end(&mut slow).await, End::Failed(RemoteError::TooSlow(10_000)));
    assert_eq!(client.stats().too_slow, 1);
    assert_eq!(client.stats().subscriptions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_falls_silent_is_given_up() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    let start = Instant::now();
    // Pings are answered for a while.
    let _timeout = tokio::time::timeout(Duration::from_secs(100), ws.frame()).await;
    assert_eq!(ws.pings, 6);
    ws.answers_pings = false;
    assert_eq!(ws.closed().await, Some(4499));
    assert_eq!(start.elapsed().as_secs(), 105 + 30);
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    let (id, _) = ws.started().await;
    ws.next("next", &id, 1).await;
    assert_eq!(event(&mut running).await, Event::Resumed);
    assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
}

#[tokio::test(start_paused = true)]
async fn our_answers_to_pings_of_both_kinds() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let _running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    ws.text(r#"{"type":"ping","payload":{"a":1}}"#).await;
    assert_eq!(ws.message().await, json!({"type": "pong", "payload": {"a": 1}}));
    ws.peer.send(OutFrame::ping(Bytes::from_static(b"x")).to_bytes()).await;
    assert_eq!(ws.frame().await, Some(Frame::Pong(Bytes::from_static(b"x"))));
}

#[tokio::test(start_paused = true)]
async fn limits_of_sockets_and_operations() {
    let service = Service::new();
    let mut config = config(Transport::TransportWs);
    config.limits.sockets = 2;
    config.limits.operations_per_socket = 2;
    let client = service.client(config);
    let subscribe = |n: usize| {
        let text = format!("subscription {{ n{n} }}");
        client.subscribe(subscription(&text), credentials("a")).unwrap()
    };
    let mut running: Vec<_> = (0..5).map(subscribe).collect();
    let (mut one, _) = service.accept().await.welcome("graphql-transport-ws").await;
    let (mut two, _) = service.accept().await.welcome("graphql-transport-ws").await;
    for ws in [&mut one, &mut two] {
        ws.started().await;
        ws.started().await;
    }
    let busy = RemoteError::Busy { what: "connections", limit: 2 };
    assert_eq!(end(&mut running[4]).await, End::Failed(busy));
    // Room again.
    drop(running.remove(0));
    settle().await;
    let mut last = subscribe(9);
    let message = one.message().await;
    assert_eq!(message["type"], "complete");
    let (id, _) = one.started().await;
    one.text(format!(r#"{{"id":"{id}","type":"complete"}}"#)).await;
    assert_eq!(event(&mut last).await, COMPLETE);
    assert_eq!(service.dialled(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_socket_makes_room_for_another_client() {
    let service = Service::new();
    let mut config = config(Transport::TransportWs);
    config.limits.sockets = 2;
    let client = service.client(config);
    let a = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws_a, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws_a.started().await;
    let _b = client.subscribe(subscription("{ n }"), credentials("b")).unwrap();
    let (mut ws_b, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws_b.started().await;
    drop(a);
    settle().await;
    let start = Instant::now();
    let _c = client.subscribe(subscription("{ n }"), credentials("c")).unwrap();
    assert_eq!(ws_a.closed().await, Some(1000));
    let (mut ws_c, init) = service.accept().await.welcome("graphql-transport-ws").await;
    assert_eq!(init["token"], "c");
    ws_c.started().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // Nobody is idle now.
    let mut d = client.subscribe(subscription("{ n }"), credentials("d")).unwrap();
    let busy = RemoteError::Busy { what: "connections", limit: 2 };
    assert_eq!(end(&mut d).await, End::Failed(busy));
    assert_eq!(client.stats().sockets, 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_read_is_given_up() {
    // A network that takes 1000 bytes.
    let service = Service::with_buffer(1000);
    let mut config = config(Transport::TransportWs);
    config.limits.socket_queue_bytes = 10_000;
    config.reconnect = artesian_remote::Reconnect::Error;
    let client = service.client(config);
    let mut first = client.subscribe(subscription("{ first }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    let mut ends = Vec::new();
    for n in 0..10 {
        let text = format!("subscription {{ n(x: \"{}\") }} # {n}", "x".repeat(2000));
        ends.push(client.subscribe(subscription(&text), credentials("a")).unwrap());
        settle().await;
    }
    let busy = RemoteError::Busy { what: "bytes waiting to be sent", limit: 10_000 };
    assert_eq!(end(&mut ends[9]).await, End::Failed(busy));
    let failed = end(&mut first).await;
    assert!(matches!(failed, End::Failed(RemoteError::Timeout { .. })), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_everything() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome("graphql-transport-ws").await;
    ws.started().await;
    drop(client);
    assert_eq!(ws.closed().await, Some(1000));
    assert_eq!(end(&mut running).await, End::Failed(RemoteError::ShutDown));
    assert_eq!(running.next().await, None);
}
