//! Event streams.

use std::time::Duration;

use artesian_server::ServerConfig;
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

const ACCEPT: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// Reads a body piece by piece.
struct Events {
    response: Response<Incoming>,
    text: String,
}

impl Events {
    async fn open(server: &TestServer, request: Request<Full<Bytes>>) -> Self {
        let response = open(server.address, request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
        let mut events = Self { response, text: String::new() };
        assert_eq!(events.next().await.unwrap(), ":");
        events
    }

    /// The next event, without the empty line that ends it; `None` at the proper end of the body.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let frame = timeout(LIMIT, self.response.body_mut().frame()).await.unwrap()?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn expect(&mut self, events: &[&str]) {
        for event in events {
            assert_eq!(self.next().await.as_deref(), Some(*event));
        }
    }
}

const COMPLETE: &str = "event: complete\ndata:";

#[tokio::test]
async fn subscriptions_by_post_and_get() {
    let server = start().await;
    let get = request(Method::GET, "/graphql?query=events+2", &ACCEPT, "");
    for request in [post("events 2", &ACCEPT), get] {
        let mut events = Events::open(&server, request).await;
        let next = |n| format!("event: next\ndata: {{\"data\":{n}}}");
        events.expect(&[&next(1), &next(2), COMPLETE]).await;
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn queries_and_mutations_too() {
    let server = start().await;
    for query in ["raw a", "mutation"] {
        let mut events = Events::open(&server, post(query, &ACCEPT)).await;
        assert!(events.next().await.unwrap().starts_with("event: next\ndata: {\"data\":"));
        events.expect(&[COMPLETE]).await;
        assert_eq!(events.next().await, None);
    }
    let get = request(Method::GET, "/graphql?query=mutation", &ACCEPT, "");
    assert_eq!(server.send(get).await.status, 405);
}

#[tokio::test]
async fn json_where_it_is_accepted_and_events_where_they_are_needed() {
    let server = start().await;
    let both = [("accept", "application/json, text/event-stream")];
    let reply = server.send(post("identity", &both)).await;
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    let mut events = Events::open(&server, post("events 1", &both)).await;
    events.expect(&["event: next\ndata: {\"data\":1}", COMPLETE]).await;
    // A wildcard does not ask for a stream.
    let reply = server.send(post("events 1", &[("accept", "*/*")])).await;
    assert_eq!(reply.error_code(), "not-supported");
}

#[tokio::test]
async fn errors_are_inside_the_stream() {
    let server = start().await;
    for (query, code) in [("invalid", "validation-failed"), ("unstartable", "not-found")] {
        let mut events = Events::open(&server, post(query, &ACCEPT)).await;
        let event = events.next().await.unwrap();
        let data = event.strip_prefix("event: next\ndata: ").unwrap();
        let json: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(json["errors"][0]["extensions"]["code"], code);
        events.expect(&[COMPLETE]).await;
        assert_eq!(events.next().await, None);
    }
    // An error of a live operation does not end it, and says nothing of the inside.
    let mut events = Events::open(&server, post("flaky", &ACCEPT)).await;
    events.expect(&["event: next\ndata: {\"data\":1}"]).await;
    let error = events.next().await.unwrap();
    assert!(error.starts_with("event: next\ndata: {\"data\":null,\"errors\":[{"), "{error}");
    assert!(!error.contains("internal"));
    events.expect(&["event: next\ndata: {\"data\":2}", COMPLETE]).await;
    // One that is ended says why, and completes.
    let mut events = Events::open(&server, post("evicted", &ACCEPT)).await;
    events.expect(&["event: next\ndata: {\"data\":1}"]).await;
    let error = events.next().await.unwrap();
    assert!(error.starts_with("event: next\ndata: {\"errors\":[{\"message\":\"no such field\""));
    assert!(!error.contains("internal"));
    events.expect(&[COMPLETE]).await;
}

#[tokio::test]
async fn line_breaks_of_results_do_not_break_events() {
    let server = start().await;
    server.fake.publish("odd", "{\"data\":\n{\r\n}}");
    let mut events = Events::open(&server, post("live odd", &ACCEPT)).await;
    events.expect(&["event: next\ndata: {\"data\": {  }}"]).await;
    server.fake.publish("odd", "{\"data\":2}");
    events.expect(&["event: next\ndata: {\"data\":2}"]).await;
}

#[tokio::test]
async fn heartbeats_while_nothing_happens() {
    let sse_heartbeat = Duration::from_millis(5);
    let server = start_with(ServerConfig { sse_heartbeat, ..support::config() }).await;
    let mut events = Events::open(&server, post("hang a", &ACCEPT)).await;
    events.expect(&[":", ":", ":"]).await;
    server.fake.release("a");
    while events.next().await.unwrap() == ":" {}
    events.expect(&[COMPLETE]).await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn leaving_cancels() {
    let server = start().await;
    for query in ["live a", "hang a"] {
        let before = server.fake.count("drop a");
        let events = Events::open(&server, post(query, &ACCEPT)).await;
        server.fake.happened_times("run a", before + 1).await;
        drop(events);
        server.fake.happened_times("drop a", before + 1).await;
    }
    server.sample_becomes("artesian_connections{transport=\"sse\"}", 0.0).await;
}

#[tokio::test]
async fn over_http2_as_well() {
    let server = start().await;
    let reply = server.send_http2(post("events 1", &ACCEPT)).await;
    assert_eq!(reply.text(), ":\n\nevent: next\ndata: {\"data\":1}\n\nevent: complete\ndata:\n\n");
}
