//! Event streams in single connection mode.

use std::time::Duration;

use artesian_server::{AuthConfig, Cors, CsrfRule, ServerConfig, StatusProfile, WebSocketConfig};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    self, LIMIT, TestServer,
    http::{Reply, open, request},
    start, start_with,
};

const PATH: &str = "/graphql/stream";
const TOKEN: &str = "x-graphql-event-stream-token";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
const WAITING: &str = "artesian_event_stream_reservations";
const OPEN: &str = "artesian_connections{transport=\"sse\"}";

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn reserve(server: &TestServer, headers: Headers<'_>) -> String {
    let reply = server.send(request(Method::PUT, PATH, headers, "")).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
    let token = reply.text().to_owned();
    assert!(token.len() >= 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
    token
}

fn with<'a>(token: &'a str, more: Headers<'a>) -> Vec<(&'a str, &'a str)> {
    [(TOKEN, token)].into_iter().chain(more.iter().copied()).collect()
}

fn operation(token: &str, query: &str, id: Value, headers: Headers<'_>) -> Request<Full<Bytes>> {
    let body = json!({ "query": query, "extensions": { "operationId": id } }).to_string();
    request(Method::POST, PATH, &[&with(token, headers)[..], &[JSON]].concat(), &body)
}

async fn start_operation(server: &TestServer, token: &str, query: &str, id: &str) {
    let reply = server.send(operation(token, query, json!(id), &[])).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (202, &b""[..]), "{query}");
}

async fn delete(server: &TestServer, token: &str, query: &str, headers: Headers<'_>) -> Reply {
    let path = format!("{PATH}{query}");
    server.send(request(Method::DELETE, &path, &with(token, headers), "")).await
}

/// Reads the one stream.
struct Events {
    response: Response<Incoming>,
    text: String,
}

impl Events {
    async fn open(server: &TestServer, token: &str) -> Self {
        let open_it = request(Method::GET, PATH, &with(token, &[EVENTS]), "");
        Self::from(open(server.address, open_it).await).await
    }

    async fn from(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut events = Self { response, text: String::new() };
        assert_eq!(events.next().await.unwrap(), ":");
        events
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let frame = timeout(LIMIT, self.response.body_mut().frame()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&frame.ok()?.into_data().unwrap()).unwrap());
        }
    }

    async fn expect(&mut self, events: &[String]) {
        for event in events {
            assert_eq!(self.next().await.as_ref(), Some(event));
        }
    }
}

fn next(id: &str, payload: &str) -> String {
    format!("event: next\ndata: {{\"id\":\"{id}\",\"payload\":{payload}}}")
}

fn complete(id: &str) -> String {
    format!("event: complete\ndata: {{\"id\":\"{id}\"}}")
}

async fn reserved(server: &TestServer) -> (String, Events) {
    let token = reserve(server, &[]).await;
    let events = Events::open(server, &token).await;
    (token, events)
}

#[tokio::test]
async fn operations_of_all_kinds_share_one_stream() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    start_operation(&server, &token, "live a", "1").await;
    events.expect(&[next("1", "{\"data\":0}")]).await;
    for query in ["mutation", "raw b", "events 1"] {
        start_operation(&server, &token, query, "x\"").await;
        assert!(events.next().await.unwrap().starts_with("event: next\ndata: {\"id\":\"x\\\"\""));
        // As soon as it is over its id is free.
        events.expect(&[complete("x\\\"")]).await;
    }
    server.fake.publish("a", "{\"data\":\n1}");
    events.expect(&[next("1", "{\"data\": 1}")]).await;
    // By GET, with the token in the query string, at the other path, and with a number for an id.
    let path =
        format!("/v1{PATH}?token={token}&query=events+1&extensions=%7B%22operationId%22%3A7%7D");
    assert_eq!(server.get(&path).await.status, 202);
    events.expect(&[next("7", "{\"data\":1}"), complete("7")]).await;
    let mutation = path.replace("events+1", "mutation");
    let reply = server.get(&mutation).await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn what_runs_before_the_stream_is_open_is_told_when_it_is() {
    let server = start().await;
    let token = reserve(&server, &[]).await;
    start_operation(&server, &token, "events 1", "1").await;
    start_operation(&server, &token, "hang a", "2").await;
    // Nothing is computed for nobody.
    assert_eq!(server.fake.log(), Vec::<String>::new());
    let mut events = Events::open(&server, &token).await;
    events.expect(&[next("1", "{\"data\":1}"), complete("1")]).await;
    server.fake.happened("run a").await;
    server.fake.release("a");
    events.expect(&[next("2", "{\"data\":\"a\"}"), complete("2")]).await;
}

#[tokio::test]
async fn stopping() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    start_operation(&server, &token, "live a", "1").await;
    events.expect(&[next("1", "{\"data\":0}")]).await;
    let reply = delete(&server, &token, "?operationId=1", &[]).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b""[..]));
    server.fake.happened("drop a").await;
    server.fake.publish("a", "{\"data\":1}");
    // Once more, and something that never was: it may have ended by itself in the meantime.
    for id in ["1", "never"] {
        let reply = delete(&server, &token, &format!("?operationId={id}"), &[]).await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(delete(&server, &token, "", &[]).await.status, 400);
    assert_eq!(delete(&server, "nobody", "?operationId=1", &[]).await.status, 404);
    // Nothing of it comes any more, no `complete` either, and its id is free.
    start_operation(&server, &token, "events 1", "1").await;
    events.expect(&[next("1", "{\"data\":1}"), complete("1")]).await;
}

#[tokio::test]
async fn refused_requests() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    start_operation(&server, &token, "live a", "1").await;
    events.expect(&[next("1", "{\"data\":0}")]).await;
    let post = |body: &str, headers: Headers<'_>| {
        request(Method::POST, PATH, &with(&token, headers), body)
    };
    let batch = "[{\"query\":\"events 1\",\"extensions\":{\"operationId\":\"2\"}}]";
    let rows = [
        (operation(&token, "events 1", json!("1"), &[]), 409),
        (operation(&token, "events 1", json!(""), &[]), 400),
        (operation(&token, "events 1", json!(null), &[]), 400),
        (operation(&token, "events 1", json!({}), &[]), 400),
        (operation(&token, "events 1", json!("i".repeat(257)), &[]), 400),
        (post("{\"query\":\"events 1\"}", &[JSON]), 400),
        (post("{\"query\":", &[JSON]), 400),
        (post(batch, &[JSON]), 400),
        (post("{\"query\":\"events 1\"}", &[("content-type", "text/plain")]), 415),
        (operation(&token, "events 1", json!("2"), &[("accept", "image/png")]), 406),
        (operation("nobody", "events 1", json!("2"), &[]), 404),
        (operation("", "events 1", json!("2"), &[]), 404),
        (operation(&token, "events 1", json!("2"), &[(TOKEN, &token)]), 404),
        (request(Method::GET, PATH, &with(&token, &[EVENTS]), ""), 409),
        (request(Method::GET, PATH, &with("nobody", &[EVENTS]), ""), 404),
        (request(Method::GET, &format!("{PATH}?query=raw"), &[], ""), 404),
        (request(Method::PUT, PATH, &[EVENTS], ""), 406),
        (request(Method::PATCH, PATH, &[], ""), 405),
        (request(Method::HEAD, PATH, &[], ""), 405),
    ];
    for (request, status) in rows {
        let shown = format!("{request:?}");
        let reply = server.send(request).await;
        assert_eq!(reply.status, status, "{shown}: {:?}", reply.body);
        if !reply.body.is_empty() {
            reply.error_code();
        }
    }
    let options = server.send(request(Method::OPTIONS, PATH, &[], "")).await;
    let methods = "GET, POST, PUT, DELETE, OPTIONS";
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, methods));
    // The stream has not noticed.
    server.fake.publish("a", "{\"data\":1}");
    events.expect(&[next("1", "{\"data\":1}")]).await;
}

#[tokio::test]
async fn operations_that_are_refused_or_end_with_errors() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    // Where a plain answer would be 200 with errors, they are told in the stream.
    for (query, code) in [("invalid", "validation-failed"), ("unstartable", "not-found")] {
        start_operation(&server, &token, query, "1").await;
        let event = events.next().await.unwrap();
        let data: Value = serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap();
        assert_eq!(data["id"], "1");
        assert_eq!(data["payload"]["errors"][0]["extensions"]["code"], code);
        assert_eq!(data["payload"].get("data"), None);
        events.expect(&[complete("1")]).await;
    }
    start_operation(&server, &token, "evicted", "1").await;
    events.expect(&[next("1", "{\"data\":1}")]).await;
    let start = "event: next\ndata: {\"id\":\"1\",\"payload\":{\"errors\":[";
    assert!(events.next().await.unwrap().starts_with(start));
    events.expect(&[complete("1")]).await;
    // Otherwise they are the answer.
    let new = [("accept", "application/graphql-response+json")];
    let reply = server.send(operation(&token, "invalid", json!("1"), &new)).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (400, "validation-failed".into()));
    let spec = ServerConfig { status_profile: StatusProfile::Spec, ..support::config() };
    let spec = start_with(spec).await;
    let token = reserve(&spec, &[]).await;
    let reply = spec.send(operation(&token, "invalid", json!("1"), &[])).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (422, "validation-failed".into()));
}

#[tokio::test]
async fn a_token_is_worth_nothing_to_others() {
    let config =
        ServerConfig { auth: AuthConfig::with_secrets(vec!["s".into()]), ..support::config() };
    let server = start_with(config).await;
    let secret = ("x-hasura-admin-secret", "s");
    let ada = [secret, ("x-hasura-role", "user"), ("x-hasura-user-id", "1")];
    let others: [Headers<'_>; 4] = [
        &[secret],
        &[secret, ("x-hasura-role", "user")],
        &[secret, ("x-hasura-role", "user"), ("x-hasura-user-id", "2")],
        &[secret, ("x-hasura-role", "editor"), ("x-hasura-user-id", "1")],
    ];
    let token = reserve(&server, &ada).await;
    let requests = |token: &str, headers: Headers<'_>| {
        let open_it =
            request(Method::GET, PATH, &[&with(token, headers)[..], &[EVENTS]].concat(), "");
        let by_query = format!("{PATH}?token={token}");
        let by_query = request(Method::GET, &by_query, &[headers, &[EVENTS]].concat(), "");
        let stop = format!("{PATH}?operationId=1");
        let stop = request(Method::DELETE, &stop, &with(token, headers), "");
        [open_it, by_query, operation(token, "identity", json!("9"), headers), stop]
    };
    // Before it is open and while it is; the same answer as for a token that never was.
    let mut events = None;
    for _ in 0..2 {
        for other in others {
            let never = "0".repeat(32);
            for (real, never) in requests(&token, other).into_iter().zip(requests(&never, other)) {
                let (real, never) = (server.send(real).await, server.send(never).await);
                assert_eq!((real.status.as_u16(), real.error_code()), (404, "not-found".into()));
                assert_eq!((never.status, never.body), (real.status, real.body));
            }
        }
        for nobody in [&[][..], &[("x-hasura-admin-secret", "wrong")]] {
            for request in requests(&token, nobody) {
                let reply = server.send(request).await;
                assert_eq!(
                    (reply.status.as_u16(), reply.error_code()),
                    (401, "access-denied".into())
                );
            }
        }
        if events.is_none() {
            let open_it =
                request(Method::GET, PATH, &[&with(&token, &ada)[..], &[EVENTS]].concat(), "");
            events = Some(Events::from(open(server.address, open_it).await).await);
        }
    }
    // The same identity in other words.
    let same =
        [("X-Hasura-User-Id", "1"), ("x-hasura-access-key", "s"), ("X-Hasura-Role", " user ")];
    let reply = server.send(operation(&token, "identity", json!("1"), &same)).await;
    assert_eq!(reply.status, 202);
    let event = events.unwrap().next().await.unwrap();
    assert!(event.contains("\"role\":\"user\""), "{event}");
    assert_eq!(server.send(request(Method::PUT, PATH, &[], "")).await.status, 401);
}

#[tokio::test]
async fn ids_mean_nothing_to_other_streams() {
    let server = start().await;
    let (first, mut first_events) = reserved(&server).await;
    let (second, mut second_events) = reserved(&server).await;
    assert_ne!(first, second);
    start_operation(&server, &first, "live a", "1").await;
    start_operation(&server, &second, "live b", "1").await;
    first_events.expect(&[next("1", "{\"data\":0}")]).await;
    second_events.expect(&[next("1", "{\"data\":0}")]).await;
    assert_eq!(delete(&server, &first, "?operationId=1", &[]).await.status, 200);
    server.fake.happened("drop a").await;
    server.fake.publish("b", "{\"data\":2}");
    second_events.expect(&[next("1", "{\"data\":2}")]).await;
    assert_eq!(server.fake.count("drop b"), 0);
}

#[tokio::test]
async fn the_loss_of_the_stream_ends_everything() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    start_operation(&server, &token, "live a", "1").await;
    start_operation(&server, &token, "hang b", "2").await;
    events.next().await.unwrap();
    server.fake.happened("run b").await;
    drop(events);
    server.fake.happened("drop a").await;
    server.fake.happened("drop b").await;
    server.sample_becomes(OPEN, 0.0).await;
    assert_eq!(server.send(operation(&token, "events 1", json!("3"), &[])).await.status, 404);
    let again = request(Method::GET, PATH, &with(&token, &[EVENTS]), "");
    assert_eq!(server.send(again).await.status, 404);
}

#[tokio::test]
async fn reservations_that_nobody_opens_are_dropped() {
    let sse_reservation_timeout = Duration::from_millis(10);
    let server = start_with(ServerConfig { sse_reservation_timeout, ..support::config() }).await;
    let token = reserve(&server, &[]).await;
    server.sample_becomes(WAITING, 0.0).await;
    let ended = "artesian_event_stream_reservations_ended_total{outcome=\"expired\"}";
    assert_eq!(server.sample(ended), 1.0);
    let open_it = request(Method::GET, PATH, &with(&token, &[EVENTS]), "");
    assert_eq!(server.send(open_it).await.status, 404);
    assert_eq!(server.send(operation(&token, "events 1", json!("1"), &[])).await.status, 404);
}

#[tokio::test]
async fn reservations_are_bounded() {
    let config = ServerConfig {
        sse_max_reservations: 3,
        sse_max_reservations_per_identity: 2,
        ..support::config()
    };
    let server = start_with(config).await;
    let user = |role: &'static str| [("x-hasura-role", role)];
    let put = |role| request(Method::PUT, PATH, &user(role), "");
    let token = reserve(&server, &user("a")).await;
    reserve(&server, &user("a")).await;
    let reply = server.send(put("a")).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (429, "limit-exceeded".into()));
    reserve(&server, &user("b")).await;
    let reply = server.send(put("c")).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (503, "limit-exceeded".into()));
    assert_eq!(reply.header("retry-after"), "1");
    // An open stream waits for nothing any more.
    let open_it =
        request(Method::GET, PATH, &[&with(&token, &user("a"))[..], &[EVENTS]].concat(), "");
    let _events = Events::from(open(server.address, open_it).await).await;
    reserve(&server, &user("a")).await;
    assert_eq!(server.send(put("a")).await.status, 429);
    assert_eq!(server.sample(WAITING), 3.0);
    let refused = "artesian_event_stream_reservations_ended_total{outcome=\"refused\"}";
    assert_eq!(server.sample(refused), 3.0);
}

#[tokio::test]
async fn operations_of_one_stream_are_bounded() {
    let websocket = WebSocketConfig { max_operations: 2, ..Default::default() };
    let server = start_with(ServerConfig { websocket, ..support::config() }).await;
    let (token, mut events) = reserved(&server).await;
    start_operation(&server, &token, "live a", "1").await;
    start_operation(&server, &token, "live b", "2").await;
    for query in ["live c", "invalid"] {
        let reply = server.send(operation(&token, query, json!("3"), &[])).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (429, "limit-exceeded".into()));
    }
    events.next().await.unwrap();
    assert_eq!(delete(&server, &token, "?operationId=1", &[]).await.status, 200);
    start_operation(&server, &token, "live c", "3").await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_takes_little_and_then_the_latest() {
    let server = start().await;
    let (token, mut events) = reserved(&server).await;
    for (topic, id) in [("a", "1"), ("b", "2")] {
        start_operation(&server, &token, &format!("live {topic}"), id).await;
        server.fake.happened(&format!("run {topic}")).await;
    }
    let payload =
        |version: usize| format!("{{\"data\":{version},\"x\":\"{}\"}}", "x".repeat(128 << 10));
    let total = 400;
    for version in 1..=total {
        for topic in ["a", "b"] {
            server.fake.publish(topic, payload(version));
        }
        tokio::task::yield_now().await;
    }
    let last = format!("\"payload\":{{\"data\":{total},");
    let (mut bytes, mut seen) = (0, 0);
    while seen < 2 {
        let event = events.next().await.unwrap();
        bytes += event.len();
        seen += usize::from(event.contains(&last));
    }
    assert!(bytes < total * (128 << 10), "{bytes}");
}

#[tokio::test]
async fn heartbeats_and_the_end_of_the_server() {
    let sse_heartbeat = Duration::from_millis(5);
    let mut server = start_with(ServerConfig { sse_heartbeat, ..support::config() }).await;
    let (token, mut events) = reserved(&server).await;
    for _ in 0..3 {
        assert_eq!(events.next().await.as_deref(), Some(":"));
    }
    start_operation(&server, &token, "live a", "1").await;
    while events.next().await.unwrap() != next("1", "{\"data\":0}") {}
    server.stop();
    // Cut off, so that clients come back.
    let rest = timeout(LIMIT, events.response.into_body().collect()).await.unwrap();
    assert!(rest.is_err());
    server.fake.happened("drop a").await;
    server.stopped().await;
}

#[tokio::test]
async fn without_a_token_it_is_the_other_mode() {
    let server = start().await;
    let body = json!({ "query": "events 1" }).to_string();
    let reply = server.send(request(Method::POST, PATH, &[JSON, EVENTS], &body)).await;
    assert_eq!(reply.text(), ":\n\nevent: next\ndata: {\"data\":1}\n\nevent: complete\ndata:\n\n");
}

#[tokio::test]
async fn other_sites() {
    let cors = Cors::List(vec!["https://app.example.com".into()]);
    let csrf = CsrfRule::Strict;
    let server = start_with(ServerConfig { cors, csrf, ..support::config() }).await;
    let headers = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", TOKEN),
    ];
    let reply = server.send(request(Method::OPTIONS, PATH, &headers, "")).await;
    assert_eq!(reply.header("access-control-allow-methods"), "GET, POST, PUT, DELETE");
    assert_eq!(reply.header("access-control-allow-headers"), TOKEN);
    let reply = server.send(request(Method::PUT, PATH, &headers[..1], "")).await;
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example.com");
    let token = reply.text();
    let open_it = |more: Headers<'_>| {
        request(Method::GET, PATH, &[&with(token, &[EVENTS])[..], more].concat(), "")
    };
    assert_eq!(server.send(open_it(&[])).await.status, 403);
    let good = [("graphql-require-preflight", "1")];
    Events::from(open(server.address, open_it(&good)).await).await;
}
