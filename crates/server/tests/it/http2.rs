//! WebSockets over HTTP/2 (RFC 8441).

use std::{net::SocketAddr, time::Duration};

use artesian_server::{Cors, LimitsConfig, ServerConfig, WebSocketConfig};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
    ext::Protocol,
    upgrade::Upgraded,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::support::{
    self, LIMIT, TestServer,
    socket::{MODERN, Socket},
    start, start_with,
};

async fn server_with(websocket: WebSocketConfig, cors: Cors) -> TestServer {
    let websocket = WebSocketConfig { http2: true, ..websocket };
    start_with(ServerConfig { websocket, cors, ..support::config() }).await
}

async fn server() -> TestServer {
    server_with(WebSocketConfig::default(), Cors::AllowAll).await
}

/// One HTTP/2 connection.
struct Client {
    sender: SendRequest<Empty<Bytes>>,
    /// Carries its bytes.
    wire: JoinHandle<()>,
}

impl Client {
    async fn new(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let wire = tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut far, &mut stream).await;
        });
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, wire }
    }

    async fn connect(
        &mut self,
        protocol: &'static str,
        headers: &[(&'static str, &str)],
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = "http://server.test/graphql".parse().unwrap();
        request.extensions_mut().insert(Protocol::from_static(protocol));
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        timeout(LIMIT, self.sender.send_request(request)).await.unwrap()
    }

    /// Opens a socket. Gives the headers of the answer with it.
    async fn open(
        &mut self,
        headers: &[(&'static str, &str)],
    ) -> (HeaderMap, Socket<TokioIo<Upgraded>>) {
        let mut all = vec![("sec-websocket-version", "13")];
        all.extend_from_slice(headers);
        let response = self.connect("websocket", &all).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let answer = response.headers().clone();
        let stream = hyper::upgrade::on(response).await.unwrap();
        (answer, Socket::over(TokioIo::new(stream), MODERN).await)
    }

    /// A socket that is acknowledged.
    async fn socket(&mut self) -> Socket<TokioIo<Upgraded>> {
        let (_, mut socket) = self.open(&[("sec-websocket-protocol", MODERN)]).await;
        socket.init(Value::Null).await;
        socket
    }
}

#[tokio::test]
async fn two_sockets_on_one_connection() {
    let server = server().await;
    let mut client = Client::new(server.address).await;
    let (mut one, mut two) = (client.socket().await, client.socket().await);
    one.subscribe("1", "live a").await;
    two.subscribe("1", "live a").await;
    assert_eq!(one.result("1").await, json!({"data": 0}));
    assert_eq!(two.result("1").await, json!({"data": 0}));
    server.fake.publish("a", r#"{"data":1}"#);
    assert_eq!(one.result("1").await, json!({"data": 1}));
    assert_eq!(two.result("1").await, json!({"data": 1}));
    // The end of one is not the end of the other.
    one.close().await;
    server.fake.happened("drop a").await;
    server.fake.publish("a", r#"{"data":2}"#);
    assert_eq!(two.result("1").await, json!({"data": 2}));
    two.send_text("nonsense").await;
    assert_eq!(two.closed().await.0, 4400);
    server.fake.happened_times("drop a", 2).await;
    // Nor of the connection.
    client.socket().await.nothing_more().await;
}

#[tokio::test]
async fn the_answer_has_what_http_2_has_and_the_server_prefers() {
    let server = server().await;
    let mut client = Client::new(server.address).await;
    let offers = [("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")];
    let (answer, _socket) = client.open(&offers).await;
    assert_eq!(answer["sec-websocket-protocol"], MODERN);
    for name in ["sec-websocket-accept", "upgrade", "connection", "sec-websocket-extensions"] {
        assert!(!answer.contains_key(name), "{name}");
    }
    let (_, mut none) = client.open(&[]).await;
    assert_eq!(none.closed().await.0, 4406);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let cors = Cors::List(vec!["https://app.example.com".to_owned()]);
    let server = server_with(WebSocketConfig::default(), cors).await;
    let mut client = Client::new(server.address).await;
    let version = ("sec-websocket-version", "13");
    let status = async |client: &mut Client, protocol, headers: &[_]| {
        client.connect(protocol, headers).await.unwrap().status().as_u16()
    };
    let old = client.connect("websocket", &[("sec-websocket-version", "8")]).await.unwrap();
    assert_eq!(old.status(), StatusCode::BAD_REQUEST);
    assert_eq!(old.headers()["sec-websocket-version"], "13");
    assert_eq!(status(&mut client, "websocket", &[]).await, 400);
    let bad_list = [version, ("sec-websocket-protocol", "a b")];
    assert_eq!(status(&mut client, "websocket", &bad_list).await, 400);
    assert_eq!(status(&mut client, "other", &[version]).await, 405);
    for (origin, expected) in [
        ("https://evil.example.com", 403),
        ("https://app.example.com", 200),
        // The server's own, by `:authority`.
        ("http://server.test", 200),
        ("null", 403),
    ] {
        let headers = [version, ("origin", origin)];
        assert_eq!(status(&mut client, "websocket", &headers).await, expected, "{origin}");
    }
}

#[tokio::test]
async fn headers_say_who_is_asking() {
    let server = server().await;
    let mut client = Client::new(server.address).await;
    let headers = [
        ("sec-websocket-protocol", MODERN),
        ("x-hasura-role", "editor"),
        ("x-hasura-user-id", "7"),
    ];
    let (_, mut socket) = client.open(&headers).await;
    socket.init(Value::Null).await;
    socket.subscribe("1", "identity").await;
    let result = socket.result("1").await;
    assert_eq!(result["data"]["role"], "editor");
    assert_eq!(result["data"]["session"]["x-hasura-user-id"], "7");
}

#[tokio::test]
async fn long_results_in_both_ways_and_a_reader_that_waits() {
    let websocket = WebSocketConfig { max_queue_bytes: 256 << 10, ..WebSocketConfig::default() };
    let server = server_with(websocket, Cors::AllowAll).await;
    let mut client = Client::new(server.address).await;
    let mut socket = client.socket().await;
    let padding = "x".repeat(900_000);
    let payload = json!({"padding": padding});
    socket.send(json!({"type": "ping", "payload": payload})).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "payload": payload}));
    socket.subscribe("1", "live a").await;
    assert_eq!(socket.result("1").await, json!({"data": 0}));
    // Nobody reads meanwhile: what waits is bounded, and the latest comes in the end.
    let total = 40;
    for version in 1..=total {
        server.fake.publish("a", json!({"data": version, "padding": padding}).to_string());
        tokio::task::yield_now().await;
        assert!(server.sample("artesian_outgoing_queue_bytes") < 2_000_000.0);
    }
    let mut results = 0;
    loop {
        let result = socket.result("1").await;
        results += 1;
        assert_eq!(result["padding"].as_str().unwrap().len(), padding.len());
        if result["data"] == total {
            break;
        }
    }
    assert!(results < total / 2, "{results}");
    // Another socket of the same connection gets through.
    client.socket().await.nothing_more().await;
}

#[tokio::test]
async fn a_lost_connection_and_a_dropped_stream_end_operations() {
    let server = server().await;
    let mut client = Client::new(server.address).await;
    let (mut one, mut two) = (client.socket().await, client.socket().await);
    one.subscribe("1", "live one").await;
    two.subscribe("1", "live two").await;
    one.result("1").await;
    two.result("1").await;
    drop(one);
    server.fake.happened("drop one").await;
    two.nothing_more().await;
    client.wire.abort();
    server.fake.happened("drop two").await;
}

#[tokio::test]
async fn the_end_of_the_server_closes_sockets() {
    let mut server = server().await;
    let mut client = Client::new(server.address).await;
    let mut socket = client.socket().await;
    server.stop();
    assert_eq!(socket.closed().await.0, 1001);
    drop((socket, client));
    server.stopped().await;
}

/// What the server says of itself in its settings.
async fn is_advertised(address: SocketAddr) -> bool {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::new(());
    *request.uri_mut() = "http://server.test/healthz".parse().unwrap();
    // An answer comes after the settings.
    let (response, _) = sender.send_request(request, true).unwrap();
    timeout(LIMIT, response).await.unwrap().unwrap();
    connection.abort();
    sender.is_extended_connect_protocol_enabled()
}

#[tokio::test]
async fn it_is_off_unless_it_is_switched_on() {
    let off = start().await;
    assert!(!is_advertised(off.address).await);
    let mut client = Client::new(off.address).await;
    let headers = [("sec-websocket-version", "13"), ("sec-websocket-protocol", MODERN)];
    assert!(client.connect("websocket", &headers).await.is_err());
    assert_eq!(off.sample("artesian_connections_opened_total{transport=\"websocket\"}"), 0.0);
    assert!(is_advertised(server().await.address).await);
    let none = WebSocketConfig { enabled: false, ..WebSocketConfig::default() };
    assert!(!is_advertised(server_with(none, Cors::AllowAll).await.address).await);
}

#[tokio::test]
async fn a_connection_with_sockets_is_not_idle_and_one_without_is() {
    let limits =
        LimitsConfig { http_idle_timeout: Duration::from_millis(100), ..Default::default() };
    let websocket = WebSocketConfig { http2: true, ..Default::default() };
    let server = start_with(ServerConfig { limits, websocket, ..support::config() }).await;
    let mut client = Client::new(server.address).await;
    let (_, mut socket) = client.open(&[("sec-websocket-protocol", MODERN)]).await;
    socket.init(Value::Null).await;
    socket.subscribe("1", "live a").await;
    socket.result("1").await;
    for n in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.fake.publish("a", format!("{{\"data\":{n}}}"));
        assert_eq!(socket.result("1").await["data"], n);
    }
    assert_eq!(server.hits("http_idle"), 0.0);
    socket.close().await;
    server.sample_becomes("artesian_limit_hits_total{limit=\"http_idle\"}", 1.0).await;
    server.sample_becomes("artesian_connections{transport=\"http\"}", 0.0).await;
}

#[tokio::test]
async fn sockets_have_the_same_caps() {
    let limits = LimitsConfig { max_sockets: 1, ..Default::default() };
    let websocket = WebSocketConfig { http2: true, ..Default::default() };
    let server = start_with(ServerConfig { limits, websocket, ..support::config() }).await;
    let mut client = Client::new(server.address).await;
    let headers = [("sec-websocket-version", "13"), ("sec-websocket-protocol", MODERN)];
    let (_, first) = client.open(&headers[1..]).await;
    let second = client.connect("websocket", &headers).await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(second.headers().contains_key("retry-after"));
    first.close().await;
    let name = format!("artesian_connections{{transport=\"{MODERN}\"}}");
    server.sample_becomes(&name, 0.0).await;
    client.open(&headers[1..]).await;
}
