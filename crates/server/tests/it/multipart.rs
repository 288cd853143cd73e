//! Multipart subscriptions, byte by byte.

use std::time::Duration;

use artesian_server::{AuthConfig, CsrfRule, ServerConfig, StatusProfile};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post, request},
    start, start_with,
};

const ACCEPT: [(&str, &str); 1] = [("accept", "multipart/mixed;subscriptionSpec=1.0")];
/// What Apollo Client sends for subscriptions.
const APOLLO: [(&str, &str); 1] = [(
    "accept",
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,\
     application/graphql-response+json,application/json;q=0.9",
)];
const BOUNDARY: &str = "\r\n--graphql";
const HEAD: &str = "\r\ncontent-type: application/json\r\n\r\n";

/// Reads a body as clients do: a part is there when its closing boundary is.
struct Parts {
    response: Response<Incoming>,
    text: String,
}

impl Parts {
    async fn open(server: &TestServer, request: Request<Full<Bytes>>) -> Self {
        let response = open(server.address, request).await;
        assert_eq!(response.status(), 200);
        let media = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
        assert_eq!(response.headers()["content-type"], media);
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
        Self { response, text: String::new() }
    }

    /// More bytes; false at the proper end of the body.
    async fn read(&mut self) -> bool {
        let Some(frame) = timeout(LIMIT, self.response.body_mut().frame()).await.unwrap() else {
            return false;
        };
        let data = frame.unwrap().into_data().unwrap();
        self.text.push_str(std::str::from_utf8(&data).unwrap());
        true
    }

    /// The JSON of the next part, or `None` at the closing boundary, which must end the body.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.text == format!("{BOUNDARY}--\r\n") {
                assert!(!self.read().await, "{:?}", self.text);
                return None;
            }
            let start = format!("{BOUNDARY}{HEAD}");
            let rest = self.text.strip_prefix(&start).and_then(|rest| rest.split_once(BOUNDARY));
            if let Some((part, rest)) = rest {
                let part = part.to_owned();
                self.text = format!("{BOUNDARY}{rest}");
                return Some(part);
            }
            let expected = start.starts_with(&self.text) || self.text.starts_with(&start);
            assert!(expected, "{:?}", self.text);
            assert!(self.read().await, "the body ended early: {:?}", self.text);
        }
    }

    async fn expect(&mut self, parts: &[&str]) {
        for part in parts {
            assert_eq!(self.next().await.as_deref(), Some(*part));
        }
    }
}

#[tokio::test]
async fn subscriptions_by_post_and_get() {
    let server = start().await;
    let get = request(Method::GET, "/graphql?query=events+2", &ACCEPT, "");
    for request in [post("events 2", &ACCEPT), get, post("events 2", &APOLLO)] {
        let mut parts = Parts::open(&server, request).await;
        parts.expect(&["{\"payload\":{\"data\":1}}", "{\"payload\":{\"data\":2}}"]).await;
        assert_eq!(parts.next().await, None);
    }
}

#[tokio::test]
async fn a_result_is_whole_before_the_next_one_comes() {
    let server = start().await;
    server.fake.publish("a", "{\"data\":1}");
    let mut parts = Parts::open(&server, post("live a", &APOLLO)).await;
    // A client that waits for the end of the part would hang here if it came with the next one.
    parts.expect(&["{\"payload\":{\"data\":1}}"]).await;
    server.fake.publish("a", "{\"data\":2}");
    parts.expect(&["{\"payload\":{\"data\":2}}"]).await;
    assert_eq!(server.sample("artesian_connections{transport=\"multipart\"}"), 1.0);
    drop(parts);
    server.fake.happened("drop a").await;
    server.sample_becomes("artesian_connections{transport=\"multipart\"}", 0.0).await;
}

#[tokio::test]
async fn single_results_where_no_json_is_accepted() {
    let server = start().await;
    for query in ["raw a", "mutation"] {
        let mut parts = Parts::open(&server, post(query, &ACCEPT)).await;
        assert!(parts.next().await.unwrap().starts_with("{\"payload\":{\"data\":"));
        assert_eq!(parts.next().await, None);
        let reply = server.send(post(query, &APOLLO)).await;
        let media = "application/graphql-response+json; charset=utf-8";
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, media));
    }
    let get = request(Method::GET, "/graphql?query=mutation", &ACCEPT, "");
    assert_eq!(server.send(get).await.status, 405);
}

#[tokio::test]
async fn refusals() {
    let server = start().await;
    // Before the response has begun they are JSON with a status, where JSON is accepted.
    let reply = server.send(post("invalid", &APOLLO)).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (400, "validation-failed".into()));
    // Otherwise, and once it has begun, they are a result: the operation never ran.
    for (query, code, accept) in [
        ("invalid", "validation-failed", &ACCEPT),
        ("unstartable", "not-found", &ACCEPT),
        ("unstartable", "not-found", &APOLLO),
    ] {
        let mut parts = Parts::open(&server, post(query, accept)).await;
        let json: serde_json::Value = serde_json::from_str(&parts.next().await.unwrap()).unwrap();
        assert_eq!(json["payload"]["errors"][0]["extensions"]["code"], code);
        assert_eq!(json["errors"], serde_json::Value::Null);
        assert_eq!(parts.next().await, None);
    }
    // What is no request at all gets a status.
    let text = [ACCEPT[0], ("content-type", "text/plain")];
    assert_eq!(server.send(post("identity", &text)).await.status, 415);
}

#[tokio::test]
async fn errors_of_running_operations() {
    let server = start().await;
    // One that may get better is a result.
    let mut parts = Parts::open(&server, post("flaky", &ACCEPT)).await;
    parts.expect(&["{\"payload\":{\"data\":1}}"]).await;
    let error = parts.next().await.unwrap();
    assert!(error.starts_with("{\"payload\":{\"data\":null,\"errors\":[{"), "{error}");
    parts.expect(&["{\"payload\":{\"data\":2}}"]).await;
    assert_eq!(parts.next().await, None);
    // One that ends the operation is not.
    let mut parts = Parts::open(&server, post("evicted", &ACCEPT)).await;
    parts.expect(&["{\"payload\":{\"data\":1}}"]).await;
    let error = parts.next().await.unwrap();
    let start = "{\"payload\":null,\"errors\":[{\"message\":\"no such field\"";
    assert!(error.starts_with(start) && !error.contains("internal"), "{error}");
    assert_eq!(parts.next().await, None);
}

#[tokio::test]
async fn heartbeats_after_the_first_result_only() {
    let multipart_heartbeat = Duration::from_millis(5);
    let server = start_with(ServerConfig { multipart_heartbeat, ..support::config() }).await;
    let mut parts = Parts::open(&server, post("hang a", &ACCEPT)).await;
    server.fake.happened("run a").await;
    let mut other = Parts::open(&server, post("live b", &ACCEPT)).await;
    other.expect(&["{\"payload\":{\"data\":0}}", "{}", "{}", "{}"]).await;
    // The first has been quiet for longer than that.
    server.fake.release("a");
    parts.expect(&["{\"payload\":{\"data\":\"a\"}}"]).await;
    assert_eq!(parts.next().await, None);
    server.fake.publish("b", "{\"data\":1}");
    let mut part = other.next().await.unwrap();
    while part == "{}" {
        part = other.next().await.unwrap();
    }
    assert_eq!(part, "{\"payload\":{\"data\":1}}");
}

#[tokio::test]
async fn the_type_follows_accept() {
    let server = start().await;
    let rows = [
        // urql's header for subscriptions.
        ("text/event-stream, multipart/mixed", "text/event-stream"),
        ("multipart/mixed;subscriptionSpec=1.0, text/event-stream", "text/event-stream"),
        ("multipart/mixed;subscriptionSpec=1.0, text/event-stream;q=0.9", "multipart/mixed"),
        ("*/*, multipart/mixed;subscriptionSpec=1.0;q=0.1", "multipart/mixed"),
        ("application/json, multipart/mixed;subscriptionSpec=\"1.0\"", "multipart/mixed"),
        ("multipart/mixed;deferSpec=20220824, application/json", "application/json"),
        ("multipart/*, application/json", "application/json"),
        ("*/*", "application/json"),
    ];
    for (accept, media) in rows {
        let response = open(server.address, post("events 1", &[("accept", accept)])).await;
        let got = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(got.split(';').next(), Some(media), "{accept}");
    }
    for accept in ["multipart/mixed", "multipart/*", "multipart/mixed;subscriptionSpec=2.0"] {
        let reply = server.send(post("events 1", &[("accept", accept)])).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (406, "invalid-headers".into()));
    }
}

#[tokio::test]
async fn the_same_rules_as_for_other_requests() {
    let strict = ServerConfig { csrf: CsrfRule::Strict, ..support::config() };
    let server = start_with(strict).await;
    let get = |more: &[(&str, &str)]| {
        let headers: Vec<_> = ACCEPT.iter().chain(more).copied().collect();
        request(Method::GET, "/graphql?query=events+1", &headers, "")
    };
    assert_eq!(server.send(get(&[])).await.status, 403);
    assert_eq!(server.send(get(&[("apollo-require-preflight", "1")])).await.status, 200);
    assert_eq!(server.send(get(&[("content-type", "message/http")])).await.status, 415);
    // Who may not ask at all.
    let config =
        ServerConfig { auth: AuthConfig::with_secrets(vec!["s".into()]), ..support::config() };
    let closed = start_with(config.clone()).await;
    let mut parts = Parts::open(&closed, post("events 1", &ACCEPT)).await;
    assert!(parts.next().await.unwrap().starts_with("{\"payload\":{\"errors\":[{"));
    assert_eq!(parts.next().await, None);
    let spec = ServerConfig { status_profile: StatusProfile::Spec, ..config };
    assert_eq!(start_with(spec).await.send(post("events 1", &ACCEPT)).await.status, 401);
}

#[tokio::test]
async fn the_end_of_the_server_cuts_the_body_so_that_clients_come_back() {
    let mut server = start().await;
    let mut parts = Parts::open(&server, post("live a", &ACCEPT)).await;
    parts.expect(&["{\"payload\":{\"data\":0}}"]).await;
    server.stop();
    assert!(timeout(LIMIT, parts.response.into_body().collect()).await.unwrap().is_err());
    server.fake.happened("drop a").await;
    server.stopped().await;
}
