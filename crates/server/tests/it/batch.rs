//! Several requests in one body.

use std::time::Duration;

use artesian_server::{ServerConfig, StatusProfile};
use http::Method;
use serde_json::json;

use crate::support::{
    self, TestServer,
    http::{Reply, request},
    start, start_with,
};

async fn post(server: &TestServer, queries: &[&str], headers: &[(&str, &str)]) -> Reply {
    let batch: Vec<_> = queries.iter().map(|query| json!({ "query": query })).collect();
    let body = serde_json::to_string(&batch).unwrap();
    let json = [("content-type", "application/json")];
    let headers = [&json[..], headers].concat();
    server.send(request(Method::POST, "/graphql", &headers, &body)).await
}

async fn server(max_batch_size: usize) -> TestServer {
    start_with(ServerConfig { max_batch_size, ..support::config() }).await
}

#[tokio::test]
async fn switched_off_by_default() {
    let server = start().await;
    let reply = post(&server, &["identity"], &[]).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (400, "not-supported".into()));
}

#[tokio::test]
async fn an_array_of_results_in_order() {
    let server = server(10).await;
    let bytes = "{\"data\" : {\n \"a\":1.0}}";
    server.fake.publish("odd", bytes);
    let reply = post(&server, &["raw odd", "invalid", "failing", "live x", "raw odd"], &[]).await;
    assert_eq!((reply.status.as_u16(), reply.json().as_array().unwrap().len()), (200, 5));
    assert!(reply.text().starts_with(&format!("[{bytes},{{\"errors\":[")), "{}", reply.text());
    assert!(reply.text().ends_with(&format!("}},{bytes}]")));
    let code = |n: usize| reply.json()[n]["errors"][0]["extensions"]["code"].clone();
    assert_eq!(
        [code(1), code(2), code(3)],
        ["validation-failed", "data-exception", "not-supported"]
    );
    assert_eq!(server.sample("artesian_http_batch_requests_sum"), 5.0);
    // A batch of one is a batch.
    assert_eq!(post(&server, &["raw odd"], &[]).await.text(), format!("[{bytes}]"));
}

#[tokio::test]
async fn types_and_statuses() {
    let spec = StatusProfile::Spec;
    let config = ServerConfig { max_batch_size: 2, status_profile: spec, ..support::config() };
    let (hasura, spec) = (server(2).await, start_with(config).await);
    for accept in ["*/*", "application/json", "application/graphql-response+json"] {
        for server in [&hasura, &spec] {
            let reply = post(server, &["invalid", "identity"], &[("accept", accept)]).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
        }
    }
    let events = [("accept", "text/event-stream")];
    assert_eq!(post(&hasura, &["identity"], &events).await.status, 406);
    let three = ["identity", "identity", "identity"];
    for (server, status) in [(&hasura, 400), (&spec, 422)] {
        let reply = post(server, &three, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (status, "limit-exceeded".into()));
        assert!(reply.text().contains("more than 2 requests"));
        let reply = post(server, &[], &[]).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (status, "parse-failed".into()));
    }
}

#[tokio::test]
async fn queries_run_at_the_same_time_and_mutations_in_their_place() {
    let server = server(10).await;
    let queries = ["hang a", "hang b", "mutation m", "hang c"];
    let batch = post(&server, &queries, &[]);
    let watch = async {
        server.fake.happened("run a").await;
        server.fake.happened("run b").await;
        // Out of order: the results are in order all the same.
        server.fake.release("b");
        server.fake.happened("drop b").await;
        server.fake.release("a");
        server.fake.happened("run m").await;
        assert_eq!(server.fake.log().last().map(String::as_str), Some("run m"));
        // Another request goes its whole way while nothing else of the batch begins.
        server.post("raw x").await;
        assert_eq!(server.fake.count("run c"), 0);
        server.fake.release("m");
        server.fake.happened("run c").await;
        server.fake.release("c");
    };
    let (reply, ()) = tokio::join!(batch, watch);
    let expected = json!([{"data": "a"}, {"data": "b"}, {"data": "m"}, {"data": "c"}]);
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn limited_in_time_and_number_at_once() {
    let request_timeout = Duration::from_millis(50);
    let config = ServerConfig { max_batch_size: 20, request_timeout, ..support::config() };
    let server = start_with(config).await;
    let hanging: Vec<String> = (0..20).map(|n| format!("hang {n}")).collect();
    let queries: Vec<&str> = hanging.iter().map(String::as_str).collect();
    let reply = post(&server, &queries, &[]).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (504, "timeout".into()));
    let log = server.fake.log();
    assert_eq!(log.iter().filter(|entry| entry.starts_with("run ")).count(), 8);
    assert_eq!(log.iter().filter(|entry| entry.starts_with("drop ")).count(), 8);
}
