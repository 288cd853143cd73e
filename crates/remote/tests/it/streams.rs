//! Event streams and multipart bodies.

use std::time::Duration;

use artesian_protocol::http::decode_get;
use artesian_remote::{
    Credentials, End, Event, Reconnect, RemoteError, Transport, config::Method, error::Step,
};
use bytes::Bytes;
use tokio::time::Instant;

use crate::support::{
    COMPLETE, Service, config, credentials, end, event, next, settle, subscription,
};

const SSE: &str = "text/event-stream; charset=utf-8";
const MULTIPART: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
const STREAMS: [Transport; 3] =
    [Transport::Sse(Method::Get), Transport::Sse(Method::Post), Transport::Multipart];

fn kind(transport: Transport) -> &'static str {
    if transport == Transport::Multipart { MULTIPART } else { SSE }
}

fn first(transport: Transport, payload: &str) -> String {
    match transport {
        Transport::Multipart => {
            format!("--graphql\r\ncontent-type: application/json\r\n\r\n{{\"payload\":{payload}}}")
        }
        _ => format!(":\n\nevent: next\ndata: {payload}\n\n"),
    }
}

fn later(transport: Transport, payload: &str) -> String {
    match transport {
        Transport::Multipart => format!("\r\n{}", first(transport, payload)),
        _ => first(transport, payload),
    }
}

fn last(transport: Transport) -> &'static str {
    match transport {
        Transport::Multipart => "\r\n--graphql--\r\n",
        _ => "event: complete\ndata:\n\n",
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_over_a_stream() {
    for transport in STREAMS {
        let service = Service::new();
        let client = service.client(config(transport));
        let operation = subscription("subscription { n }")
            .with_variables(Bytes::from_static(b"{\"a\":\"\xc3\xa9&\"}"))
            .unwrap();
        let mut running = client.subscribe(operation, credentials("a")).unwrap();
        let mut peer = service.accept().await;
        let head = peer.request().await;
        assert_eq!(head.all("authorization"), ["a"]);
        let accept = if transport == Transport::Multipart {
            "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0, application/json"
        } else {
            "text/event-stream"
        };
        assert_eq!(head.all("accept"), [accept]);
        let request = if transport == Transport::Sse(Method::Get) {
            assert_eq!(head.method, "GET");
            let rest = head.path.strip_prefix("/graphql?key=1&").unwrap();
            serde_json::to_value(decode_get(rest).unwrap()).unwrap()
        } else {
            assert_eq!(head.method, "POST");
            head.json()
        };
        assert_eq!(request["query"], "subscription { n }");
        assert_eq!(request["variables"]["a"], "é&");

        peer.begin(kind(transport)).await;
        peer.send(first(transport, r#"{"data":{"n":1}}"#)).await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
        // In pieces.
        for byte in later(transport, r#"{"data":{"n":2}}"#).bytes() {
            peer.send([byte]).await;
        }
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":2}}"#));
        peer.send(last(transport)).await;
        assert_eq!(event(&mut running).await, COMPLETE);
        drop(running);
        // Leaving closes the request.
        let running = client.subscribe(subscription("{ m }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(kind(transport)).await;
        settle().await;
        assert_eq!(client.stats().streams, 1);
        drop(running);
        peer.gone().await;
        settle().await;
        assert_eq!((client.stats().streams, client.stats().subscriptions), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn equal_subscriptions_share_a_stream() {
    for transport in STREAMS {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut a = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut b = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(kind(transport)).await;
        peer.send(first(transport, r#"{"data":{"n":1}}"#)).await;
        assert_eq!(event(&mut a).await, event(&mut b).await);
        drop(a);
        peer.send(later(transport, r#"{"data":{"n":2}}"#)).await;
        assert_eq!(event(&mut b).await, next(r#"{"data":{"n":2}}"#));
        assert_eq!(service.dialled(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_stream() {
    for transport in STREAMS {
        for (status, kind, body, expected) in [
            (
                200,
                "application/json",
                r#"{"errors":[{"message":"x"}]}"#,
                End::Errors(Bytes::from_static(b"[{\"message\":\"x\"}]")),
            ),
            (
                401,
                "text/plain",
                "no",
                End::Failed(RemoteError::Refused { code: Some(401), reason: "".into() }),
            ),
            (404, "text/html", "<html>", End::Failed(RemoteError::Status(404))),
            (200, "text/html", "<html>", End::Failed(RemoteError::NotJson(200))),
            (302, "text/html", "", End::Failed(RemoteError::Redirect(302))),
            (400, SSE, "{", End::Failed(RemoteError::Status(400))),
        ] {
            let service = Service::new();
            let client = service.client(config(transport));
            let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
            let mut peer = service.accept().await;
            peer.request().await;
            peer.respond(status, kind, body).await;
            assert_eq!(end(&mut running).await, expected, "{transport:?} {status} {body}");
        }
        // GraphQL Yoga says in a stream with 500 what is wrong.
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        let errors = r#"{"errors":[{"message":"x"}]}"#;
        let stream = format!("{}{}", first(transport, errors), last(transport));
        peer.respond(500, kind(transport), stream).await;
        assert_eq!(event(&mut running).await, next(errors));
        assert_eq!(end(&mut running).await, End::Complete);

        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.respond(200, "application/json", r#"{"data":{"n":1}}"#).await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
        assert_eq!(end(&mut running).await, End::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn junk_between_events_harms_nobody() {
    for (transport, junk) in [
        (Transport::Sse(Method::Post), "event: next\ndata: {\"data\":\n\n"),
        (Transport::Sse(Method::Post), "event: next\ndata: <html>\n\nevent: x\ndata: 1\n\n"),
        (Transport::Sse(Method::Post), "id: 1\nretry: 5\nnonsense\n\n\u{feff}\n"),
        (Transport::Multipart, "--graphql\r\n\r\n{\"payload\":{\"data\":\r\n"),
        (Transport::Multipart, "--graphql\r\n\r\n<html>\r\n"),
        (Transport::Multipart, "--graphql\r\n\r\n{\"payload\":[1]}\r\n"),
    ] {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(kind(transport)).await;
        peer.send(junk).await;
        peer.send(first(transport, r#"{"data":{"n":1}}"#)).await;
        peer.send(last(transport)).await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#), "{junk:?}");
        assert_eq!(end(&mut running).await, End::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_resumed() {
    for transport in STREAMS {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        for n in 0..3 {
            let mut peer = service.accept().await;
            let head = peer.request().await;
            assert_eq!(head.all("authorization"), ["a"]);
            peer.begin(kind(transport)).await;
            if n > 0 {
                assert_eq!(event(&mut running).await, Event::Resumed);
            }
            let payload = format!("{{\"data\":{{\"n\":{n}}}}}");
            peer.send(first(transport, &payload)).await;
            assert_eq!(event(&mut running).await, next(&payload));
            // In the middle of an event.
            peer.send("event: next\ndata: {\"da").await;
        }
        drop(running);
        assert_eq!((client.stats().lost, client.stats().resumed), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_dripping() {
    for transport in STREAMS {
        let mut config = config(transport);
        config.reconnect = Reconnect::Error;
        let open = async |beginning: &str| {
            let service = Service::new();
            let client = service.client(config.clone());
            let running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
            let mut peer = service.accept().await;
            peer.request().await;
            peer.begin(kind(transport)).await;
            peer.send(beginning).await;
            (client, running, peer)
        };
        // Without signs of life there is nothing to miss.
        let (_client, mut running, mut peer) = open("").await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let only = later(transport, r#"{"data":{"n":1}}"#);
        peer.send(only).await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));

        // With them there is.
        let sign = match transport {
            Transport::Multipart => "--graphql\r\n\r\n{}\r\n--graphql",
            _ => ":\n\n",
        };
        let (_client, mut running, _peer) = open(sign).await;
        let start = Instant::now();
        assert_eq!(end(&mut running).await, End::Failed(RemoteError::Silent));
        assert_eq!(start.elapsed().as_secs(), 60);

        // One byte a second.
        let (_client, mut running, mut peer) = open("").await;
        let start = Instant::now();
        let dripping = tokio::spawn(async move {
            let endless = first(transport, &format!("{{\"data\":\"{}", "x".repeat(100_000)));
            for byte in endless.bytes() {
                if !peer.send([byte]).await {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let limit = Duration::from_secs(30);
        let slow = RemoteError::Timeout { what: Step::FinishMessage, limit };
        assert_eq!(end(&mut running).await, End::Failed(slow));
        assert!(start.elapsed() < 3 * limit, "{:?}", start.elapsed());
        dripping.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large() {
    for transport in STREAMS {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(kind(transport)).await;
        peer.send(first(transport, "{\"data\":{\"a\":\"").trim_end_matches(['\n', '}'])).await;
        let mut sent = 0;
        while sent < 50 << 20 && peer.send([b'x'; 1 << 16]).await {
            sent += 1 << 16;
        }
        assert!(sent < 5 << 20, "{sent}");
        assert_eq!(end(&mut running).await, End::Failed(RemoteError::TooLarge(4 << 20)));
        assert_eq!(service.dialled(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers() {
    let service = Service::new();
    let mut config = config(Transport::Sse(Method::Post));
    config.retry.attempts = 0;
    let client = service.client(config);
    let mut running = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
    let mut peer = service.accept().await;
    peer.request().await;
    let limit = Duration::from_secs(30);
    let timeout = RemoteError::Timeout { what: Step::Respond, limit };
    assert_eq!(end(&mut running).await, End::Failed(timeout));
}
