//! Limits of one identity over all its connections: operations that run, and their rate.

use artesian_server::{AuthConfig, LimitsConfig, RateLimit, ServerConfig};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::support::{
    self, TestServer,
    http::{Reply, open, post, request},
    socket::{LEGACY, MODERN, Socket},
    start_with,
};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const PARTS: (&str, &str) = ("accept", "multipart/mixed;subscriptionSpec=1.0");
const USER: [(&str, &str); 2] = [("x-hasura-role", "user"), ("x-hasura-user-id", "1")];
const OTHER: [(&str, &str); 2] = [("x-hasura-role", "user"), ("x-hasura-user-id", "2")];
const TOKEN: &str = "x-graphql-event-stream-token";

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn server(limits: LimitsConfig) -> TestServer {
    start_with(ServerConfig { limits, max_batch_size: 10, ..support::config() }).await
}

fn operations(operations_per_identity: usize) -> LimitsConfig {
    LimitsConfig { operations_per_identity, ..LimitsConfig::default() }
}

fn with<'a>(one: (&'a str, &'a str), headers: Headers<'a>) -> Vec<(&'a str, &'a str)> {
    [one].into_iter().chain(headers.iter().copied()).collect()
}

async fn socket(server: &TestServer, protocol: &'static str, headers: Headers<'_>) -> Socket {
    let mut socket = server.connect(protocol, headers).await;
    socket.init(Value::Null).await;
    socket
}

/// A stream that is open.
async fn stream(
    server: &TestServer,
    accept: (&str, &str),
    headers: Headers<'_>,
) -> Response<Incoming> {
    let response = open(server.address, post("live a", &with(accept, headers))).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

fn batch(queries: &[&str], headers: Headers<'_>) -> Request<Full<Bytes>> {
    let batch: Vec<_> = queries.iter().map(|query| json!({ "query": query })).collect();
    let headers = with(("content-type", "application/json"), headers);
    request(Method::POST, "/graphql", &headers, &Value::from(batch).to_string())
}

/// Checks an error: its shape, the limit that it names, and the time to come back.
fn names(error: &Value, limit: &str) -> u64 {
    assert!(error["message"].is_string());
    let extensions = &error["extensions"];
    assert_eq!((&extensions["code"], &extensions["path"]), (&json!("limit-exceeded"), &json!("$")));
    assert_eq!(extensions["limit"], limit, "{error}");
    extensions["retryAfter"].as_u64().unwrap()
}

fn refused(reply: &Reply, limit: &str) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    let wait = names(&reply.json()["errors"][0], limit);
    assert_eq!(wait, 1);
    assert_eq!(reply.header("retry-after"), "1");
}

/// Starts an operation on a socket, which stays whatever becomes of it; gives the error if that is a
/// refusal.
async fn start(socket: &mut Socket, id: &str) -> Option<Value> {
    socket.subscribe(id, "raw a").await;
    let mut message = socket.next().await;
    assert_eq!(message["id"], id, "{message}");
    if message["type"] == "error" {
        return Some(message["payload"][0].take());
    }
    socket.completed(id).await;
    message["payload"]["errors"].is_array().then(|| message["payload"]["errors"][0].take())
}

async fn refused_on(socket: &mut Socket, id: &str, limit: &str) {
    let error = start(socket, id).await.unwrap_or_else(|| panic!("it is let in"));
    assert_eq!(names(&error, limit), 1);
}

/// Sees that no single operation is let in, whatever the transport.
async fn refused_everywhere(server: &TestServer, headers: Headers<'_>, limit: &str) {
    refused(&server.send(post("raw a", headers)).await, limit);
    refused(&server.send_http2(post("raw a", headers)).await, limit);
    refused(&server.send(request(Method::GET, "/graphql?query=raw%20a", headers, "")).await, limit);
    for accept in [EVENTS, PARTS] {
        refused(&server.send(post("live a", &with(accept, headers))).await, limit);
        refused(&server.send(post("raw a", &with(accept, headers))).await, limit);
    }
    let reply = server.send(batch(&["raw a", "raw a"], headers)).await;
    assert_eq!(reply.status, StatusCode::OK);
    for at in 0..2 {
        assert_eq!(names(&reply.json()[at]["errors"][0], limit), 1);
    }
    for protocol in [MODERN, LEGACY] {
        let mut socket = socket(server, protocol, headers).await;
        refused_on(&mut socket, "1", limit).await;
        refused_on(&mut socket, "1", limit).await;
        socket.nothing_more().await;
    }
    let token = server.send(request(Method::PUT, "/graphql/stream", headers, "")).await;
    let headers = with((TOKEN, token.text()), headers);
    let body = json!({"query": "raw a", "extensions": {"operationId": "1"}}).to_string();
    let headers = with(("content-type", "application/json"), &headers);
    refused(&server.send(request(Method::POST, "/graphql/stream", &headers, &body)).await, limit);
}

#[tokio::test]
async fn operations_are_counted_over_all_transports() {
    const LIMIT: &str = "operations_per_identity";
    let server = server(operations(4)).await;
    let mut modern = socket(&server, MODERN, &USER).await;
    let mut legacy = socket(&server, LEGACY, &USER).await;
    modern.subscribe("1", "live a").await;
    legacy.subscribe("1", "live a").await;
    for socket in [&mut modern, &mut legacy] {
        socket.result("1").await;
    }
    let events = stream(&server, EVENTS, &USER).await;
    let parts = stream(&server, PARTS, &USER).await;
    assert_eq!(server.hits(LIMIT), 0.0);
    refused_everywhere(&server, &USER, LIMIT).await;
    assert_eq!(server.hits(LIMIT), 14.0);
    let rejected =
        "artesian_operations_total{transport=\"http\",kind=\"unknown\",outcome=\"rejected\"}";
    assert_eq!(server.sample(rejected), 5.0);
    assert_eq!(server.fake.count("run a"), 4, "nothing that was refused began");
    // Neither somebody else nor the administrator is held up.
    for headers in [&OTHER[..], &[]] {
        assert_eq!(server.send(post("raw a", headers)).await.status, StatusCode::OK);
    }
    // Whatever ends makes room, however it ends.
    modern.stop("1").await;
    modern.subscribe("2", "raw a").await;
    modern.result("2").await;
    modern.completed("2").await;
    modern.subscribe("3", "live a").await;
    modern.result("3").await;
    refused_on(&mut modern, "4", LIMIT).await;
    drop((events, parts));
    server
        .sample_becomes("artesian_operations_active{transport=\"sse\",kind=\"subscription\"}", 0.0)
        .await;
    server
        .sample_becomes(
            "artesian_operations_active{transport=\"multipart\",kind=\"subscription\"}",
            0.0,
        )
        .await;
    let reply = server.send(batch(&["raw a", "raw a"], &USER)).await;
    assert!(reply.json().as_array().unwrap().iter().all(|one| one["errors"].is_null()));
    legacy.close().await;
    modern.close().await;
    for protocol in [MODERN, LEGACY] {
        server
            .sample_becomes(&format!("artesian_connections{{transport=\"{protocol}\"}}"), 0.0)
            .await;
    }
    let all = ["raw a"; 5];
    let reply = server.send(batch(&all, &USER)).await;
    let errors: Vec<_> = (0..5).map(|at| !reply.json()[at]["errors"].is_null()).collect();
    assert_eq!(errors, [false, false, false, false, true]);
}

#[tokio::test]
async fn single_operations_count_while_they_run_or_wait() {
    const LIMIT: &str = "operations_per_identity";
    let limits = LimitsConfig { max_executions: 1, ..operations(3) };
    let server = server(limits).await;
    let (address, fake) = (server.address, server.fake.clone());
    let ask = |query: &'static str| {
        tokio::spawn(async move { open(address, post(query, &USER)).await.status() })
    };
    let first = ask("hang x");
    fake.happened("run x").await;
    let mut modern = socket(&server, MODERN, &USER).await;
    modern.subscribe("1", "hang y").await;
    modern.subscribe("2", "raw a").await;
    server.sample_becomes("artesian_operations_waiting", 2.0).await;
    refused(&server.send(post("raw a", &USER)).await, LIMIT);
    // One that fails to start, and one that is not even valid, leave nothing behind.
    modern.stop("1").await;
    server.sample_becomes("artesian_operations_waiting", 1.0).await;
    for query in ["unstartable", "invalid", "unstartable", "invalid"] {
        modern.subscribe("3", query).await;
        assert_eq!(modern.next().await["type"], "error");
    }
    fake.release("x");
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    modern.result("2").await;
    modern.completed("2").await;
    let reply = server.send(batch(&["raw a"; 4], &USER)).await;
    let errors: Vec<_> = (0..4).map(|at| !reply.json()[at]["errors"].is_null()).collect();
    assert_eq!(errors, [false, false, false, true]);
    // A client that does not wait for its answer takes nothing along.
    let gone = ask("hang z");
    fake.happened("run z").await;
    gone.abort();
    assert!(gone.await.is_err());
    fake.happened("drop z").await;
    let reply = server.send(batch(&["raw a"; 3], &USER)).await;
    assert!(reply.json().as_array().unwrap().iter().all(|one| one["errors"].is_null()));
}

/// Uses up what there is of the rate. One comes back each second, so it takes more than the burst
/// only if the machine is slow.
async fn exhaust(server: &TestServer, headers: Headers<'_>) {
    for _ in 0..1000 {
        let reply = server.send(batch(&["raw a"; 10], headers)).await;
        if reply.json().as_array().unwrap().iter().any(|one| !one["errors"].is_null()) {
            return;
        }
    }
    panic!("nothing is refused");
}

#[tokio::test]
async fn the_rate_is_one_over_all_transports() {
    const LIMIT: &str = "request_rate";
    let request_rate_per_identity = RateLimit { per_second: 1, burst: 200 };
    let server = server(LimitsConfig { request_rate_per_identity, ..Default::default() }).await;
    let left = |reply: &Reply| -> u64 {
        assert_eq!(reply.header("ratelimit-policy"), "\"operations\";q=200;w=200");
        let text = reply.header("ratelimit").to_owned();
        let (left, window) =
            text.strip_prefix("\"operations\";r=").unwrap().split_once(";t=").unwrap();
        assert_eq!(window, if left == "0" { "1" } else { left });
        left.parse().unwrap()
    };
    let first = left(&server.send(post("raw a", &USER)).await);
    assert!(first >= 199, "{first}");
    let mut modern = socket(&server, MODERN, &USER).await;
    for id in ["1", "2"] {
        modern.subscribe(id, "raw a").await;
        modern.result(id).await;
        modern.completed(id).await;
    }
    // Also if it makes no sense. One comes back each second.
    let before = left(&server.send(post("invalid", &USER)).await);
    assert!((first - 3..first).contains(&before), "{first} {before}");
    drop(stream(&server, EVENTS, &USER).await);
    let after = left(&server.send(batch(&["raw a"; 10], &USER)).await);
    assert!((before - 11..before - 5).contains(&after), "{before} {after}");
    assert_eq!(server.hits(LIMIT), 0.0);
    exhaust(&server, &USER).await;
    let reply = server.send(post("raw a", &USER)).await;
    if reply.status != StatusCode::OK {
        refused(&reply, LIMIT);
        assert_eq!(left(&reply), 0);
    }
    // Somebody else is not held up, and the administrator is told of no limit.
    assert!(left(&server.send(post("raw a", &OTHER)).await) >= 199);
    let admin = server.send(post("raw a", &[])).await;
    assert_eq!((admin.status, admin.header("ratelimit")), (StatusCode::OK, ""));
}

#[tokio::test]
async fn who_starts_too_much_is_refused_on_each_transport() {
    const LIMIT: &str = "request_rate";
    let request_rate_per_identity = RateLimit { per_second: 1, burst: 1 };
    let server = server(LimitsConfig { request_rate_per_identity, ..Default::default() }).await;
    for (user, protocol) in [("3", MODERN), ("4", LEGACY)] {
        let user = [("x-hasura-role", "user"), ("x-hasura-user-id", user)];
        let mut socket = socket(&server, protocol, &user).await;
        assert_eq!(start(&mut socket, "1").await, None);
        // A second that passes between two is enough for one more.
        let mut error = None;
        for _ in 0..100 {
            error = error.or(start(&mut socket, "2").await);
        }
        assert_eq!(names(&error.unwrap(), LIMIT), 1);
        socket.nothing_more().await;
    }
    for (user, accept) in [("5", ("accept", "*/*")), ("6", EVENTS), ("7", PARTS)] {
        let user = [accept, ("x-hasura-role", "user"), ("x-hasura-user-id", user)];
        let mut reply = server.send(post("raw a", &user)).await;
        assert_eq!(reply.status, StatusCode::OK);
        for _ in 0..100 {
            if reply.status == StatusCode::OK {
                reply = server.send(post("raw a", &user)).await;
            }
        }
        refused(&reply, LIMIT);
        assert_eq!(reply.header("ratelimit"), "\"operations\";r=0;t=1");
    }
    assert!(server.hits(LIMIT) >= 5.0);
}

#[tokio::test]
async fn strangers_are_told_apart_by_their_addresses() {
    let limits = LimitsConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        max_sockets_per_identity: 2,
        ..operations(2)
    };
    let auth = AuthConfig {
        unauthorized_role: Some("anonymous".to_owned()),
        ..AuthConfig::with_secrets(vec!["s3cret".to_owned()])
    };
    let server = start_with(ServerConfig { limits, auth, ..support::config() }).await;
    let (here, there) = ([("x-forwarded-for", "1.1.1.1")], [("x-forwarded-for", "1.1.1.2")]);
    let _streams = (stream(&server, EVENTS, &here).await, stream(&server, PARTS, &here).await);
    refused(&server.send(post("raw a", &here)).await, "operations_per_identity");
    let reply = server.send(post("live a", &with(EVENTS, &here))).await;
    refused(&reply, "operations_per_identity");
    let mut socket = server.connect(MODERN, &here).await;
    socket.send_init(Value::Null).await;
    assert_eq!(socket.closed().await.0, 1013);
    // Others of the same role have rights of their own.
    let _streams = (stream(&server, EVENTS, &there).await, stream(&server, PARTS, &there).await);
    refused(&server.send(post("raw a", &there)).await, "operations_per_identity");
    // Who holds the secret is not limited, from whatever address.
    let admin = [("x-hasura-admin-secret", "s3cret"), here[0]];
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(stream(&server, EVENTS, &admin).await);
    }
    assert_eq!(server.send(post("raw a", &admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_of_settings_forgets_nothing() {
    let limits = LimitsConfig {
        request_rate_per_identity: RateLimit { per_second: 1, burst: 1000 },
        ..operations(2)
    };
    let server = server(limits.clone()).await;
    let _events = stream(&server, EVENTS, &USER).await;
    let left = |reply: &Reply| -> u64 {
        let text = reply.header("ratelimit").strip_prefix("\"operations\";r=").unwrap();
        text.split_once(';').unwrap().0.parse().unwrap()
    };
    for _ in 0..99 {
        server.send(post("raw a", &USER)).await;
    }
    let change = |limits| ServerConfig { limits, max_batch_size: 10, ..support::config() };
    let fewer = LimitsConfig { operations_per_identity: 1, ..limits.clone() };
    server.control.prepare(change(fewer)).unwrap().commit();
    let reply = server.send(post("raw a", &USER)).await;
    refused(&reply, "operations_per_identity");
    assert!((900..960).contains(&left(&reply)), "{}", left(&reply));
    server.control.prepare(change(LimitsConfig::default())).unwrap().commit();
    let reply = server.send(post("raw a", &USER)).await;
    assert_eq!((reply.status, reply.header("ratelimit")), (StatusCode::OK, ""));
}
