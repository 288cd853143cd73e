//! What clients hear of a broken connection, and what services are told when they are back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artesian_remote::{
    Credentials, End, Event, RemoteError, Response, Sharing, Subscription, Transport,
    config::{InitPayloadSource, Method},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use serde_json::json;

use crate::support::{
    Service, config, credentials, end, event, next,
    server::{Live, Order, Server, result},
    settle, subscription,
};

const MODERN: &str = "graphql-transport-ws";
const S: &str = "subscription { n }";
const ALL: [Transport; 4] = [
    Transport::TransportWs,
    Transport::LegacyWs,
    Transport::Sse(Method::Post),
    Transport::Multipart,
];

fn of(token: &str, n: u64) -> Event {
    next(&result(&Live { token: token.to_owned(), query: S.to_owned() }, n))
}

fn nothing(subscription: &mut Subscription) {
    assert_eq!(subscription.next().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn who_was_there_is_told_once_and_who_came_later_is_not() {
    for transport in ALL {
        let service = Arc::new(Service::new());
        let server = Server::start(&service, transport);
        let client = service.client(config(transport));
        let join = || client.subscribe(subscription(S), credentials("a")).unwrap();
        let wait = || tokio::time::sleep(Duration::from_secs(60));
        let mut early = [join(), join(), join()];
        wait().await;
        server.emit(S, 1);
        for one in &mut early {
            assert_eq!(event(one).await, of("a", 1), "{transport:?}");
        }
        for gap in 0..3 {
            service.set_up(false);
            server.tell_all(&Order::Break);
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut late = join();
            service.set_up(true);
            wait().await;
            let mut later = join();
            server.emit(S, gap + 2);
            wait().await;
            for one in &mut early {
                assert_eq!(event(one).await, Event::Resumed, "{transport:?} {gap}");
            }
            for one in early.iter_mut().chain([&mut late, &mut later]) {
                assert_eq!(event(one).await, of("a", gap + 2), "{transport:?} {gap}");
                nothing(one);
            }
        }
        assert_eq!(client.stats().resumed, 3);
        // Twice, with nothing in between: one gap.
        for _ in 0..2 {
            server.tell_all(&Order::Break);
            wait().await;
        }
        assert_eq!(client.stats().resumed, 5);
        server.emit(S, 9);
        wait().await;
        for one in &mut early {
            assert_eq!(event(one).await, Event::Resumed, "{transport:?}");
            assert_eq!(event(one).await, of("a", 9), "{transport:?}");
            nothing(one);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_latest_result_and_a_gap() {
    let service = Arc::new(Service::new());
    let server = Server::start(&service, Transport::TransportWs);
    let mut latest = config(Transport::TransportWs);
    latest.sharing = Sharing::Latest;
    let client = service.client(latest);
    let join = || client.subscribe(subscription(S), credentials("a")).unwrap();
    let mut early = join();
    settle().await;
    server.emit(S, 1);
    assert_eq!(event(&mut early).await, of("a", 1));
    service.set_up(false);
    server.tell_all(&Order::Break);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut late = join();
    assert_eq!(event(&mut late).await, of("a", 1));
    service.set_up(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    server.emit(S, 2);
    assert_eq!(event(&mut late).await, of("a", 2));
    assert_eq!(event(&mut early).await, Event::Resumed);
    assert_eq!(event(&mut early).await, of("a", 2));
}

/// What the gateway makes of it.
#[tokio::test(start_paused = true)]
async fn the_marker_in_the_next_result() {
    let service = Arc::new(Service::new());
    let server = Server::start(&service, Transport::TransportWs);
    let client = service.client(config(Transport::TransportWs));
    let mut running = client.subscribe(subscription(S), credentials("a")).unwrap();
    settle().await;
    server.tell_all(&Order::Break);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (data, extensions) = ("{\"n\": 1.50}", "{\"cost\":1}");
    let payload = format!("{{\"data\":{data},\"extensions\":{extensions}}}");
    server.each(|_| true, |id, _| Order::Next(id, payload.clone()));
    assert_eq!(event(&mut running).await, Event::Resumed);
    let Event::Next(payload) = event(&mut running).await else { panic!("a result") };
    let marked = Response::parse(&payload).unwrap().with_marker("resumed");
    let expected = format!(
        "{{\"data\":{data},\"extensions\":{{\"cost\":1,\"artesian\":{{\"resumed\":true}}}}}}"
    );
    assert_eq!(marked.text, expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_when_the_service_is_back() {
    for transport in ALL {
        let service = Arc::new(Service::new());
        let server = Server::start(&service, transport);
        let client = service.client(config(transport));
        let join = |token: &str| client.subscribe(subscription(S), credentials(token)).unwrap();
        let (a, b, also_b) = ([join("a"), join("a")], join("b"), join("b"));
        settle().await;
        assert_eq!(server.begun(), 2);
        service.set_up(false);
        server.tell_all(&Order::Break);
        tokio::time::sleep(Duration::from_secs(2)).await;
        // All who share one, and one of those who share the other.
        drop((a, b));
        service.set_up(true);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let live: Vec<String> = server.live().into_iter().map(|live| live.token).collect();
        assert_eq!((live, server.begun()), (vec!["b".to_owned()], 3), "{transport:?}");
        drop(also_b);
    }
}

#[derive(Clone, Copy, Debug)]
enum Refusal {
    Status(u16),
    ConnectionError,
    Close(u16),
}

/// A token that has expired meanwhile: the client is told at once and can act on it, and the service is
/// not asked again.
#[tokio::test(start_paused = true)]
async fn credentials_that_do_not_hold_any_more() {
    const SSE: Transport = Transport::Sse(Method::Post);
    for (transport, refusal) in [
        (Transport::TransportWs, Refusal::Status(401)),
        (Transport::TransportWs, Refusal::Status(403)),
        (Transport::TransportWs, Refusal::ConnectionError),
        (Transport::TransportWs, Refusal::Close(4401)),
        (Transport::TransportWs, Refusal::Close(4403)),
        (Transport::Auto, Refusal::Status(401)),
        (Transport::Auto, Refusal::Close(4403)),
        (SSE, Refusal::Status(401)),
        (SSE, Refusal::Status(403)),
        (Transport::Multipart, Refusal::Status(401)),
    ] {
        let is_stream = transport == SSE || transport == Transport::Multipart;
        let service = Service::new();
        let client = service.client(config(transport));
        let join = || client.subscribe(subscription(S), credentials("a")).unwrap();
        let mut all = [join(), join()];
        if is_stream {
            let mut peer = service.accept().await;
            peer.request().await;
            let multipart = transport == Transport::Multipart;
            let kind = if multipart { "multipart/mixed;boundary=b" } else { "text/event-stream" };
            peer.begin(kind).await;
            settle().await;
        } else {
            let (mut ws, _) = service.accept().await.welcome(MODERN).await;
            ws.started().await;
        }
        // The connection has broken; this is the next one.
        let mut peer = service.accept().await;
        match refusal {
            Refusal::Status(status) => {
                peer.request().await;
                peer.respond(status, "text/plain", "expired").await;
            }
            Refusal::ConnectionError | Refusal::Close(_) => {
                let mut ws = peer.upgrade(Some(MODERN)).await;
                assert_eq!(ws.message().await["payload"]["token"], "a");
                match refusal {
                    Refusal::Close(code) => ws.close(code, "expired").await,
                    _ => {
                        ws.text(r#"{"type":"connection_error","payload":{"message":"expired"}}"#)
                            .await;
                    }
                }
                settle().await;
            }
        }
        for one in &mut all {
            let end = end(one).await;
            let End::Failed(error) = &end else { panic!("{end:?}") };
            assert!(matches!(error, RemoteError::Refused { .. }), "{transport:?} {error:?}");
            assert!(error.is_refusal() && error.code() == "access-denied");
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(service.dialled(), 2, "{transport:?} {refusal:?}: it is not asked again");
        assert_eq!(client.stats().subscriptions, 0);
    }
}

/// One socket for all, each one's payload on its own operations: those who are still there say it again,
/// and the socket says what holds now.
#[tokio::test(start_paused = true)]
async fn payloads_per_operation_on_the_next_socket() {
    let service = Service::new();
    let mut config = config(Transport::TransportWs);
    config.init_payload = Some(Bytes::from_static(b"{\"token\":\"fallback\"}"));
    let opened = AtomicUsize::new(0);
    config.init_payload_source = Some(InitPayloadSource::new(move || {
        let n = opened.fetch_add(1, Ordering::SeqCst) + 1;
        (n < 3).then(|| Bytes::from(format!("{{\"token\":\"gateway-{n}\"}}")))
    }));
    assert!(!format!("{config:?}").contains("gateway-"));
    let client = service.client(config);
    let join = |token: &str| {
        let payload = Bytes::from(format!("{{\"token\":\"{token}\"}}"));
        let credentials = Credentials::none().with_operation_payload(payload).unwrap();
        client.subscribe(subscription(S), credentials).unwrap()
    };
    let (a, mut b, mut c) = (join("a"), join("b"), join("c"));
    let (mut ws, init) = service.accept().await.welcome(MODERN).await;
    assert_eq!(init["token"], "gateway-1");
    for _ in 0..3 {
        ws.started().await;
    }
    drop(a);
    assert_eq!(ws.message().await["type"], "complete");
    drop(ws);
    for (round, token) in [(1, "gateway-2"), (2, "fallback")] {
        let (mut ws, init) = service.accept().await.welcome(MODERN).await;
        assert_eq!(init["token"], token);
        let mut payloads = Vec::new();
        for _ in 0..2 {
            let message = ws.message().await;
            assert_eq!(message["type"], "subscribe");
            let extension = &message["extensions"][0];
            assert_eq!(extension["type"], "connectionInit");
            let token = extension["payload"]["token"].as_str().unwrap().to_owned();
            let n = if token == "b" { 10 } else { 20 } + round;
            ws.next("next", message["id"].as_str().unwrap(), n).await;
            payloads.push(token);
        }
        payloads.sort();
        assert_eq!(payloads, ["b", "c"], "those who are still there");
        for (n, one) in [(10, &mut b), (20, &mut c)] {
            assert_eq!(event(one).await, Event::Resumed);
            let n = n + round;
            assert_eq!(event(one).await, next(&json!({"data": {"n": n}}).to_string()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_of_payloads_that_gives_none() {
    let service = Service::new();
    let mut config = config(Transport::TransportWs);
    config.retry.attempts = 0;
    config.init_payload_source =
        Some(InitPayloadSource::new(|| Some(Bytes::from_static(b"[\"secret\"]"))));
    let client = service.client(config);
    let mut nobody = client.subscribe(subscription(S), Credentials::none()).unwrap();
    let _ws = service.accept().await.upgrade(Some(MODERN)).await;
    let failed = end(&mut nobody).await;
    let End::Failed(RemoteError::Request(text)) = failed else { panic!("{failed:?}") };
    assert_eq!(&*text, "the payload of connection_init must be a JSON object");
    // Who brings one is not concerned.
    let _own = client.subscribe(subscription(S), credentials("a")).unwrap();
    let (_ws, init) = service.accept().await.welcome(MODERN).await;
    assert_eq!(init["token"], "a");
}
