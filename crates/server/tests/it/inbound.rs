//! Clients that send quickly.

use std::time::Duration;

use artesian_server::{LimitsConfig, RateLimit, ServerConfig, WebSocketConfig};
use serde_json::json;

use crate::support::{
    self, TestServer,
    socket::{LEGACY, MODERN, RawSocket, frame},
    start_with,
};

async fn server(limits: LimitsConfig, websocket: WebSocketConfig) -> TestServer {
    start_with(ServerConfig { limits, websocket, ..support::config() }).await
}

#[tokio::test]
async fn a_flood_of_messages_is_read_slowly_and_nothing_is_lost() {
    let message_rate = RateLimit { per_second: 100, burst: 3 };
    let limits = LimitsConfig { message_rate, ..Default::default() };
    let server = server(limits, WebSocketConfig::default()).await;
    for protocol in [MODERN, LEGACY] {
        let before = server.hits("message_rate");
        let mut socket = server.socket(protocol).await;
        for n in 0..30 {
            socket.subscribe(&n.to_string(), "variables").await;
        }
        let ids: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        socket.results_of(&ids).await;
        let hits = server.hits("message_rate") - before;
        assert!(hits >= 1.0, "{hits}");
    }
}

#[tokio::test]
async fn a_flood_of_bytes_is_read_slowly_and_nothing_is_lost() {
    let byte_rate = RateLimit { per_second: 1 << 20, burst: 1000 };
    let limits = LimitsConfig { byte_rate, ..Default::default() };
    let server = server(limits, WebSocketConfig::default()).await;
    let mut socket = server.socket(MODERN).await;
    let padding = "x".repeat(20_000);
    for n in 0..10 {
        let payload = json!({"query": "variables", "variables": {"padding": padding}});
        socket.send(json!({"id": n.to_string(), "type": "subscribe", "payload": payload})).await;
    }
    let ids: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for payload in socket.results_of(&ids).await {
        assert_eq!(payload["data"]["variables"]["padding"], padding.as_str());
    }
    assert!(server.hits("byte_rate") >= 1.0);
}

#[tokio::test]
async fn whom_we_do_not_listen_to_is_not_taken_for_dead() {
    let message_rate = RateLimit { per_second: 5, burst: 2 };
    let limits = LimitsConfig { message_rate, ..Default::default() };
    // Less than a message takes to have its turn.
    let websocket = WebSocketConfig {
        ping_interval: Duration::from_millis(20),
        ping_timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let server = server(limits, websocket).await;
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    let init = frame(0x81, br#"{"type":"connection_init"}"#);
    let pings = (0..8).flat_map(|_| frame(0x81, br#"{"type":"ping"}"#));
    let all: Vec<u8> = init.into_iter().chain(pings).collect();
    socket.write(&all).await;
    let mut pongs = 0;
    while pongs < 8 {
        let (first, payload) = socket.frame().await;
        assert_ne!(first, 0x88, "closed after {pongs}");
        pongs += usize::from(payload == br#"{"type":"pong"}"#);
    }
    // Who then says nothing, although it may, is dead.
    assert_eq!(socket.closed().await, 4499);
    assert_eq!(server.hits("ping_timeout"), 1.0);
}
