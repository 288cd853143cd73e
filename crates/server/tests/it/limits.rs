//! Caps and rates of connections, on every transport.

use std::time::Duration;

use artesian_server::{AuthConfig, LimitsConfig, RateLimit, ServerConfig};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    self, TestServer,
    http::{Reply, open, post, request},
    socket::{LEGACY, MODERN, RawSocket},
    start_with,
};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

async fn server(limits: LimitsConfig) -> TestServer {
    start_with(ServerConfig { limits, ..support::config() }).await
}

/// Behind a proxy that is this machine, so that tests can be many clients.
fn proxied() -> LimitsConfig {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    LimitsConfig { trusted_proxies, ..LimitsConfig::default() }
}

/// What an upgrade is answered with.
async fn upgrade(server: &TestServer, headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", MODERN),
    ];
    all.extend_from_slice(headers);
    server.send(request(http::Method::GET, "/graphql", &all, "")).await
}

/// Checks a refusal: the shape of all errors, and a time to come back.
fn refused(reply: &Reply, status: StatusCode) {
    assert_eq!(reply.status, status, "{:?}", reply.body);
    assert_eq!(reply.error_code(), "limit-exceeded");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
}

/// An event stream that is open.
async fn events(server: &TestServer, headers: &[(&str, &str)]) -> http::Response<Incoming> {
    let mut all = vec![EVENTS];
    all.extend_from_slice(headers);
    let response = open(server.address, post("live a", &all)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[tokio::test]
async fn sockets_and_event_streams_have_one_cap() {
    let server = server(LimitsConfig { max_sockets: 3, ..Default::default() }).await;
    let modern = server.socket(MODERN).await;
    let legacy = server.socket(LEGACY).await;
    let stream = events(&server, &[]).await;
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
    refused(&server.send(post("live a", &[EVENTS])).await, StatusCode::SERVICE_UNAVAILABLE);
    refused(&server.send_http2(post("live a", &[EVENTS])).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.hits("sockets"), 3.0);
    assert_eq!(server.post("raw a").await.status, StatusCode::OK, "single answers still pass");
    // Whoever goes makes room for one.
    drop(stream);
    server.sample_becomes("artesian_connections{transport=\"sse\"}", 0.0).await;
    let again = server.socket(MODERN).await;
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
    for socket in [modern, legacy, again] {
        socket.close().await;
    }
    for protocol in [MODERN, LEGACY] {
        let name = format!("artesian_connections{{transport=\"{protocol}\"}}");
        server.sample_becomes(&name, 0.0).await;
    }
    let _all = (events(&server, &[]).await, events(&server, &[]).await, events(&server, &[]).await);
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn each_address_has_its_own_cap() {
    let server = server(LimitsConfig { max_sockets_per_ip: 1, ..proxied() }).await;
    let first = ("x-forwarded-for", "6.6.6.6, 1.1.1.1");
    let _socket = server.connect(MODERN, &[first]).await;
    refused(&upgrade(&server, &[first]).await, StatusCode::TOO_MANY_REQUESTS);
    refused(&server.send(post("live a", &[EVENTS, first])).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.hits("sockets_per_ip"), 2.0);
    let _other = events(&server, &[("x-forwarded-for", "1.1.1.2")]).await;
    let v6 = |text| [("x-forwarded-for", text)];
    let _v6 = server.connect(LEGACY, &v6("2001:db8::1")).await;
    refused(&upgrade(&server, &v6("2001:db8::2")).await, StatusCode::TOO_MANY_REQUESTS);
    let _v6 = server.connect(LEGACY, &v6("2001:db8:0:1::1")).await;
}

#[tokio::test]
async fn a_client_that_is_no_trusted_proxy_cannot_say_who_it_is() {
    let server = server(LimitsConfig { max_sockets_per_ip: 1, ..Default::default() }).await;
    let _socket = server.connect(MODERN, &[("x-forwarded-for", "1.1.1.1")]).await;
    let other = ("x-forwarded-for", "2.2.2.2");
    refused(&upgrade(&server, &[other]).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn each_identity_has_its_own_cap() {
    let server = server(LimitsConfig { max_sockets_per_identity: 1, ..Default::default() }).await;
    let user =
        |id: u32| json!({"headers": {"X-Hasura-Role": "user", "X-Hasura-User-Id": id.to_string()}});
    let mut first = server.connect(MODERN, &[]).await;
    first.init(user(1)).await;
    let reason = "too many connections of this role and session";
    let mut modern = server.connect(MODERN, &[]).await;
    modern.send_init(user(1)).await;
    assert_eq!(modern.closed().await, (1013, reason.to_owned()));
    let mut legacy = server.connect(LEGACY, &[]).await;
    legacy.send_init(user(1)).await;
    let error = legacy.next().await;
    assert_eq!(error, json!({"type": "connection_error", "payload": {"message": reason}}));
    assert_eq!(legacy.closed().await, (1013, reason.to_owned()));
    let headers = [EVENTS, ("x-hasura-role", "user"), ("x-hasura-user-id", "1")];
    refused(&server.send(post("live a", &headers)).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.hits("sockets_per_identity"), 3.0);
    // Another user of the same role, over each transport.
    let mut other = server.connect(LEGACY, &[]).await;
    other.init(user(2)).await;
    // To say again who it is does not count twice, and to be somebody else frees the first place.
    other.init_again(user(2)).await;
    other.init_again(user(3)).await;
    let headers = [("x-hasura-role", "user"), ("x-hasura-user-id", "2")];
    let _stream = events(&server, &headers).await;
    first.close().await;
    let name = format!("artesian_connections{{transport=\"{MODERN}\"}}");
    server.sample_becomes(&name, 0.0).await;
    let mut again = server.connect(MODERN, &[]).await;
    again.init(user(1)).await;
}

#[tokio::test]
async fn who_connects_too_often_is_told_to_wait() {
    let connect_rate_per_ip = RateLimit { per_second: 1, burst: 2 };
    let server = server(LimitsConfig { connect_rate_per_ip, ..proxied() }).await;
    for (address, is_stream) in [("1.1.1.1", false), ("1.1.1.2", true)] {
        let from = ("x-forwarded-for", address);
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let reply = if is_stream {
                server.send(post("events 1", &[EVENTS, from])).await
            } else {
                let request = upgrade_of(&server, from).await;
                if request.status() == StatusCode::SWITCHING_PROTOCOLS {
                    statuses.push(request.status());
                    continue;
                }
                support::http::read(request).await
            };
            statuses.push(reply.status);
            if reply.status == StatusCode::TOO_MANY_REQUESTS {
                refused(&reply, StatusCode::TOO_MANY_REQUESTS);
                break;
            }
        }
        assert!(statuses.len() > 2, "a burst passes");
        assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    }
    assert_eq!(server.hits("connect_rate"), 2.0);
    let _other = server.connect(MODERN, &[("x-forwarded-for", "1.1.1.3")]).await;
    assert_eq!(server.post("raw a").await.status, StatusCode::OK, "single answers still pass");
}

async fn upgrade_of(server: &TestServer, from: (&str, &str)) -> http::Response<Incoming> {
    let headers = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        from,
    ];
    open(server.address, request(http::Method::GET, "/graphql", &headers, "")).await
}

#[tokio::test]
async fn sockets_without_acknowledgement_have_a_cap() {
    let server = server(LimitsConfig { max_pending_sockets: 2, ..Default::default() }).await;
    let mut first = server.connect(MODERN, &[]).await;
    let second = server.connect(LEGACY, &[]).await;
    assert_eq!(server.sample("artesian_sockets_pending"), 2.0);
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.hits("pending_sockets"), 1.0);
    // Event streams are never pending.
    let _stream = events(&server, &[]).await;
    first.init(Value::Null).await;
    let third = server.connect(MODERN, &[]).await;
    drop((second, third));
    server.sample_becomes("artesian_sockets_pending", 0.0).await;
}

/// Open connections of the legacy protocol.
const LEGACY_SOCKETS: &str = "artesian_connections{transport=\"graphql-ws\"}";

#[tokio::test]
async fn a_legacy_client_that_comes_back_again_and_again_waits_for_its_acknowledgement() {
    let legacy_ack_delay = Duration::from_millis(100);
    let server = server(LimitsConfig { legacy_ack_delay, ..proxied() }).await;
    let from = ("x-forwarded-for", "1.1.1.1");
    for _ in 0..20 {
        // It does not wait for the acknowledgement before it starts something.
        let mut socket = server.connect(LEGACY, &[from]).await;
        socket.send_init(Value::Null).await;
        socket.subscribe("1", "identity").await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        assert_eq!(socket.next().await["type"], "ka");
        socket.result("1").await;
        socket.completed("1").await;
        // It is cut off: the connection breaks.
        drop(socket);
        server.sample_becomes(LEGACY_SOCKETS, 0.0).await;
    }
    let delayed = server.hits("ack_delay");
    assert!((1.0..=11.0).contains(&delayed), "{delayed}");
    // Not the modern protocol, whose clients wait by themselves; not another address, nor another
    // identity at this one.
    let mut modern = server.connect(MODERN, &[from]).await;
    modern.init(Value::Null).await;
    let mut other = server.connect(LEGACY, &[("x-forwarded-for", "1.1.1.2")]).await;
    other.init(Value::Null).await;
    let mut user = server.connect(LEGACY, &[from]).await;
    user.init(json!({"X-Hasura-Role": "user"})).await;
    assert_eq!(server.hits("ack_delay"), delayed);
    server.sample_becomes("artesian_sockets_pending", 0.0).await;
}

#[tokio::test]
async fn a_crowd_of_legacy_clients_that_stay_waits_for_nothing() {
    let server = server(LimitsConfig::default()).await;
    let mut crowd = Vec::new();
    for _ in 0..50 {
        let mut socket = server.connect(LEGACY, &[]).await;
        socket.init(Value::Null).await;
        crowd.push(socket);
    }
    assert_eq!(server.hits("ack_delay"), 0.0);
}

#[tokio::test]
async fn legacy_clients_that_close_their_connections_wait_for_nothing() {
    let server = server(LimitsConfig::default()).await;
    for turn in 0..40 {
        let mut socket = server.connect(LEGACY, &[]).await;
        socket.init(Value::Null).await;
        socket.subscribe("1", "identity").await;
        socket.result("1").await;
        socket.completed("1").await;
        if turn % 2 == 0 {
            socket.close().await;
        } else {
            socket.send(json!({"type": "connection_terminate"})).await;
            drop(socket);
        }
        server.sample_becomes(LEGACY_SOCKETS, 0.0).await;
    }
    assert_eq!(server.hits("ack_delay"), 0.0);
}

#[tokio::test]
async fn a_delayed_client_may_leave() {
    let legacy_ack_delay = Duration::from_secs(1000);
    let server = server(LimitsConfig { legacy_ack_delay, ..Default::default() }).await;
    for _ in 0..20 {
        let mut socket = server.connect(LEGACY, &[]).await;
        socket.send_init(Value::Null).await;
        socket.nothing_or_ack().await;
        drop(socket);
        server.sample_becomes(LEGACY_SOCKETS, 0.0).await;
    }
    assert!(server.hits("ack_delay") >= 1.0);
    server.sample_becomes("artesian_sockets_pending", 0.0).await;
}

#[tokio::test]
async fn connections_have_a_cap_and_those_beyond_it_are_told() {
    let server = server(LimitsConfig { max_connections: 2, ..Default::default() }).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    // A WebSocket is one connection, before its upgrade and after it.
    let socket = server.socket(MODERN).await;
    server.sample_becomes("artesian_connections{transport=\"http\"}", 1.0).await;
    let answer = server.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(head.contains("\r\nretry-after: ") && head.contains("\r\nconnection: close\r\n"));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "limit-exceeded");
    assert_eq!(server.hits("connections"), 1.0);
    drop(idle);
    server.sample_becomes("artesian_connections{transport=\"http\"}", 0.0).await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    socket.close().await;
    let name = format!("artesian_connections{{transport=\"{MODERN}\"}}");
    server.sample_becomes(&name, 0.0).await;
    let _both = (server.socket(MODERN).await, server.socket(LEGACY).await);
    assert!(server.raw(b"GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn nothing_stays_counted_of_those_who_were_refused_or_went() {
    const CAP: usize = 6;
    let limits = LimitsConfig {
        max_connections: 2 * CAP,
        max_sockets: CAP,
        max_sockets_per_ip: CAP,
        max_sockets_per_identity: CAP,
        max_pending_sockets: CAP,
        ..Default::default()
    };
    let auth = AuthConfig::with_secrets(vec!["secret".to_owned()]);
    let server = start_with(ServerConfig { limits, auth, ..support::config() }).await;
    let secret = ("x-hasura-admin-secret", "secret");
    for n in 0..60 {
        match n % 6 {
            // Gone before it asked, in the middle of asking, and before it could be told.
            0 => drop(TcpStream::connect(server.address).await.unwrap()),
            1 => {
                let mut stream = TcpStream::connect(server.address).await.unwrap();
                stream.write_all(b"GET /graphql HTTP/1.1\r\nupg").await.unwrap();
            }
            2 => {
                let mut stream = TcpStream::connect(server.address).await.unwrap();
                let head = "GET /graphql HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: \
                            upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: \
                            dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            3 => {
                // Wrong credentials.
                let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
                socket.text(r#"{"type":"connection_init"}"#).await;
                assert_eq!(socket.closed().await, 4403);
            }
            4 => drop(open(server.address, post("live a", &[EVENTS, secret])).await),
            _ => {
                let socket = RawSocket::connect(server.address, LEGACY, b"").await;
                drop(socket);
            }
        }
        for transport in ["http", "sse", MODERN, LEGACY, "websocket"] {
            let name = format!("artesian_connections{{transport=\"{transport}\"}}");
            server.sample_becomes(&name, 0.0).await;
        }
    }
    assert_eq!(server.sample("artesian_sockets_pending"), 0.0);
    let mut open = Vec::new();
    for _ in 0..CAP {
        let mut socket = server.connect(MODERN, &[secret]).await;
        socket.init(Value::Null).await;
        open.push(socket);
    }
    refused(&upgrade(&server, &[]).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn sockets_that_are_not_used_or_too_old_are_closed() {
    let idle_timeout = Duration::from_millis(100);
    let one = server(LimitsConfig { idle_timeout, ..Default::default() }).await;
    let mut busy = one.socket(MODERN).await;
    busy.subscribe("1", "live a").await;
    busy.result("1").await;
    for protocol in [MODERN, LEGACY] {
        let mut idle = one.socket(protocol).await;
        assert_eq!(idle.closed().await, (1001, "Idle".to_owned()));
    }
    busy.nothing_more().await;
    busy.stop("1").await;
    assert_eq!(busy.closed().await, (1001, "Idle".to_owned()));
    assert_eq!(one.hits("idle"), 3.0);

    let max_age = Duration::from_millis(100);
    let two = server(LimitsConfig { max_age, ..Default::default() }).await;
    for protocol in [MODERN, LEGACY] {
        let mut socket = two.socket(protocol).await;
        socket.subscribe("1", "live a").await;
        assert_eq!(socket.closed().await, (1001, "Too old".to_owned()));
    }
    two.fake.happened_times("drop a", 2).await;
    assert_eq!(two.hits("max_age"), 2.0);
}

#[tokio::test]
async fn older_limits_are_counted_too() {
    let mut config = support::config();
    config.websocket.max_operations = 1;
    config.websocket.init_timeout = Duration::from_millis(50);
    config.websocket.max_message_bytes = 200_000;
    config.max_body_bytes = 1000;
    config.max_head_bytes = 8192;
    config.max_batch_size = 1;
    config.sse_max_reservations = 1;
    let server = start_with(config).await;
    for protocol in [MODERN, LEGACY] {
        let mut silent = server.connect(protocol, &[]).await;
        silent.closed().await;
        let mut socket = server.socket(protocol).await;
        socket.subscribe("1", "live a").await;
        socket.result("1").await;
        socket.subscribe("2", "live a").await;
        socket.next().await;
        socket.subscribe("3", "excessive").await;
        socket.next().await;
        socket.send_text(&"x".repeat(200_001)).await;
        assert_eq!(socket.closed().await.0, 1009);
    }
    let mut eager = server.connect(LEGACY, &[]).await;
    eager.subscribe("1", &"x".repeat(70_000)).await;
    assert_eq!(eager.closed().await.0, 1008);
    assert_eq!(server.post(&"x".repeat(1000)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.post("excessive").await.error_code(), "limit-exceeded");
    let batch = r#"[{"query":"raw a"},{"query":"raw a"}]"#;
    let json = [("content-type", "application/json")];
    let reply = server.send(request(http::Method::POST, "/graphql", &json, batch)).await;
    assert_eq!(reply.error_code(), "limit-exceeded");
    for _ in 0..2 {
        server.send(request(http::Method::PUT, "/graphql/stream", &[], "")).await;
    }
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(10_000));
    assert!(server.raw(head.as_bytes()).await.starts_with("HTTP/1.1 431"));
    for (limit, expected) in [
        ("init_timeout", 2.0),
        // The third is refused by the socket too, before anybody reads it.
        ("socket_operations", 4.0),
        ("message_bytes", 2.0),
        ("pre_ack_queue", 1.0),
        ("body_bytes", 1.0),
        ("batch_size", 1.0),
        ("reservations", 1.0),
        ("operation", 1.0),
        ("head_bytes", 1.0),
    ] {
        assert_eq!(server.hits(limit), expected, "{limit}");
    }
    let mut response = open(server.address, post("live b", &[EVENTS])).await;
    assert!(response.body_mut().frame().await.is_some());
}

#[tokio::test]
async fn multipart_and_reserved_streams_are_sockets_too() {
    let server = server(LimitsConfig { max_sockets: 1, ..Default::default() }).await;
    let multipart = ("accept", "multipart/mixed;subscriptionSpec=1.0, application/json");
    let first = open(server.address, post("live a", &[multipart])).await;
    assert_eq!(first.status(), StatusCode::OK);
    refused(&server.send(post("live a", &[multipart])).await, StatusCode::SERVICE_UNAVAILABLE);
    let path = "/graphql/stream";
    let reserved = server.send(request(http::Method::PUT, path, &[], "")).await;
    let token = reserved.text().to_owned();
    let events = || {
        let headers = [("x-graphql-event-stream-token", token.as_str()), EVENTS];
        request(http::Method::GET, path, &headers, "")
    };
    refused(&server.send(events()).await, StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    server.sample_becomes("artesian_connections{transport=\"multipart\"}", 0.0).await;
    // The reservation was kept.
    let second = open(server.address, events()).await;
    assert_eq!(second.status(), StatusCode::OK);
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
    drop(second);
    server.sample_becomes("artesian_connections{transport=\"sse\"}", 0.0).await;
    let _third = server.socket(MODERN).await;
}

#[tokio::test]
async fn other_limits_come_into_force_and_the_counts_go_on() {
    let config = |limits| ServerConfig { limits, ..support::config() };
    let server = server(LimitsConfig { max_sockets_per_ip: 3, ..Default::default() }).await;
    let change = |limits| server.control.prepare(config(limits)).unwrap().commit();
    let first = server.socket(MODERN).await;
    let second = server.socket(LEGACY).await;
    change(LimitsConfig { max_sockets_per_ip: 2, ..Default::default() });
    refused(&upgrade(&server, &[]).await, StatusCode::TOO_MANY_REQUESTS);
    change(LimitsConfig { max_sockets: 2, ..Default::default() });
    refused(&upgrade(&server, &[]).await, StatusCode::SERVICE_UNAVAILABLE);
    // Nobody is sent away who is in, and what goes is no longer counted.
    for mut socket in [first, second] {
        socket.nothing_more().await;
        socket.close().await;
    }
    for protocol in [MODERN, LEGACY] {
        let name = format!("artesian_connections{{transport=\"{protocol}\"}}");
        server.sample_becomes(&name, 0.0).await;
    }
    let third = server.socket(MODERN).await;
    change(LimitsConfig { max_sockets_per_ip: 1, max_executions: 1, ..Default::default() });
    // One that came while addresses were not counted does not count.
    let _fourth = server.socket(MODERN).await;
    refused(&upgrade(&server, &[]).await, StatusCode::TOO_MANY_REQUESTS);
    drop(third);
}
