//! Authentication that takes its time: what clients may do meanwhile, and what becomes of those that
//! do not wait for it.

use std::{sync::Arc, time::Duration};

use artesian_server::{
    AuthConfig, ServerConfig,
    auth::{
        Mode,
        config::{HookMethod, WebhookConfig},
    },
};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    service::{Reply, Service},
    support::{
        self, TestServer,
        http::{post, request},
        socket::{LEGACY, MODERN},
        start_with,
    },
};

fn user() -> Reply {
    Reply::json(&json!({"X-Hasura-Role": "user", "X-Hasura-User-Id": "7"}))
}

async fn asking(hook: &Service, method: HookMethod) -> TestServer {
    let mode = Mode::Webhook(WebhookConfig::new(&hook.url(), method).unwrap());
    let auth = AuthConfig { mode, ..AuthConfig::default() };
    start_with(ServerConfig { auth, ..support::config() }).await
}

async fn held() -> (Service, Arc<Notify>, TestServer) {
    let hook = Service::start(user()).await;
    let gate = hook.hold();
    let server = asking(&hook, HookMethod::Get).await;
    (hook, gate, server)
}

fn init(user: &str) -> Value {
    json!({"headers": {"authorization": user}})
}

#[tokio::test]
async fn a_legacy_client_need_not_wait() {
    let (hook, gate, server) = held().await;
    let mut socket = server.connect(LEGACY, &[]).await;
    socket.send_init(init("a")).await;
    socket.subscribe("1", "identity").await;
    socket.subscribe("2", "identity").await;
    socket.stop("2").await;
    hook.requests(1).await;
    socket.nothing_more().await;
    assert_eq!(server.fake.log(), Vec::<String>::new());
    gate.notify_one();
    assert_eq!(socket.next().await["type"], "connection_ack");
    assert_eq!(socket.next().await["type"], "ka");
    // The one that was stopped never ran.
    socket.completed("2").await;
    let result = socket.result("1").await;
    assert_eq!(result["data"]["role"], "user");
    assert_eq!(result["data"]["session"]["x-hasura-user-id"], "7");
    socket.completed("1").await;
    assert_eq!(hook.last().0.headers["authorization"], "a");
}

#[tokio::test]
async fn a_modern_client_that_does_not_wait_is_unauthorized() {
    let (hook, _gate, server) = held().await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.send_init(init("a")).await;
    hook.requests(1).await;
    socket.subscribe("1", "identity").await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_needs_no_waiting_takes_no_time() {
    let auth = AuthConfig::with_secrets(vec!["s".into()]);
    let server = start_with(ServerConfig { auth, ..support::config() }).await;
    let mut socket = server.connect(MODERN, &[("x-hasura-admin-secret", "s")]).await;
    // Both may be in one segment.
    socket.send_init(Value::Null).await;
    socket.subscribe("1", "identity").await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    assert_eq!(socket.result("1").await["data"]["role"], "admin");
}

#[tokio::test]
async fn who_leaves_is_forgotten() {
    let (hook, gate, server) = held().await;
    let socket = server.connect(MODERN, &[]).await;
    let mut other = server.connect(MODERN, &[]).await;
    for (socket, user) in [(socket, "a")] {
        let mut socket = socket;
        socket.send_init(init(user)).await;
        hook.requests(1).await;
        socket.close().await;
    }
    let open = "artesian_connections{transport=\"graphql-transport-ws\"}";
    server.sample_becomes(open, 1.0).await;
    gate.notify_one();
    // The answer to the first was nobody's; the second is asked about by itself.
    other.send_init(init("b")).await;
    assert_eq!(other.next().await["type"], "connection_ack");
    assert_eq!(hook.count(), 2);
}

#[tokio::test]
async fn a_webhook_that_fails_turns_clients_away_and_they_may_come_back() {
    let hook = Service::start(Reply::Say(500, Vec::new(), String::new())).await;
    let server = asking(&hook, HookMethod::Get).await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.send_init(init("a")).await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 1013, "{reason}");
    let mut socket = server.connect(LEGACY, &[]).await;
    socket.send_init(init("a")).await;
    assert_eq!(socket.next().await["type"], "connection_error");
    assert_eq!(socket.closed().await.0, 1013);
    hook.say(user());
    let mut socket = server.connect(MODERN, &[]).await;
    socket.init(init("a")).await;
}

#[tokio::test]
async fn refusals_are_refusals_on_both_protocols() {
    let hook = Service::start(Reply::Say(401, Vec::new(), String::new())).await;
    let server = asking(&hook, HookMethod::Get).await;
    let message = "Authentication hook unauthorized this request";
    let mut socket = server.connect(MODERN, &[]).await;
    socket.send_init(init("a")).await;
    assert_eq!(socket.closed().await, (4403, format!("Forbidden: {message}")));
    let mut socket = server.connect(LEGACY, &[]).await;
    socket.send_init(init("a")).await;
    let error = socket.next().await;
    assert_eq!(
        (&error["type"], &error["payload"]["message"]),
        (&"connection_error".into(), &message.into())
    );
    assert_eq!(socket.closed().await.0, 1011);
}

#[tokio::test]
async fn a_webhook_asked_by_post_sees_the_request_and_sets_cookies() {
    let cookies = vec![("set-cookie", "a=1; HttpOnly".to_owned())];
    let body = json!({"X-Hasura-Role": "user"}).to_string();
    let hook = Service::start(Reply::Say(200, cookies, body)).await;
    let server = asking(&hook, HookMethod::Post).await;
    let seen = |hook: &Service| {
        let body: Value = serde_json::from_slice(&hook.last().1).unwrap();
        body["request"].clone()
    };
    let reply = server.send(post("identity", &[("authorization", "a")])).await;
    assert_eq!(reply.json()["data"]["role"], "user");
    assert_eq!(reply.header("set-cookie"), "a=1; HttpOnly");
    assert_eq!(seen(&hook), json!({"query": "identity"}));
    let get = request(
        Method::GET,
        "/v1/graphql?query=identity&operationName=x&variables=%7B%22a%22:1%7D",
        &[],
        "",
    );
    assert_eq!(server.send(get).await.json()["data"]["role"], "user");
    let expected = json!({"query": "identity", "operationName": "x", "variables": {"a": 1}});
    assert_eq!(seen(&hook), expected);
    // On a socket there is no request yet.
    server.connect(MODERN, &[]).await.init(init("a")).await;
    assert_eq!(seen(&hook), Value::Null);
}

#[tokio::test]
async fn answers_that_expire_end_sockets_and_streams() {
    // The life of an answer is in whole seconds, and real ones.
    let body = json!({"X-Hasura-Role": "user", "Cache-Control": "max-age=1"});
    let hook = Service::start(Reply::json(&body)).await;
    let server = asking(&hook, HookMethod::Get).await;
    let mut modern = server.connect(MODERN, &[]).await;
    modern.init(init("a")).await;
    modern.subscribe("1", "live a").await;
    let mut legacy = server.connect(LEGACY, &[]).await;
    legacy.init(init("a")).await;
    legacy.subscribe("1", "live a").await;
    let events = [("accept", "text/event-stream"), ("authorization", "a")];
    let reply = server.send(post("live a", &events)).await;
    assert!(reply.text().contains("\"code\":\"invalid-jwt\""), "{}", reply.text());
    assert!(reply.text().ends_with("event: complete\ndata:\n\n"), "{}", reply.text());
    let reason = "Forbidden: token expired";
    assert_eq!(modern.closed().await, (4403, reason.to_owned()));
    assert_eq!(legacy.closed().await, (4403, reason.to_owned()));
    let closed = "artesian_sockets_closed_total{reason=\"expired\"}";
    assert_eq!(server.sample(closed), 2.0);
    server.fake.happened_times("drop a", 3).await;
}

#[tokio::test]
async fn a_webhook_that_says_nothing_is_not_waited_for_forever() {
    let hook = Service::start(Reply::Silence).await;
    let mut config = WebhookConfig::new(&hook.url(), HookMethod::Get).unwrap();
    config.timeout = Duration::from_millis(50);
    let auth = AuthConfig { mode: Mode::Webhook(config), ..AuthConfig::default() };
    let server = start_with(ServerConfig { auth, ..support::config() }).await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.send_init(init("a")).await;
    assert_eq!(socket.closed().await.0, 1013);
    let reply = server.send(post("identity", &[])).await;
    assert_eq!(reply.error_code(), "unexpected");
}
