//! Streams of which no event may be skipped, and clients that read them slowly.

use artesian_server::{LimitsConfig, ServerConfig, WebSocketConfig};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post},
    socket::{LEGACY, MODERN, RawSocket, frame},
    start_with,
};

const BUFFER: usize = 256 << 10;
const PAYLOAD: usize = 64 << 10;

async fn server() -> TestServer {
    let limits = LimitsConfig { event_buffer_bytes: BUFFER, ..Default::default() };
    let websocket = WebSocketConfig { max_queue_bytes: BUFFER, ..Default::default() };
    start_with(ServerConfig { limits, websocket, ..support::config() }).await
}

fn event(n: usize) -> String {
    format!("{{\"data\":{n},\"x\":\"{}\"}}", "x".repeat(PAYLOAD))
}

/// Emits events until the buffer of somebody who does not read is full. Gives how many there were.
async fn flood(server: &TestServer) -> usize {
    let mut count = 0;
    let emit = async {
        while server.hits("event_buffer") == 0.0 {
            server.fake.emit("f", event(count));
            count += 1;
            // Everything is on this thread: the others have their turns.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(LIMIT, emit).await.unwrap();
    count
}

#[tokio::test]
async fn a_client_that_reads_gets_every_event() {
    let server = server().await;
    let mut socket = server.socket(MODERN).await;
    socket.subscribe("1", "feed f").await;
    let response = open(server.address, post("feed f", &[("accept", "text/event-stream")])).await;
    let mut events = Events { body: response.into_body(), rest: Vec::new() };
    server.fake.happened_times("run f", 2).await;
    for n in 0..50 {
        server.fake.emit("f", event(n));
        assert_eq!(socket.result("1").await["data"], n);
        assert_eq!(events.next().await, ("next".to_owned(), json!(n)));
    }
    assert_eq!(server.hits("event_buffer"), 0.0);
    socket.stop("1").await;
    drop(events);
    server.fake.happened_times("drop f", 2).await;
}

#[tokio::test]
async fn a_slow_socket_gets_a_coded_end_without_a_gap_and_all_else_goes_on() {
    for protocol in [MODERN, LEGACY] {
        let server = server().await;
        let (start, next) =
            if protocol == LEGACY { ("start", "data") } else { ("subscribe", "next") };
        let subscribe = |id: &str, query: &str| {
            json!({"id": id, "type": start, "payload": {"query": query}}).to_string()
        };
        let mut socket = RawSocket::connect(server.address, protocol, b"").await;
        socket.text(r#"{"type":"connection_init"}"#).await;
        socket.frame().await;
        socket.text(&subscribe("live", "live a")).await;
        server.fake.happened("take a").await;
        socket.text(&subscribe("feed", "feed f")).await;
        server.fake.happened("run f").await;
        let emitted = flood(&server).await;
        server.fake.happened("drop f").await;
        // Pings are answered meanwhile: the answer is in the queue.
        let queue = "artesian_outgoing_queue_bytes";
        let before = server.sample(queue);
        socket.write(&frame(0x89, b"123456")).await;
        server.sample_becomes(queue, before + 8.0).await;
        // The live query has moved on.
        server.fake.publish("a", "{\"data\":\"old\"}");
        server.fake.publish("a", "{\"data\":\"new\"}");
        let (mut seen, mut has_ended, mut is_new, mut pongs) = (0, false, false, 0);
        while !(has_ended && is_new) {
            let (first, payload) = socket.frame().await;
            if first != 0x81 {
                pongs += usize::from(first == 0x8a);
                continue;
            }
            let message: Value = serde_json::from_slice(&payload).unwrap();
            let kind = message["type"].as_str().unwrap();
            match message["id"].as_str() {
                Some("feed") if kind == "error" => {
                    let payload = &message["payload"];
                    let error = if protocol == LEGACY { payload } else { &payload[0] };
                    assert_eq!(error["extensions"]["code"], "slow-consumer");
                    has_ended = true;
                }
                Some("feed") => {
                    assert!(kind == next && !has_ended, "{kind}");
                    assert_eq!(message["payload"]["data"], seen);
                    seen += 1;
                }
                Some("live") => is_new = message["payload"]["data"] == "new",
                _ => {}
            }
        }
        assert!(seen < emitted, "{seen} of {emitted}");
        assert_eq!((pongs, server.hits("event_buffer")), (1, 1.0));
        server.fake.publish("a", "{\"data\":\"after\"}");
        let (_, payload) = socket.frame().await;
        assert!(String::from_utf8_lossy(&payload).contains("after"));
    }
}

#[tokio::test]
async fn a_slow_event_stream_gets_a_coded_end_without_a_gap() {
    let server = server().await;
    let response = open(server.address, post("feed f", &[("accept", "text/event-stream")])).await;
    server.fake.happened("run f").await;
    let emitted = flood(&server).await;
    server.fake.happened("drop f").await;
    let mut events = Events { body: response.into_body(), rest: Vec::new() };
    let mut seen = 0;
    let error = loop {
        match events.next().await {
            (kind, data) if data == json!(seen) => {
                assert_eq!(kind, "next");
                seen += 1;
            }
            (_, other) => break other,
        }
    };
    assert_eq!(error[0]["extensions"]["code"], "slow-consumer");
    assert!(seen < emitted, "{seen} of {emitted}");
    assert_eq!(events.next().await, ("complete".to_owned(), Value::Null));
}

#[tokio::test]
async fn who_leaves_a_full_buffer_leaves_nothing_behind() {
    let server = server().await;
    let response = open(server.address, post("feed f", &[("accept", "text/event-stream")])).await;
    server.fake.happened("run f").await;
    for n in 0..3 {
        server.fake.emit("f", event(n));
    }
    drop(response);
    server.fake.happened("drop f").await;
    let sse = "artesian_operations_active{transport=\"sse\",kind=\"subscription\"}";
    server.sample_becomes(sse, 0.0).await;
}

/// Reads events from a body.
struct Events {
    body: hyper::body::Incoming,
    rest: Vec<u8>,
}

impl Events {
    /// The kind of the next event, and its `data`, or its `errors`.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.rest.drain(..end + 2).collect();
                let text = String::from_utf8(event).unwrap();
                let field = |name: &str| {
                    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim()
                };
                if field("event:").is_empty() {
                    continue;
                }
                let data: Value = serde_json::from_str(field("data:")).unwrap_or_default();
                let value = if data["errors"].is_array() { &data["errors"] } else { &data["data"] };
                return (field("event:").to_owned(), value.clone());
            }
            let frame = timeout(LIMIT, self.body.frame()).await.unwrap();
            let data: Bytes = frame.unwrap().unwrap().into_data().unwrap();
            self.rest.extend_from_slice(&data);
        }
    }
}
