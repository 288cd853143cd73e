//! Clients that read slowly or not at all.

use std::time::Duration;

use artesian_server::{ServerConfig, WebSocketConfig};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post},
    socket::{MODERN, RawSocket, frame},
    start_with,
};

const QUEUE: &str = "artesian_outgoing_queue_bytes";
const LIMIT_BYTES: usize = 256 << 10;
const PAYLOAD: usize = 128 << 10;

async fn server(websocket: WebSocketConfig) -> TestServer {
    start_with(ServerConfig { websocket, ..support::config() }).await
}

fn config() -> WebSocketConfig {
    WebSocketConfig { max_queue_bytes: LIMIT_BYTES, ..Default::default() }
}

fn payload(version: usize) -> String {
    format!("{{\"data\":{version},\"x\":\"{}\"}}", "x".repeat(PAYLOAD))
}

/// A socket with a live operation that does not read, and publishing until its queue is full. Gives
/// the next version.
async fn clog(server: &TestServer) -> (RawSocket, usize) {
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    socket.text(r#"{"type":"connection_init"}"#).await;
    socket.frame().await;
    socket.text(r#"{"id":"1","type":"subscribe","payload":{"query":"live a"}}"#).await;
    server.fake.happened("run a").await;
    let mut version = 0;
    let fill = async {
        while server.sample(QUEUE) < LIMIT_BYTES as f64 {
            version += 1;
            server.fake.publish("a", payload(version));
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, fill).await.unwrap();
    (socket, version + 1)
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_and_its_queue_is_bounded() {
    let server = server(config()).await;
    let (mut socket, first) = clog(&server).await;
    let taken = server.fake.count("take a");
    for n in 0..100 {
        server.fake.publish("a", payload(first + n));
        // The connection is alive all the while: each ping gets its answer into the queue.
        let before = server.sample(QUEUE);
        socket.write(&frame(0x89, b"123456")).await;
        server.sample_becomes(QUEUE, before + 8.0).await;
        assert!(before < (LIMIT_BYTES + 2 * PAYLOAD) as f64, "{before}");
    }
    assert_eq!(server.fake.count("take a"), taken, "nothing is taken that nobody has room for");
    let (mut pongs, mut results) = (0, 0);
    let last = format!("\"data\":{}", first + 99);
    loop {
        let (first, text) = socket.frame().await;
        if first == 0x8a {
            pongs += 1;
            continue;
        }
        results += 1;
        if String::from_utf8_lossy(&text).contains(&last) {
            break;
        }
    }
    assert_eq!((pongs, results), (100, taken + 1));
    server.sample_becomes(QUEUE, 0.0).await;
}

#[tokio::test]
async fn stopping_works_while_the_queue_is_full() {
    let server = server(config()).await;
    let (mut socket, version) = clog(&server).await;
    socket.text(r#"{"id":"1","type":"complete"}"#).await;
    server.fake.happened("drop a").await;
    server.fake.publish("a", payload(version));
    drop(socket);
    server.sample_becomes(QUEUE, 0.0).await;
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_dropped() {
    let write_timeout = Duration::from_millis(50);
    let server = server(WebSocketConfig { write_timeout, ..config() }).await;
    let (socket, _) = clog(&server).await;
    server.fake.happened("drop a").await;
    let closed =
        format!("artesian_connections_closed_total{{transport=\"{MODERN}\",code=\"1006\"}}");
    server.sample_becomes(&closed, 1.0).await;
    assert_eq!(server.sample(QUEUE), 0.0);
    drop(socket);
}

#[tokio::test]
async fn who_sends_without_reading_is_not_read_any_more() {
    let write_timeout = Duration::from_millis(300);
    let server = server(WebSocketConfig { write_timeout, ..config() }).await;
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    let pings: Vec<u8> = (0..1000).flat_map(|_| frame(0x89, &[0; 125])).collect();
    let flood = async {
        // Ends when the server has given up on this client.
        while socket.stream.write_all(&pings).await.is_ok() {}
    };
    let watch = async {
        loop {
            assert!(server.sample(QUEUE) < (1 << 20) as f64);
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, async {
        tokio::select! { () = flood => {}, () = watch => {} }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_event_stream_that_is_not_read_takes_little_and_then_the_latest() {
    let server = server(config()).await;
    let accept = [("accept", "text/event-stream")];
    let mut response = open(server.address, post("live a", &accept)).await;
    server.fake.happened("run a").await;
    let total = 400;
    for version in 1..=total {
        server.fake.publish("a", payload(version));
        tokio::task::yield_now().await;
    }
    // What the kernel and hyper buffer is far from 400 times 128 KiB; the rest was never taken.
    let last = format!("\"data\":{total}");
    let mut bytes = 0;
    let read = async {
        let mut found = false;
        while !found {
            use http_body_util::BodyExt;
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            let data = frame.into_data().unwrap();
            bytes += data.len();
            found = data.windows(last.len()).any(|window| window == last.as_bytes());
        }
    };
    timeout(LIMIT, read).await.unwrap();
    assert!(bytes < total * PAYLOAD / 2, "{bytes}");
}
