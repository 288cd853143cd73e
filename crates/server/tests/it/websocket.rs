//! Both subprotocols.

use std::time::Duration;

use artesian_server::{ServerConfig, WebSocketConfig};
use serde_json::{Value, json};

use crate::support::{
    self, TestServer,
    socket::{LEGACY, MODERN, RawSocket, Socket, frame},
    start, start_with,
};

const BOTH: [&str; 2] = [MODERN, LEGACY];

async fn with(websocket: WebSocketConfig) -> TestServer {
    start_with(ServerConfig { websocket, ..support::config() }).await
}

#[tokio::test]
async fn a_subscription_from_start_to_stop() {
    let server = start().await;
    for protocol in BOTH {
        server.fake.publish("a", "{\"data\":1}");
        let drops = server.fake.count("drop a");
        let mut socket = server.socket(protocol).await;
        socket.subscribe("1", "live a").await;
        assert_eq!(socket.result("1").await, json!({"data": 1}));
        server.fake.publish("a", "{\"data\" : \n 2}");
        assert_eq!(socket.result("1").await, json!({"data": 2}));
        socket.stop("1").await;
        if protocol == LEGACY {
            socket.completed("1").await;
        }
        server.fake.happened_times("drop a", drops + 1).await;
        server.fake.publish("a", "{\"data\":3}");
        socket.nothing_more().await;
        // The id is free again.
        socket.subscribe("1", "live a").await;
        assert_eq!(socket.result("1").await, json!({"data": 3}));
        socket.close().await;
        server.fake.happened_times("drop a", drops + 2).await;
    }
}

#[tokio::test]
async fn operations_of_every_kind() {
    let server = start().await;
    for protocol in BOTH {
        let mut socket = server.socket(protocol).await;
        for (query, results) in [
            ("mutation", vec![json!({"data": true})]),
            ("events 3", vec![json!({"data": 1}), json!({"data": 2}), json!({"data": 3})]),
            ("events 0", vec![]),
        ] {
            socket.subscribe("x", query).await;
            for result in results {
                assert_eq!(socket.result("x").await, result);
            }
            socket.completed("x").await;
        }
        let payload = json!({"query": "variables", "operationName": "Q", "variables": {"n": 1}});
        let kind = if protocol == LEGACY { "start" } else { "subscribe" };
        socket.send(json!({"id": "v", "type": kind, "payload": payload})).await;
        let expected = json!({"data": {"variables": {"n": 1}, "operationName": "Q"}});
        assert_eq!(socket.result("v").await, expected);
        socket.completed("v").await;
    }
}

/// Takes the refusal of an operation and gives its first error.
async fn refusal(socket: &mut Socket, id: &str) -> Value {
    if socket.protocol == LEGACY {
        let mut payload = socket.result(id).await;
        socket.completed(id).await;
        return payload["errors"][0].take();
    }
    let mut message = socket.next().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)));
    message["payload"][0].take()
}

#[tokio::test]
async fn errors_end_operations_and_not_sockets() {
    let server = start().await;
    for protocol in BOTH {
        let mut socket = server.socket(protocol).await;
        for (query, code) in [
            ("invalid", "validation-failed"),
            ("syntax", "validation-failed"),
            ("forbidden", "permission-error"),
            ("unstartable", "not-found"),
        ] {
            socket.subscribe("1", query).await;
            assert_eq!(refusal(&mut socket, "1").await["extensions"]["code"], code, "{query}");
            socket.nothing_more().await;
        }
        socket.subscribe("1", "failing").await;
        let result = socket.result("1").await;
        assert_eq!(result["data"], Value::Null);
        assert_eq!(result["errors"][0]["extensions"]["code"], "data-exception");
        socket.completed("1").await;

        socket.subscribe("1", "flaky").await;
        assert_eq!(socket.result("1").await, json!({"data": 1}));
        let error = socket.result("1").await;
        assert_eq!(error["errors"][0]["extensions"], json!({"path": "$", "code": "unexpected"}));
        assert_eq!(socket.result("1").await, json!({"data": 2}));
        socket.completed("1").await;

        socket.subscribe("2", "evicted").await;
        assert_eq!(socket.result("2").await, json!({"data": 1}));
        let error = socket.next().await;
        let extensions = json!({"path": "$", "code": "validation-failed"});
        let one = json!({"message": "no such field", "extensions": extensions});
        let payload = if protocol == MODERN { json!([one]) } else { one };
        assert_eq!(error, json!({"type": "error", "id": "2", "payload": payload}));
        socket.nothing_more().await;
    }
}

#[tokio::test]
async fn a_slow_operation_holds_up_nothing() {
    let server = start().await;
    for protocol in BOTH {
        let drops = server.fake.count("drop slow");
        let mut socket = server.socket(protocol).await;
        socket.subscribe("slow", "hang slow").await;
        let other = format!("other {protocol}");
        socket.subscribe("other", &format!("hang {other}")).await;
        server.fake.happened_times("run slow", drops + 1).await;
        socket.subscribe("quick", "mutation").await;
        assert_eq!(socket.result("quick").await, json!({"data": true}));
        socket.completed("quick").await;
        socket.nothing_more().await;
        if protocol == MODERN {
            socket.send(json!({"type": "ping", "payload": {"n": 1}})).await;
            assert_eq!(socket.next().await, json!({"type": "pong", "payload": {"n": 1}}));
        }
        socket.stop("slow").await;
        server.fake.happened_times("drop slow", drops + 1).await;
        if protocol == LEGACY {
            socket.completed("slow").await;
        }
        socket.nothing_more().await;
        server.fake.release(&other);
        assert_eq!(socket.result("other").await, json!({"data": other}));
        socket.completed("other").await;
    }
}

#[tokio::test]
async fn the_loss_of_a_socket_cancels_everything() {
    let server = start().await;
    for protocol in BOTH {
        let drops = server.fake.count("drop a");
        let mut socket = server.socket(protocol).await;
        for id in ["1", "2", "3"] {
            socket.subscribe(id, "live a").await;
            socket.result(id).await;
        }
        socket.subscribe("4", "hang a").await;
        server.fake.happened_times("run a", drops + 4).await;
        drop(socket);
        server.fake.happened_times("drop a", drops + 4).await;
        let gauge = format!("artesian_connections{{transport=\"{protocol}\"}}");
        server.sample_becomes(&gauge, 0.0).await;
    }
}

#[tokio::test]
async fn ids_in_use() {
    let server = start().await;
    let mut modern = server.socket(MODERN).await;
    modern.subscribe("1", "live a").await;
    modern.result("1").await;
    modern.subscribe("1", "live b").await;
    assert_eq!(modern.closed().await, (4409, "Subscriber for 1 already exists".into()));
    server.fake.happened("drop a").await;

    let mut legacy = server.socket(LEGACY).await;
    legacy.subscribe("1", "live c").await;
    legacy.result("1").await;
    server.fake.publish("d", "{\"data\":\"d\"}");
    legacy.subscribe("1", "live d").await;
    assert_eq!(legacy.result("1").await, json!({"data": "d"}));
    server.fake.happened("drop c").await;
    server.fake.publish("c", "{\"data\":\"stale\"}");
    legacy.nothing_more().await;
}

#[tokio::test]
async fn nothing_runs_before_the_acknowledgement() {
    let server = start().await;
    let mut modern = server.connect(MODERN, &[]).await;
    modern.subscribe("1", "live a").await;
    assert_eq!(modern.closed().await.0, 4401);
    let mut legacy = server.connect(LEGACY, &[]).await;
    legacy.subscribe("1", "mutation").await;
    legacy.nothing_more().await;
    assert_eq!(server.fake.log(), Vec::<String>::new());
    legacy.init(Value::Null).await;
    legacy.result("1").await;
    legacy.completed("1").await;
}

#[tokio::test]
async fn what_comes_along_with_the_upgrade_is_not_lost() {
    let server = start().await;
    let mut early = frame(0x81, br#"{"type":"connection_init"}"#);
    let subscribe = br#"{"id":"1","type":"subscribe","payload":{"query":"mutation"}}"#;
    early.extend(frame(0x81, subscribe));
    let mut socket = RawSocket::connect(server.address, MODERN, &early).await;
    for expected in [
        r#"{"type":"connection_ack"}"#,
        r#"{"id":"1","type":"next","payload":{"data":true}}"#,
        r#"{"id":"1","type":"complete"}"#,
    ] {
        assert_eq!(socket.frame().await, (0x81, expected.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn subprotocols() {
    let server = start().await;
    let mut none = server.connect("", &[]).await;
    assert_eq!(none.closed().await, (4406, "Subprotocol not acceptable".into()));
    let mut unknown = RawSocket::connect(server.address, "mqtt", b"").await;
    assert_eq!(unknown.closed().await, 4406);
    // The server's preference decides (Python's gql offers the old one first).
    let mut both =
        RawSocket::connect(server.address, "graphql-ws, graphql-transport-ws", b"").await;
    both.text(r#"{"type":"connection_init"}"#).await;
    assert_eq!(both.frame().await.1, br#"{"type":"connection_ack"}"#);
    both.text(r#"{"type":"ping"}"#).await;
    assert_eq!(both.frame().await.1, br#"{"type":"pong"}"#);
}

#[tokio::test]
async fn silence_instead_of_init() {
    let init_timeout = Duration::from_millis(20);
    let server = with(WebSocketConfig { init_timeout, ..Default::default() }).await;
    let mut modern = server.connect(MODERN, &[]).await;
    assert_eq!(modern.closed().await, (4408, "Connection initialisation timeout".into()));
    let mut legacy = server.connect(LEGACY, &[]).await;
    legacy.subscribe("1", "live a").await;
    assert_eq!(legacy.next().await["type"], "connection_error");
    assert_eq!(legacy.closed().await.0, 4401);
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn pings_and_their_deadline() {
    let ping_interval = Duration::from_millis(5);
    let ping_timeout = Duration::from_millis(50);
    let server = with(WebSocketConfig { ping_interval, ping_timeout, ..Default::default() }).await;
    // This client never answers.
    let mut silent = RawSocket::connect(server.address, MODERN, b"").await;
    silent.text(r#"{"type":"connection_init"}"#).await;
    assert_eq!(silent.frame().await.0, 0x81);
    assert_eq!(silent.frame().await, (0x89, vec![]));
    assert_eq!(silent.closed().await, 4499);
    // This one does, by its library, for as long as it reads.
    let mut legacy = server.socket(LEGACY).await;
    for _ in 0..3 {
        assert_eq!(legacy.next().await, json!({"type": "ka"}));
    }
}

#[tokio::test]
async fn operations_at_a_time_are_limited() {
    let server = with(WebSocketConfig { max_operations: 2, ..Default::default() }).await;
    for protocol in BOTH {
        let mut socket = server.socket(protocol).await;
        for id in ["1", "2"] {
            socket.subscribe(id, "live a").await;
            socket.result(id).await;
        }
        socket.subscribe("3", "live a").await;
        let error = refusal(&mut socket, "3").await;
        assert!(error["message"].as_str().unwrap().contains("too many operations"), "{error}");
        socket.stop("1").await;
        if protocol == LEGACY {
            socket.completed("1").await;
        }
        socket.subscribe("3", "mutation").await;
        socket.result("3").await;
        socket.completed("3").await;
    }
}

#[tokio::test]
async fn many_operations_on_one_socket() {
    let server = start().await;
    let mut socket = server.socket(MODERN).await;
    for n in 0..100 {
        socket.subscribe(&n.to_string(), &format!("live {n}")).await;
        socket.result(&n.to_string()).await;
    }
    for n in (0..100).rev() {
        server.fake.publish(&n.to_string(), format!("{{\"data\":{n}}}"));
        assert_eq!(socket.result(&n.to_string()).await, json!({"data": n}));
    }
    socket.close().await;
    for n in 0..100 {
        server.fake.happened(&format!("drop {n}")).await;
    }
}

#[tokio::test]
async fn malformed_messages() {
    let server = start().await;
    let deep = "[".repeat(500_000);
    let payload = format!(r#"{{"type":"connection_init","payload":{}"#, r#"{"a":"#.repeat(100_000));
    for text in ["", "{", "nope", "[]", "{}", r#"{"type":"nope"}"#, &deep, &payload] {
        let mut modern = server.connect(MODERN, &[]).await;
        modern.send_text(text).await;
        assert_eq!(modern.closed().await.0, 4400, "{text:.30}");
        let mut legacy = server.socket(LEGACY).await;
        legacy.send_text(text).await;
        let error = legacy.next().await;
        assert!(["connection_error", "error"].contains(&error["type"].as_str().unwrap()));
        legacy.nothing_more().await;
    }
    let mut modern = server.socket(MODERN).await;
    let nested = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let variables = format!(r#"{{"query":"mutation","variables":{{"a":{nested}}}}}"#);
    modern.send_text(&format!(r#"{{"id":"1","type":"subscribe","payload":{variables}}}"#)).await;
    assert_eq!(modern.closed().await.0, 4400);
}

#[tokio::test]
async fn the_end_by_the_client() {
    let server = start().await;
    let mut legacy = server.socket(LEGACY).await;
    legacy.subscribe("1", "live a").await;
    legacy.result("1").await;
    legacy.send(json!({"type": "connection_terminate"})).await;
    assert_eq!(legacy.closed().await.0, 1005);
    server.fake.happened("drop a").await;
}

#[tokio::test]
async fn upgrades_can_be_switched_off() {
    let server = with(WebSocketConfig { enabled: false, ..Default::default() }).await;
    let head = "GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n";
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("not-supported"), "{answer}");
}
