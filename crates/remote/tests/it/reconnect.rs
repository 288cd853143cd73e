//! Connections that break, services that restart, and what becomes of the subscriptions.

use std::{sync::Arc, time::Duration};

use artesian_remote::{CircuitState, End, Event, Reconnect, RemoteError, Transport};
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::support::{
    Service, config, credentials, end, event, next,
    server::{Order, Server},
    settle, subscription,
};

const MODERN: &str = "graphql-transport-ws";

#[tokio::test(start_paused = true)]
async fn the_policy_for_a_broken_connection() {
    let lost = || RemoteError::Lost { code: Some(1001), reason: "Going away".into() };
    for (policy, expected) in [
        (Reconnect::Error, End::Failed(lost())),
        (Reconnect::End, End::Complete),
        (Reconnect::Resume, End::Complete),
    ] {
        let service = Service::new();
        let mut config = config(Transport::TransportWs);
        config.reconnect = policy;
        let client = service.client(config);
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let (mut ws, _) = service.accept().await.welcome(MODERN).await;
        let (id, _) = ws.started().await;
        ws.next("next", &id, 1).await;
        ws.close(1001, "Going away").await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
        if policy == Reconnect::Resume {
            let (mut ws, init) = service.accept().await.welcome(MODERN).await;
            assert_eq!(init["token"], "a");
            let (id, payload) = ws.started().await;
            assert_eq!(payload["query"], "{ n }");
            ws.next("next", &id, 2).await;
            assert_eq!(event(&mut running).await, Event::Resumed);
            assert_eq!(event(&mut running).await, next(r#"{"data":{"n":2}}"#));
            ws.text(format!(r#"{{"id":"{id}","type":"complete"}}"#)).await;
        }
        assert_eq!(end(&mut running).await, expected, "{policy:?}");
        settle().await;
        assert!(service.accept_now().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_what_was_to_be_resumed() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome(MODERN).await;
    ws.started().await;
    drop(ws);
    let mut ws = service.accept().await.upgrade(Some(MODERN)).await;
    ws.message().await;
    ws.close(4403, "token expired").await;
    let refused = RemoteError::Refused { code: Some(4403), reason: "token expired".into() };
    assert_eq!(end(&mut running).await, End::Failed(refused));
    assert_eq!(client.stats().circuit, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn only_those_who_are_still_there_come_back() {
    let service = Arc::new(Service::new());
    let server = Server::start(&service, Transport::TransportWs);
    let client = service.client(config(Transport::TransportWs));
    let subscribe = |n: usize| {
        client.subscribe(subscription(&format!("{{ n{n} }}")), credentials("a")).unwrap()
    };
    let mut running: Vec<_> = (0..10).map(subscribe).collect();
    settle().await;
    assert_eq!(server.live().len(), 10);
    service.set_up(false);
    server.tell_all(&Order::Break);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.live(), []);
    running.truncate(4);
    service.set_up(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let live: Vec<String> = server.live().into_iter().map(|live| live.query).collect();
    assert_eq!(live, ["{ n0 }", "{ n1 }", "{ n2 }", "{ n3 }"]);
    assert_eq!(server.begun(), 14);
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_to_a_socket_that_is_at_its_end() {
    // A network that takes 1000 bytes, so that our last bytes are stuck.
    let service = Service::with_buffer(1000);
    let client = service.client(config(Transport::TransportWs));
    let mut old = client.subscribe(subscription("{ old }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome(MODERN).await;
    ws.started().await;
    let large = subscription(&format!("{{ large }} # {}", "x".repeat(5000)));
    let large = client.subscribe(large, credentials("a")).unwrap();
    settle().await;
    ws.close(1012, "").await;
    settle().await;
    drop(large);
    let start = Instant::now();
    let mut new = client.subscribe(subscription("{ new }"), credentials("a")).unwrap();
    let (mut fresh, _) = service.accept().await.welcome(MODERN).await;
    let [old_id, new_id] = fresh.started_as(["{ old }", "{ new }"]).await;
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    fresh.next("next", &old_id, 1).await;
    fresh.next("next", &new_id, 2).await;
    assert_eq!(event(&mut old).await, Event::Resumed);
    assert_eq!(event(&mut old).await, next(r#"{"data":{"n":1}}"#));
    assert_eq!(event(&mut new).await, next(r#"{"data":{"n":2}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_away() {
    let service = Service::new();
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let (mut ws, _) = service.accept().await.welcome(MODERN).await;
    ws.started().await;
    service.set_up(false);
    drop(ws);
    let start = Instant::now();
    // A new subscription is told soon.
    settle().await;
    let mut new = client.subscribe(subscription("{ m }"), credentials("a")).unwrap();
    assert!(matches!(end(&mut new).await, End::Failed(_)));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // One that was established is tried to be brought back for five minutes.
    let gave_up = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(event) = running.next().now_or_never() {
            break event.unwrap();
        }
    };
    assert!(matches!(gave_up, Event::End(End::Failed(_))), "{gave_up:?}");
    assert!((299..=331).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // The circuit has kept the attempts few.
    assert!(service.dialled() < 40, "{}", service.dialled());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_acknowledges_and_breaks_is_not_hammered() {
    let service = Arc::new(Service::new());
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
    let breaking = tokio::spawn({
        let service = Arc::clone(&service);
        async move {
            loop {
                let (mut ws, _) = service.accept().await.welcome(MODERN).await;
                let (id, _) = ws.started().await;
                ws.next("next", &id, 1).await;
            }
        }
    });
    let last = loop {
        match event(&mut running).await {
            Event::End(end) => break end,
            Event::Resumed | Event::Next(_) => {}
        }
    };
    assert!(matches!(last, End::Failed(RemoteError::Lost { .. })));
    assert!(service.dialled() < 120, "{} in five minutes", service.dialled());
    breaking.abort();
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_thousand_subscriptions() {
    for transport in [Transport::TransportWs, Transport::LegacyWs] {
        let service = Arc::new(Service::with_buffer(1 << 20));
        let server = Server::start(&service, transport);
        let mut config = config(transport);
        config.limits.operations_per_socket = 50;
        let client = service.client(config);
        let mut running = Vec::new();
        for n in 0..1000 {
            let text = format!("{{ n{n} }}");
            let token = format!("t{}", n % 10);
            running.push(client.subscribe(subscription(&text), credentials(&token)).unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((server.live().len(), server.connections()), (1000, 20));
        let before = server.live();
        // Away for a while, in the middle of events.
        for n in 0..1000 {
            server.emit(&format!("{{ n{n} }}"), 1);
        }
        service.set_up(false);
        server.tell_all(&Order::Close(1012));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(server.live(), []);
        let dialled = service.dialled() - 20;
        assert!(dialled < 60, "{dialled} attempts while it was away");
        service.set_up(true);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(server.live(), before);
        assert!(server.connections() <= 40, "{}", server.connections());
        let stats = client.stats();
        assert_eq!((stats.lost, stats.resumed), (1000, 1000));
        for n in 0..1000 {
            server.emit(&format!("{{ n{n} }}"), 2);
        }
        settle().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        for one in &mut running {
            let first = event(one).await;
            assert!(matches!(&first, Event::Next(_)), "{first:?}");
            assert_eq!(event(one).await, Event::Resumed);
            let second = event(one).await;
            assert!(matches!(&second, Event::Next(_)), "{second:?}");
            assert_eq!(one.next().now_or_never(), None);
        }
    }
}
