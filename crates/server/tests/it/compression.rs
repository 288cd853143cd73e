//! `permessage-deflate`: what is agreed on, what goes over the wire, and what it costs.

use artesian_server::{ServerConfig, WebSocketConfig};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};

use crate::support::{
    self, TestServer,
    socket::{LEGACY, MODERN, RawSocket, frame},
    start, start_with,
};

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

async fn server() -> TestServer {
    let websocket = WebSocketConfig { compression: true, ..WebSocketConfig::default() };
    start_with(ServerConfig { websocket, ..support::config() }).await
}

async fn ask(server: &TestServer, protocol: &str, offer: &str) -> RawSocket {
    let headers =
        format!("Sec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Extensions: {offer}\r\n");
    RawSocket::ask(server.address, &headers, b"").await
}

/// What the server has answered, empty if it did not speak of extensions.
fn answer(socket: &RawSocket) -> &str {
    assert!(socket.head.starts_with("HTTP/1.1 101"), "{}", socket.head);
    let header = socket.head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-extensions").then_some(value)
    });
    header.unwrap_or_default()
}

/// A message as a client sends it: by itself, without the end of the stream.
fn deflate(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 100);
    Compress::new(Compression::default(), false)
        .compress_vec(text, &mut out, FlushCompress::Sync)
        .unwrap();
    out.truncate(out.len() - 4);
    out
}

/// The next message, inflated if it says that it is compressed.
async fn message(socket: &mut RawSocket) -> (bool, Value) {
    let (first, payload) = socket.frame().await;
    let is_compressed = match first {
        0x81 => false,
        0xc1 => true,
        other => panic!("first byte {other:x}"),
    };
    let mut text = payload;
    if is_compressed {
        text.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let mut out = Vec::with_capacity(1 << 20);
        Decompress::new(false).decompress_vec(&text, &mut out, FlushDecompress::Sync).unwrap();
        text = out;
    }
    (is_compressed, serde_json::from_slice(&text).unwrap())
}

/// A socket that is acknowledged and follows topic `a`, as operation `id`.
async fn follow(server: &TestServer, id: &str) -> RawSocket {
    let mut socket = ask(server, MODERN, OFFER).await;
    assert_eq!(answer(&socket), AGREED);
    // Both compressed and not: that is for the client to choose.
    socket.write(&frame(0xc1, &deflate(br#"{"type":"connection_init"}"#))).await;
    assert_eq!(message(&mut socket).await, (false, json!({"type": "connection_ack"})));
    let subscribe = json!({"id": id, "type": "subscribe", "payload": {"query": "live a"}});
    socket.text(&subscribe.to_string()).await;
    socket
}

fn large(version: usize) -> String {
    let rows: Vec<String> = (0..200).map(|n| format!("{{\"id\":{n},\"name\":\"row\"}}")).collect();
    format!("{{\"data\":{{\"version\":{version},\"rows\":[{}]}}}}", rows.join(","))
}

#[tokio::test]
async fn it_is_agreed_on_only_where_it_is_switched_on_and_offered_well() {
    let off = start().await;
    assert_eq!(answer(&ask(&off, MODERN, OFFER).await), "");
    let on = server().await;
    assert_eq!(answer(&RawSocket::connect(on.address, MODERN, b"").await), "");
    for (offer, expected) in [
        ("permessage-deflate", AGREED.to_owned()),
        ("x, permessage-deflate; y=1, permessage-deflate", AGREED.to_owned()),
        (
            "permessage-deflate; server_max_window_bits=10",
            format!("{AGREED}; server_max_window_bits=10"),
        ),
        ("permessage-deflate; server_max_window_bits=7", String::new()),
        (
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            String::new(),
        ),
    ] {
        assert_eq!(answer(&ask(&on, MODERN, offer).await), expected, "{offer}");
    }
    let malformed = ask(&on, MODERN, "permessage-deflate; =1").await;
    assert!(malformed.head.starts_with("HTTP/1.1 400"), "{}", malformed.head);
}

#[tokio::test]
async fn without_agreement_a_compressed_message_is_a_violation() {
    let server = start().await;
    let mut socket = ask(&server, MODERN, OFFER).await;
    socket.write(&frame(0xc1, &deflate(b"{}"))).await;
    assert_eq!(socket.closed().await, 1002);
}

#[tokio::test]
async fn a_result_is_compressed_once_for_all_sockets() {
    let server = server().await;
    let mut sockets = Vec::new();
    for n in 0..20 {
        let mut socket = follow(&server, &format!("operation {n}")).await;
        // Too short to be worth while.
        assert!(!message(&mut socket).await.0);
        sockets.push(socket);
    }
    for version in 1..=3 {
        let payload = large(version);
        let expected: Value = serde_json::from_str(&payload).unwrap();
        server.fake.publish("a", payload);
        for (n, socket) in sockets.iter_mut().enumerate() {
            let id = format!("operation {n}");
            let next = json!({"id": id, "type": "next", "payload": expected});
            assert_eq!(message(socket).await, (true, next));
        }
    }
    assert_eq!(server.sample("artesian_compressed_payloads_total"), 3.0);
    assert_eq!(server.sample("artesian_compressed_messages_total"), 60.0);
    let saved = server.sample("artesian_compression_saved_bytes_total");
    assert!(saved > (60 * large(0).len()) as f64 * 0.7, "{saved}");
}

#[tokio::test]
async fn legacy_sockets_and_private_answers_are_compressed_too() {
    let server = server().await;
    server.fake.publish("big", large(7));
    let mut socket = ask(&server, LEGACY, OFFER).await;
    socket.text(r#"{"type":"connection_init"}"#).await;
    assert_eq!(message(&mut socket).await.1["type"], "connection_ack");
    assert_eq!(message(&mut socket).await.1["type"], "ka");
    socket.text(r#"{"id":"1","type":"start","payload":{"query":"raw big"}}"#).await;
    let (is_compressed, data) = message(&mut socket).await;
    assert!(is_compressed);
    assert_eq!((&data["type"], &data["payload"]["data"]["version"]), (&json!("data"), &json!(7)));
    assert_eq!(message(&mut socket).await.1["type"], "complete");
}

#[tokio::test]
async fn the_threshold_can_be_set() {
    let websocket = WebSocketConfig {
        compression: true,
        compression_threshold: 100_000,
        ..WebSocketConfig::default()
    };
    let server = start_with(ServerConfig { websocket, ..support::config() }).await;
    let mut socket = follow(&server, "1").await;
    message(&mut socket).await;
    server.fake.publish("a", large(1));
    assert!(!message(&mut socket).await.0);
}

#[tokio::test]
async fn what_cannot_be_inflated_closes_and_cancels() {
    let server = server().await;
    let bomb = deflate(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    let ping = deflate(b"ping");
    let hello = deflate(b"{\"type\":\"ping\"}");
    let rows: Vec<(Vec<u8>, u16)> = vec![
        (frame(0xc1, &bomb), 1009),
        (frame(0xc1, b"\x06"), 1007),
        (frame(0xc1, &hello[..hello.len() - 2]), 1007),
        (frame(0xc1, &deflate(b"\xff")), 1007),
        (frame(0xc9, &ping), 1002),
        ([frame(0x41, &hello), frame(0xc0, b"")].concat(), 1002),
        (frame(0xe1, &hello), 1002),
        (frame(0xc2, &hello), 4400),
    ];
    for (n, (bytes, code)) in rows.iter().enumerate() {
        let mut socket = follow(&server, "1").await;
        message(&mut socket).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut socket.stream, bytes).await;
        assert_eq!(socket.closed().await, *code, "row {n}");
        let drops = n + 1;
        server.fake.happened_times("drop a", drops).await;
    }
}

#[tokio::test]
async fn fragments_of_a_compressed_message_with_a_ping_between() {
    let server = server().await;
    let mut socket = follow(&server, "1").await;
    message(&mut socket).await;
    let text = deflate(br#"{"type":"ping","payload":{"n":1}}"#);
    let (a, b) = text.split_at(5);
    socket.write(&frame(0x41, a)).await;
    socket.write(&frame(0x89, b"between")).await;
    assert_eq!(socket.frame().await, (0x8a, b"between".to_vec()));
    socket.write(&frame(0x80, b)).await;
    let pong = json!({"type": "pong", "payload": {"n": 1}});
    assert_eq!(message(&mut socket).await, (false, pong));
}
