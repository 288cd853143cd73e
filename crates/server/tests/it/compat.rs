//! Clients that offer no subprotocol, and compatibility modes where the server has a part in them.

use artesian_server::{AuthConfig, CompatProfile, ServerConfig, Subprotocol, WebSocketConfig};
use serde_json::json;

use super::support::{
    self, TestServer,
    socket::{LEGACY, MODERN, RawSocket},
    start_with,
};

async fn imitate(profile: CompatProfile) -> TestServer {
    with(WebSocketConfig { compat: vec![profile], ..Default::default() }).await
}

async fn with(websocket: WebSocketConfig) -> TestServer {
    start_with(ServerConfig { websocket, ..support::config() }).await
}

#[tokio::test]
async fn without_an_offer_the_default_is_spoken() {
    for (default, subscribe, first) in
        [(Subprotocol::TransportWs, "subscribe", "next"), (Subprotocol::Legacy, "start", "data")]
    {
        let default_subprotocol = Some(default);
        let server = with(WebSocketConfig { default_subprotocol, ..Default::default() }).await;
        let mut socket = server.connect("", &[]).await;
        socket.send_init(json!({})).await;
        assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
        if default == Subprotocol::Legacy {
            assert_eq!(socket.next().await, json!({"type": "ka"}));
        }
        let payload = json!({"query": "mutation"});
        socket.send(json!({"type": subscribe, "id": "1", "payload": payload})).await;
        assert_eq!(socket.next().await["type"], first);
        // An offer counts more, and one that nobody knows is no absence of one.
        let mut unknown = RawSocket::connect(server.address, "mqtt", b"").await;
        assert_eq!(unknown.closed().await, 4406);
        for protocol in [MODERN, LEGACY] {
            let mut socket = server.socket(protocol).await;
            socket.subscribe("1", "mutation").await;
            socket.result("1").await;
        }
    }
}

/// RFC 6455, section 4.1: clients drop a connection that names a subprotocol they did not offer.
#[tokio::test]
async fn without_an_offer_none_is_named() {
    let default_subprotocol = Some(Subprotocol::Legacy);
    let server = with(WebSocketConfig { default_subprotocol, ..Default::default() }).await;
    let head = "GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A close frame, so that there is an end to read to.
    let mut bytes = head.as_bytes().to_vec();
    bytes.extend(support::socket::frame(0x88, &[]));
    let answer = server.raw(&bytes).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(!answer.contains("sec-websocket-protocol"), "{answer}");
}

#[tokio::test]
async fn mercurius_takes_the_first_subprotocol_that_is_known() {
    const OFFERS: [(&str, &[u8]); 4] = [
        ("graphql-ws, graphql-transport-ws", b"ka"),
        ("mqtt,graphql-ws,graphql-transport-ws", b"ka"),
        ("graphql-transport-ws, graphql-ws", b"pong"),
        ("graphql-transport-ws", b"pong"),
    ];
    let server = imitate(CompatProfile::Mercurius).await;
    for (offer, expected) in OFFERS {
        let mut socket = RawSocket::connect(server.address, offer, b"").await;
        socket.text(r#"{"type":"connection_init"}"#).await;
        assert_eq!(socket.frame().await.1, br#"{"type":"connection_ack"}"#);
        socket.text(r#"{"type":"ping"}"#).await;
        let answer = socket.frame().await.1;
        assert!(answer.windows(expected.len()).any(|part| part == expected), "{offer}");
    }
    let mut unknown = RawSocket::connect(server.address, "mqtt", b"").await;
    assert_eq!(unknown.closed().await, 4406);
}

#[tokio::test]
async fn tyk_has_the_result_in_complete() {
    let server = imitate(CompatProfile::Tyk).await;
    for protocol in [MODERN, LEGACY] {
        let mut socket = server.socket(protocol).await;
        socket.subscribe("1", "variables").await;
        let result = socket.result("1").await;
        let complete = socket.next().await;
        assert_eq!(complete, json!({"type": "complete", "id": "1", "payload": result}));
        socket.subscribe("2", "events 1").await;
        socket.result("2").await;
        let complete = socket.next().await;
        assert_eq!((&complete["type"], &complete["payload"]), (&json!("complete"), &json!(null)));
    }
}

#[tokio::test]
async fn tyk_starts_without_init_as_whom_the_upgrade_says() {
    let compat = vec![CompatProfile::Tyk];
    let websocket = WebSocketConfig { compat, ..Default::default() };
    let auth = AuthConfig::with_secrets(vec!["hush".to_owned()]);
    let server = start_with(ServerConfig { websocket, auth, ..support::config() }).await;
    let headers = [("x-hasura-admin-secret", "hush"), ("x-hasura-role", "reader")];
    let mut socket = server.connect(LEGACY, &headers).await;
    socket.subscribe("1", "identity").await;
    assert_eq!(socket.result("1").await["data"]["role"], "reader");
    let mut stranger = server.connect(LEGACY, &[]).await;
    stranger.subscribe("1", "hang x").await;
    assert_eq!(stranger.next().await["type"], "connection_error");
    assert_eq!(stranger.closed().await.0, 1011);
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn hasura_tells_of_a_failed_query_by_error() {
    let server = imitate(CompatProfile::Hasura).await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.send_init(json!({})).await;
    assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
    let ping = json!({"type": "ping", "payload": {"message": "keepalive"}});
    assert_eq!(socket.next().await, ping);
    socket.subscribe("1", "failing").await;
    let error = socket.next().await;
    assert_eq!(error["type"], "error");
    assert_eq!(error["payload"][0]["message"], "division by zero");
    socket.nothing_more().await;
}

#[tokio::test]
async fn mercurius_reads_binary_messages() {
    let server = imitate(CompatProfile::Mercurius).await;
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    socket.write(&support::socket::frame(0x82, br#"{"type":"ping"}"#)).await;
    assert_eq!(socket.frame().await, (0x81, br#"{"type":"pong"}"#.to_vec()));
}
