//! Services that say when to come back.

use std::{sync::Arc, time::Duration};

use artesian_remote::{
    Credentials, Event, RemoteError, Transport, Update, config::Method, error::Step,
};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::support::{
    Service,
    answers::{Answers, Mode},
    config, credentials, event, mutation, next,
    peer::Peer,
    query, subscription,
};

const JSON: &str = "application/json";
const GOOD: &str = r#"{"data":{"n":1}}"#;
/// Long after whatever clock this runs under.
const FAR: &str = "Fri, 31 Dec 9999 23:59:59 GMT";
const LONG_AGO: &str = "Fri, 31 Dec 1999 23:59:59 GMT";

async fn refuse(peer: &mut Peer, status: u16, retry_after: &str) {
    peer.request().await;
    let head = format!("HTTP/1.1 {status} X\r\nretry-after: {retry_after}\r\n");
    peer.send(format!("{head}content-length: 4\r\n\r\nbusy")).await;
}

/// Checks a pause in milliseconds: what was asked for and at most 100 ms of our own, as the first pause.
fn check(start: Instant, asked: u128, what: &str) {
    let waited = start.elapsed().as_millis();
    assert!((asked..=asked + 101).contains(&waited), "{what}: {waited} ms instead of {asked}");
}

#[tokio::test(start_paused = true)]
async fn queries_are_repeated_when_they_may_be() {
    for (status, value, asked) in [
        (503, "3", 3000),
        (429, "3", 3000),
        // No longer than our longest pause.
        (503, "3600", 10_000),
        (429, FAR, 10_000),
        (503, LONG_AGO, 0),
        (503, "soon", 0),
        // Does not mean anything there.
        (502, "3", 0),
    ] {
        let service = Service::new();
        let client = service.client(config(Transport::None));
        let start = Instant::now();
        let (operation, nobody) = (query("{ n }"), Credentials::none());
        let (response, ()) = tokio::join!(client.request(&operation, &nobody), async {
            let mut peer = service.accept().await;
            refuse(&mut peer, status, value).await;
            peer.request().await;
            check(start, asked, value);
            peer.respond(200, JSON, GOOD).await;
        });
        assert_eq!(response.unwrap().text, GOOD);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_says_how_long_to_wait() {
    let service = Service::new();
    let mut config = config(Transport::None);
    config.retry.longest = Duration::from_secs(3600);
    let client = service.client(config);
    let nobody = Credentials::none();
    for (operation, retry_after) in [(mutation("mutation { n }"), 7), (query("{ n }"), 31)] {
        let start = Instant::now();
        let (error, _peer) = tokio::join!(client.request(&operation, &nobody), async {
            let mut peer = service.accept().await;
            refuse(&mut peer, 429, &retry_after.to_string()).await;
        });
        let error = error.unwrap_err();
        let retry_after = Duration::from_secs(retry_after);
        assert_eq!(error, RemoteError::Unavailable { status: 429, retry_after });
        assert_eq!(error.code(), "service-unavailable");
        // Also where the time for responses would be over by then.
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_begun_and_resumed_when_they_may_be() {
    let streams = [Transport::Sse(Method::Post), Transport::Multipart];
    for transport in [Transport::TransportWs, Transport::Auto].into_iter().chain(streams) {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        for is_resumed in [false, true] {
            refuse(&mut service.accept().await, 503, "4").await;
            let start = Instant::now();
            let mut peer = service.accept().await;
            let waited = start.elapsed().as_millis();
            // The second pause of our own when it is resumed.
            let own = if is_resumed { 200 } else { 100 };
            assert!((4000..=4001 + own).contains(&waited), "{transport:?} {waited}");
            if streams.contains(&transport) {
                peer.request().await;
                let multipart = transport == Transport::Multipart;
                let kind =
                    if multipart { "multipart/mixed;boundary=b" } else { "text/event-stream" };
                peer.begin(kind).await;
                crate::support::settle().await;
            } else {
                let (mut ws, _) = peer.welcome("graphql-transport-ws").await;
                ws.started().await;
            }
            if is_resumed {
                assert_eq!(event(&mut running).await, Event::Resumed);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn event_streams_that_say_when_to_come_back() {
    for (said, asked) in [("5000", 5000), ("99999999999", 10_000), ("x", 0)] {
        let service = Service::new();
        let client = service.client(config(Transport::Sse(Method::Post)));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin("text/event-stream").await;
        peer.send(format!("retry: {said}\n\nevent: next\ndata: {GOOD}\n\n")).await;
        assert_eq!(event(&mut running).await, next(GOOD));
        // It is no sign of life, so that there is none to be missed.
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(peer);
        for attempt in 0..3 {
            let start = Instant::now();
            let mut peer = service.accept().await;
            let waited = start.elapsed().as_millis();
            let own = 100 << attempt;
            assert!((asked..=asked + own + 1).contains(&waited), "{said} {attempt}: {waited}");
            // It is not said again, and still holds.
            peer.request().await;
            peer.respond(502, JSON, "").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_wait_too() {
    let service = Arc::new(Service::new());
    let answers = Answers::start(&service);
    let mut config = config(Transport::None);
    config.retry.attempts = 0;
    config.circuit.failures = 0;
    let client = service.client(config);
    answers.mode(Mode::Say { status: 429, head: "retry-after: 7\r\n", body: "" });
    let second = Duration::from_secs(1);
    let mut poll = client.poll(query("{ n }"), credentials("a"), second).unwrap();
    let retry_after = 7 * second;
    let failed = Update::Failed(RemoteError::Unavailable { status: 429, retry_after });
    assert_eq!(poll.next().await, Some(failed));
    answers.mode(Mode::Answer);
    let start = Instant::now();
    assert!(matches!(poll.next().await, Some(Update::Next(_))));
    check(start, 7000, "a poll");
}

#[tokio::test(start_paused = true)]
async fn steps_are_named() {
    // Unlike a limit of ours, which is named as well.
    let error = RemoteError::Unavailable { status: 503, retry_after: Duration::from_secs(9) };
    assert_eq!(error.to_string(), "the service answered with status 503 and asks to wait 9 s");
    let timeout = RemoteError::Timeout { what: Step::Respond, limit: Duration::from_secs(1) };
    assert_eq!(timeout.code(), "timeout");
}
